"""Writes TIFF strip by strip with tifffile.

An EXIF block is itself a small TIFF file. It comes first and shares the file's header, so all its offsets stay valid,
even inside a maker note. A main directory after the pixels joins its tags with those of the picture.
"""

import io
import struct
import zlib
from collections.abc import Iterable
from typing import IO, Literal

import numpy as np
import tifffile
from isal import isal_zlib

from sr_gan_tf.pictures.containers import iptc_resource
from sr_gan_tf.pictures.exif_in_tiff import for_big_tiff, main_entries
from sr_gan_tf.pictures.metadata import Metadata
from sr_gan_tf.pictures.strips import strips

_STRIP_BYTES = 1 << 20
_LARGEST_CLASSIC = 2**32 - 2**26


def encode_tiff(
    file: IO[bytes],
    blocks: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    dtype: np.dtype,
    metadata: Metadata,
    small: bool,
) -> None:
    """Writes a TIFF.

    Args:
        file: an empty seekable binary file, open for reading and writing.
        blocks: (rows, W, C) of `dtype`, from top to bottom.
        shape: (H, W, C); C is 1 for gray, 2 for gray and alpha, 3 for RGB, 4 for RGB and alpha.
        dtype: uint8 or uint16.
        metadata: written as far as TIFF can store it.
        small: compress better and much more slowly.
    """
    height, width, channels = shape
    rows_a_strip = max(1, min(height, _STRIP_BYTES // max(1, width * channels * dtype.itemsize)))
    # Files beyond 4 GB need 64-bit offsets.
    big = height * width * channels * dtype.itemsize > _LARGEST_CLASSIC
    order: Literal["<", ">"] = ">" if (metadata.exif or b"").startswith(b"MM") else "<"
    tags = []
    if metadata.xmp:
        tags.append((700, 1, len(metadata.xmp), metadata.xmp, True))
    if metadata.iptc:
        tags.append((33723, 7, len(metadata.iptc), metadata.iptc, True))
    if metadata.photoshop:
        resources = (iptc_resource(metadata.iptc) if metadata.iptc else b"") + metadata.photoshop
        tags.append((34377, 1, len(resources), resources, True))
    entries: list[bytes] = []
    with tifffile.TiffWriter(file, bigtiff=big, byteorder=order) as writer:
        if metadata.exif and big:
            block, entries = for_big_tiff(metadata.exif, 16)
            file.write(block)
        elif metadata.exif:
            entries = list(main_entries(metadata.exif).values())
            file.write(metadata.exif[8:])
        writer.write(
            (_packed(strip, order, small) for strip in strips(blocks, rows_a_strip)),
            shape=shape if channels > 1 else shape[:2],
            dtype=dtype,
            rowsperstrip=rows_a_strip,
            photometric="rgb" if channels >= 3 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            compression="zlib",
            predictor=True,
            iccprofile=metadata.icc_profile,
            resolution=metadata.dpi,
            resolutionunit="INCH" if metadata.dpi else None,
            software=metadata.note or False,
            metadata=None,
            extratags=tags,
            maxworkers=1,
        )
    if entries:
        _join(file, entries, order, big)


def _packed(strip: np.ndarray, order: Literal["<", ">"], small: bool) -> bytes:
    """Compresses a strip: horizontal differences, then deflate."""
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    values = differences.astype(differences.dtype.newbyteorder(order), copy=False)
    return zlib.compress(values.data, 9) if small else isal_zlib.compress(values.data, 1)


def _join(file: IO[bytes], added: list[bytes], order: str, big: bool) -> None:
    """Appends a main directory with the entries of the picture and of EXIF."""
    offset, count, step = ("Q", "Q", 20) if big else ("I", "H", 12)
    pointer = 8 if big else 4
    file.seek(pointer)
    (start,) = struct.unpack(order + offset, file.read(pointer))
    file.seek(start)
    (number,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
    tag = struct.Struct(order + "H").unpack_from
    entries = {tag(entry)[0]: entry for entry in added}
    # If both have a tag, the picture's entry wins.
    entries |= {tag(entry)[0]: entry for entry in (file.read(step) for _ in range(number))}
    end = file.seek(0, io.SEEK_END)
    end += file.write(b"\0" * (end % 2))
    lines = b"".join(entries[key] for key in sorted(entries))
    file.write(struct.pack(order + count, len(entries)) + lines + struct.pack(order + offset, 0))
    file.seek(pointer)
    file.write(struct.pack(order + offset, end))
