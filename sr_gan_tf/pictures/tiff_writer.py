"""TIFF written strip by strip with tifffile, EXIF's directories appended behind the pixels."""

import io
import struct
import zlib
from collections.abc import Iterable
from typing import IO

import numpy as np
import tifffile
from isal import isal_zlib
from PIL import TiffImagePlugin

from sr_gan_tf.pictures.metadata import Metadata, exif_directories
from sr_gan_tf.pictures.strips import strips

_STRIP_BYTES = 1 << 20
_POINTERS = {"Exif": 34665, "GPS": 34853}


def encode_tiff(
    file: IO[bytes],
    blocks: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    dtype: np.dtype,
    metadata: Metadata,
    small: bool,
) -> None:
    """Writes blocks of rows (rows, W, C) as they come; C is 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""
    height, width, channels = shape
    rows_a_strip = max(1, min(height, _STRIP_BYTES // max(1, width * channels * dtype.itemsize)))
    # Strips of a 4 GB file need 64-bit offsets; EXIF's directory cannot follow into that layout.
    big = height * width * channels * dtype.itemsize > 2**32 - 2**26
    directories = {} if big else exif_directories(metadata.exif)
    tags = [(tag, 2, 0, value, True) for tag, value in directories.get("Image", {}).items()]
    if metadata.xmp:
        tags.append((700, 1, len(metadata.xmp), metadata.xmp, True))
    if metadata.iptc:
        tags.append((33723, 7, len(metadata.iptc), metadata.iptc, True))
    with tifffile.TiffWriter(file, bigtiff=big, byteorder="<") as writer:
        writer.write(
            (_packed(strip, small) for strip in strips(blocks, rows_a_strip)),
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
    _append_directories(file, {tag: directories[group] for group, tag in _POINTERS.items() if group in directories})


def _packed(strip: np.ndarray, small: bool) -> bytes:
    """A strip compressed: differences along the row, deflate."""
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    values = differences.astype(differences.dtype.newbyteorder("<"), copy=False)
    return zlib.compress(values.data, 9) if small else isal_zlib.compress(values.data, 1)


def _append_directories(file: IO[bytes], directories: dict[int, TiffImagePlugin.ImageFileDirectory_v2]) -> None:
    """Puts EXIF's directories behind the pixels, and behind them a new main directory that points to them too."""
    if not directories:
        return
    file.seek(4)
    (start,) = struct.unpack("<I", file.read(4))
    file.seek(start)
    (count,) = struct.unpack("<H", file.read(2))
    entries = [file.read(12) for _ in range(count)]
    for tag, directory in directories.items():
        entries.append(struct.pack("<HHII", tag, 4, 1, _at_even_end(file)))
        file.write(directory.tobytes(_at_even_end(file)))
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    start = _at_even_end(file)
    file.write(struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0))
    file.seek(4)
    file.write(struct.pack("<I", start))


def _at_even_end(file: IO[bytes]) -> int:
    end = file.seek(0, io.SEEK_END)
    return end + file.write(b"\0" * (end % 2))
