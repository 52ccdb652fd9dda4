"""Writes a generator as a SavedModel for TensorFlow Serving: reloaded and compared before it gets its final name."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.export_formats import MAX_MEGAPIXELS, model_card, serving_folder, verification
from sr_gan_tf.export_formats.graph_tiles import fixed_tiling
from sr_gan_tf.export_formats.signatures import Served
from sr_gan_tf.files import sha256, write_text
from sr_gan_tf.inference.enlarger import as_samples
from sr_gan_tf.inference.keras_enlarger import enlarger_of
from sr_gan_tf.inference.tiling import Tiling, enlarged_rows
from sr_gan_tf.networks import Generator


@dataclasses.dataclass(frozen=True)
class Serving:
    """How a SavedModel processes pictures.

    Args:
        version: number of the folder, below 2^63; None for the next one.
        tile: side of a tile in LR pixels; None for what fits in a gigabyte.
        halo: LR pixels around a tile, `"exact"`, or None.
        max_megapixels: encoded pictures that are larger according to their header are refused.
    """

    version: int | None = None
    tile: int | None = None
    halo: int | str | None = None
    max_megapixels: float = MAX_MEGAPIXELS

    def __post_init__(self):
        if self.version is not None and not 0 <= self.version < 2**63:
            raise InputError(f"--version {self.version}: expected a number from 0 to {2**63 - 1}")
        if not 0 < self.max_megapixels <= 2000:
            raise InputError(f"--max-megapixels {self.max_megapixels:g}: expected more than 0, 2000 at most")


def write_saved_model(
    generator: Generator,
    folder: Path,
    card: dict,
    serving: Serving,
    measure: Callable[[Path], dict[str, float]] | None = None,
) -> verification.Agreement:
    """Writes `folder/<version>/`, complete or not at all, and the server's settings next to it if there are none.

    Args:
        generator: in its form for inference.
        folder: contains the model's versions.
        card: what is known about the model; this function adds to it.
        serving: how pictures are processed.
        measure: called with the written folder; its result is stored on the card as `measured`.

    Raises:
        InputError: the version exists, or the written model doesn't reproduce the model's output.
    """
    enlarger = enlarger_of(generator)
    tiling = fixed_tiling(enlarger, serving.tile, serving.halo)
    served = Served(generator, tiling, serving.max_megapixels)
    with serving_folder.new_version(folder, serving.version) as (temporary, final):
        served.write(temporary)
        serving_folder.write_warmup(temporary, folder.resolve().name)
        agreement = verify(temporary, generator, tiling)
        card = card | {
            "signatures": {
                "serving_default": "images uint8 (N, H, W, 3) -> outputs uint8 (N, scale*H, scale*W, 3)",
                "float": "images float32 (N, H, W, 3) in [0, 1] -> outputs float32, not clipped",
                "encoded": "image_bytes (N,) of PNG, JPEG or WebP -> output_bytes (N,) of PNG, status (N,)",
            },
            "tiling": {
                "tile": tiling.tile[0],
                "halo": tiling.halo,
                "alignment": tiling.alignment,
                "border": tiling.border,
                "equals_the_whole_picture": tiling.exact and not tiling.note,
                "note": tiling.note,
            },
            "max_megapixels": serving.max_megapixels,
            "verified": {
                "largest_difference": agreement.difference,
                "sizes": [list(size) for size in verification.SIZES],
            },
        }
        if measure is not None:
            card["measured"] = measure(temporary)
        card["files"] = {
            str(path.relative_to(temporary)): sha256(path) for path in sorted(temporary.rglob("*")) if path.is_file()
        }
        write_text(temporary / model_card.NAME, model_card.to_text(card))
    serving_folder.write_settings(folder)
    return dataclasses.replace(agreement, path=final)


def verify(folder: Path, generator: keras.Model, tiling: Tiling) -> verification.Agreement:
    """Compares every signature with `model.predict`, on pictures of three sizes and one that is cut into tiles."""
    loaded = tf.saved_model.load(str(folder))
    endpoints = loaded.signatures

    def floats(pictures):
        return endpoints["float"](images=tf.constant(pictures))["outputs"].numpy()

    agreement = verification.compare("saved_model", folder, floats, generator, border=tiling.border)
    verification.check(agreement, verification.largest_value(generator))
    for size in (*verification.SIZES, (1, *_tiled_size(tiling))):
        pictures = verification.photographs(*size)
        eight = as_samples(pictures, np.uint8)
        wanted = _whole(generator, eight, tiling)
        _within_a_level("serving_default", endpoints["serving_default"](images=eight)["outputs"].numpy(), wanted)
    files = [tf.io.encode_png(picture) for picture in eight]
    answer = endpoints["encoded"](image_bytes=tf.stack([*files, tf.constant(b"no picture")]))
    if any(answer["status"][:-1].numpy()) or not answer["status"][-1].numpy():
        raise InputError(f"encoded: its status says {answer['status'].numpy()!r}; nothing was written")
    found = np.stack([tf.io.decode_png(item).numpy() for item in answer["output_bytes"][:-1]])
    _within_a_level("encoded", found, wanted)
    return agreement


def _tiled_size(tiling: Tiling) -> tuple[int, int]:
    """Height and width of the smallest picture that is cut into tiles."""
    unit = tiling.alignment
    window = tiling.tile[0] + 2 * (-(-tiling.halo // unit) * unit)
    return window + 5, min(window, 64)


def _whole(generator: keras.Model, pictures: np.ndarray, tiling: Tiling) -> np.ndarray:
    """Returns the model's own output; if tiles are an approximation, the same one by `inference`."""
    if tiling.exact and not tiling.note:
        values = pictures.astype(np.float32) / 255
        return as_samples(verification.reference(generator, values, tiling.border), np.uint8)
    enlarger = enlarger_of(generator)
    return np.stack([np.concatenate(list(enlarged_rows(enlarger, picture, tiling))) for picture in pictures])


def _within_a_level(name: str, found: np.ndarray, wanted: np.ndarray) -> None:
    if found.shape != wanted.shape:
        raise InputError(f"{name}: gave pictures of {found.shape}, expected {wanted.shape}; nothing was written")
    worst = int(np.abs(found.astype(int) - wanted).max())
    if worst > 1:
        raise InputError(f"{name}: its pictures differ from the model's by {worst} gray levels; nothing was written")
