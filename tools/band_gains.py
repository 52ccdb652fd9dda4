"""`python tools/band_gains.py SHARP SMOOTH --data NAME=FOLDER --gains 1,1,1,0`: which frequencies of a network help.

SHARP is an adversarial network and SMOOTH one that minimizes the pixel error. Each picture of SHARP is measured with
its difference from SMOOTH multiplied by one gain per band: below 0.2, 0.2 to 0.3, 0.3 to 0.4, and above 0.4 cycles per
pixel. Gains of 1 are SHARP itself, gains of 0 SMOOTH. The table has means over the pictures of each folder.
"""

import sys
from collections.abc import Sequence

import numpy as np

from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.evaluation.test_sets import find_set
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.metrics.catalog import metric_named
from sr_gan_tf.models import load

# Where one band's gain ends and the next one's begins, in cycles per pixel; linear in between.
EDGES = (0.0, 0.18, 0.22, 0.28, 0.32, 0.38, 0.42, 0.71)
MEASURED = ("psnr_y", "lpips")


def with_gains(sharp: np.ndarray, smooth: np.ndarray, gains: Sequence[float]) -> np.ndarray:
    """`smooth` plus the difference of two uint8 pictures (H, W, 3) with a gain for each of the four bands, uint8."""
    difference = sharp.astype(np.float32) - smooth
    height, width = sharp.shape[:2]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    factors = np.interp(radius, EDGES, np.repeat(gains, 2))[:, :, None]
    changed = np.fft.irfft2(np.fft.rfft2(difference, axes=(0, 1)) * factors, s=(height, width), axes=(0, 1))
    return np.clip(np.rint(smooth + changed), 0, 255).astype(np.uint8)


def _parsed(text: str) -> tuple[float, ...]:
    try:
        gains = tuple(float(word) for word in text.split(","))
    except ValueError:
        gains = ()
    if len(gains) != 4:
        raise InputError(f"--gains {text}: expected four numbers, e.g. 1,1,1,0")
    return gains


@command
def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("sharp", help="a shipped network, a .keras file or a run folder")
    parser.add_argument("smooth", help="another one of the same scale")
    parser.add_argument("--data", action="append", required=True, help="NAME=FOLDER of HR pictures")
    parser.add_argument("--gains", action="append", required=True, help="four numbers, e.g. 1,1,1,0")
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
            results = [with_gains(sharp, smooth, gains) for gains in every]
            values.append([metric_named(name).values(hr, results, scale, scale) for name in MEASURED])
        means = np.mean(values, axis=0)  # (metrics, gains)
        cells.append([f"{psnr:.2f}, {distance:.4f}" for psnr, distance in zip(*means, strict=True)])
    for gains, row in zip(every, zip(*cells, strict=True), strict=True):
        print(f"| {', '.join(f'{gain:g}' for gain in gains)} | {' | '.join(row)} |")


if __name__ == "__main__":
    sys.exit(main())
