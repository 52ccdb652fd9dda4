"""Measures the effect of extending pictures at their edges on PSNR-Y of the shipped networks and on flat pictures.

    python tools/edge_effect.py Set5/x4 Set14/x4 Set5/x2 Set14/x2

prints the table in `docs/upscaling.md`. Each folder contains `HR` and `LR` with the published pictures.
"""

import argparse
from pathlib import Path

import numpy as np

from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.metrics.psnr_ssim import psnr_y
from sr_gan_tf.models import load
from sr_gan_tf.pictures.reading import read_image, read_rgb
from sr_gan_tf.shipped import shipped_models

_FLAT = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (255, 255, 255))


def psnr(network, folder: Path, border: bool) -> float:
    """Mean PSNR-Y in dB over a folder of pairs."""
    values = []
    for file in sorted((folder / "HR").iterdir()):
        hr = read_image(file).pixels  # gray pictures stay gray, as in the protocol
        lr = read_rgb(folder / "LR" / file.name)
        sr = upscale_array(network, lr, border=border)
        values.append(psnr_y(hr[: sr.shape[0], : sr.shape[1]], sr, network.scale))
    return float(np.mean(values))


def frame(network, border: bool) -> int:
    """The largest difference from the center of flat pictures, in levels."""
    return max(
        int(np.abs(result - result[len(result) // 2, len(result) // 2]).max()) for result in _flat(network, border)
    )


def texture(network) -> int:
    """The largest difference between two pixels in the center of a flat picture, far from its edges, in levels."""
    middle = slice(24 * network.scale, 40 * network.scale)
    return max(int(np.ptp(result[middle, middle], axis=(0, 1)).max()) for result in _flat(network, True))


def _flat(network, border: bool) -> list[np.ndarray]:
    pictures = [np.full((64, 64, 3), color, np.uint8) for color in _FLAT]
    return [upscale_array(network, picture, border=border).astype(int) for picture in pictures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    folders = parser.parse_args().folders
    print("| network | pictures | bare | continued | frame, bare | frame, continued | texture |")
    print("|---|---|---|---|---|---|---|")
    for name in shipped_models():
        network = load(name).for_inference()
        frames = " | ".join(str(frame(network, border)) for border in (False, True))
        drawn = texture(network)
        for folder in folders:
            if folder.name == f"x{network.scale}":
                figures = " | ".join(f"{psnr(network, folder, border):.3f}" for border in (False, True))
                print(f"| `{name}` | {folder.parent.name} | {figures} | {frames} | {drawn} |", flush=True)


if __name__ == "__main__":
    main()
