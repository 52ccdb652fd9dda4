"""`python tools/block_signals.py MODEL PHOTOS`: prints the magnitude of each SPAN block's output.

For every block: the mean over channels of the standard deviation over positions, on bicubically reduced validation
photographs. PHOTOS is the folder that contains them in valid/. A block with constant output adds nothing to the
picture.
"""

import argparse
import sys
from pathlib import Path

import keras
import numpy as np

import sr_gan_tf
from sr_gan_tf.errors import InputError, command
from sr_gan_tf.pictures.reading import SUFFIXES, read_rgb
from sr_gan_tf.resampling import imresize


def signals(network: keras.Model, pictures: list[np.ndarray]) -> list[float]:
    """One value per block, the mean over pictures (H, W, 3) uint8."""
    outputs = [network.get_layer(f"block{index}").output for index in range(1, network.num_blocks + 1)]
    blocks = keras.Model(network.inputs, outputs)
    sizes = [[float(np.std(one, (0, 1, 2)).mean()) for one in blocks(lr[None] / np.float32(255))] for lr in pictures]
    return np.mean(sizes, 0).tolist()


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(": ")[2])
    parser.add_argument("model", metavar="MODEL", help="SPAN model: shipped name, run folder or .keras file")
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of photographs with valid/")
    arguments = parser.parse_args(argv)
    model, folder = arguments.model, arguments.photos / "valid"
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"no pictures in {folder}; PHOTOS must be the folder with valid/")
    network = sr_gan_tf.load(model)
    if not hasattr(network, "num_blocks") or not any(layer.name == "block1" for layer in network.layers):
        raise InputError(f"{model} has no SPAN blocks; pass a SPAN model")
    pictures = [imresize(read_rgb(path), 1 / network.scale) for path in files]
    values = ", ".join(f"{value:.2f}" for value in signals(network, pictures))
    print(f"{model}: standard deviations of the block outputs over {len(files)} pictures: {values}")


if __name__ == "__main__":
    sys.exit(main())
