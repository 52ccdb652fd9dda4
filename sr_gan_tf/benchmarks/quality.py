"""The quality of a function that upscales, in any runtime, on a test set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sr_gan_tf.metrics.psnr_ssim import psnr_y
from sr_gan_tf.pictures.reading import read_image, read_rgb


def mean_psnr(run: Callable[[np.ndarray], np.ndarray], folder: Path) -> float:
    """Mean PSNR-Y in dB over the pictures of a folder; LR pictures are run whole, and scale pixels are cropped.

    Args:
        run: (1, H, W, 3) float32 pictures in [0, 1] to (1, scale*H, scale*W, 3).
        folder: contains LR/ and HR/ with the same names.
    """
    values = []
    for path in sorted((folder / "LR").iterdir()):
        lr = read_rgb(path)
        hr = read_image(folder / "HR" / path.name).pixels  # gray pictures stay gray, as in the protocol
        sr = np.rint(np.clip(run(lr[None].astype(np.float32) / 255)[0], 0, 1) * 255).astype(np.uint8)
        values.append(psnr_y(hr[: len(sr), : sr.shape[1]], sr, crop=len(sr) // len(lr)))
    return float(np.mean(values))
