"""`python tools/band_gains.py SHARP SMOOTH --data NAME=FOLDER --gains 1,1,1,0`: which frequencies of a network help.

SHARP is an adversarial network and SMOOTH one that minimizes the pixel error. Each picture of SHARP is measured with
its difference from SMOOTH multiplied by one gain per band: below 0.2, 0.2 to 0.3, 0.3 to 0.4, and above 0.4 cycles per
pixel. Gains of 1 are SHARP itself, gains of 0 SMOOTH. `--gains 1,1,1,1:20` also limits large differences, to half where
their root mean square is 20 gray levels: the target of the content term `Teacher` with `gain` and `limit`. The table
has means over the pictures of each folder.
"""

import sys
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.evaluation.test_sets import find_set
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.metrics.catalog import metric_named
from sr_gan_tf.models import load
from sr_gan_tf.training.teacher import multiplied

MEASURED = ("psnr_y", "lpips")


def with_gains(sharp: np.ndarray, smooth: np.ndarray, gains: Sequence[float], limit: float | None = None) -> np.ndarray:
    """`smooth` plus the difference of two uint8 pictures (H, W, 3) with a gain for each of the four bands, uint8."""
    difference = tf.constant((sharp.astype(np.float32) - smooth)[None] / 255)
    changed = 255 * multiplied(difference, gains, limit).numpy()[0]
    return np.clip(np.rint(smooth + changed), 0, 255).astype(np.uint8)


def _parsed(text: str) -> tuple[tuple[float, ...], float | None]:
    """The four gains, and the limit or None."""
    words, colon, limit = text.partition(":")
    try:
        gains, level = tuple(float(word) for word in words.split(",")), float(limit) if colon else None
    except ValueError:
        gains, level = (), None
    if len(gains) != 4 or (level is not None and not level > 0):
        raise InputError(
            f"--gains {text}: expected four numbers and perhaps a limit above 0, e.g. 1,1,1,0 or 1,1,1,0:20"
        )
    return gains, level


@command
def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("sharp", help="a shipped network, a .keras file or a run folder")
    parser.add_argument("smooth", help="another one of the same scale")
    parser.add_argument("--data", action="append", required=True, help="NAME=FOLDER of HR pictures")
    parser.add_argument("--gains", action="append", required=True, help="four numbers, e.g. 1,1,1,0 or 1,1,1,0:20")
    options = parser.parse_args(argv)
    every = [_parsed(text) for text in options.gains]
    networks = [load(name).for_inference() for name in (options.sharp, options.smooth)]
    scale = networks[0].scale
    if networks[1].scale != scale:
        raise InputError(f"{options.smooth}: enlarges by {networks[1].scale}, {options.sharp} by {scale}")
    sets = [find_set(one, scale) for one in options.data]
    print(f"| {' | '.join(['gains', *(f'{one.name}: PSNR-Y, LPIPS' for one in sets)])} |\n|{'---|' * (len(sets) + 1)}")
    cells = []
    for pictures in sets:
        values = []
        for pair in pictures:
            lr, hr = (np.repeat(one[..., None], 3, 2) if one.ndim == 2 else one for one in (pair.lr, pair.hr))
            sharp, smooth = (upscale_array(network, lr) for network in networks)
            results = [with_gains(sharp, smooth, *one) for one in every]
            values.append([metric_named(name).values(hr, results, scale, scale) for name in MEASURED])
        means = np.mean(values, axis=0)  # (metrics, gains)
        cells.append([f"{psnr:.2f}, {distance:.4f}" for psnr, distance in zip(*means, strict=True)])
    for (gains, limit), row in zip(every, zip(*cells, strict=True), strict=True):
        name = ", ".join(f"{gain:g}" for gain in gains) + (f"; limit {limit:g}" if limit else "")
        print(f"| {name} | {' | '.join(row)} |")


if __name__ == "__main__":
    sys.exit(main())
