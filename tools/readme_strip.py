"""`python tools/readme_strip.py PHOTOS PICTURE.png [MODEL...]`: compares bicubic, models and original.

Draws the picture of the README and those of docs/systems/. All models, which may be run folders, must have the same
scale. PHOTOS is the folder of the training photographs, with valid/.

The tool uses the CC0 photographs of the validation part and one from scikit-image, reduced by bicubic and enlarged
again. It shows the window in which the first model and bicubic differ most, magnified twice.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from skimage import data

import sr_gan_tf
from sr_gan_tf.errors import InputError, command
from sr_gan_tf.files import check_output
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.pictures.reading import read_rgb, write_image
from sr_gan_tf.resampling import imresize
from sr_gan_tf.weights.cards import manifest

SIDE, ZOOM, ROWS = 112, 2, 4


def place(one: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Top and left of the window in which two pictures differ most."""
    error = np.square(one.astype(np.float64) - other).sum(axis=2)
    total = np.pad(error, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    sums = total[SIDE:, SIDE:] - total[:-SIDE, SIDE:] - total[SIDE:, :-SIDE] + total[:-SIDE, :-SIDE]
    return np.unravel_index(sums.argmax(), sums.shape)


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(": ")[2])
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of photographs with valid/")
    parser.add_argument("picture", type=Path, metavar="PICTURE.png", help="output file")
    parser.add_argument("models", nargs="*", default=["span_x4"], metavar="MODEL", help="models of one scale")
    parser.add_argument("--overwrite", action="store_true", help="replace the picture if it exists")
    arguments = parser.parse_args(argv)
    check_output(arguments.picture, (".png",), arguments.overwrite)
    free = [row["file"] for row in manifest() if row["split"] == "valid" and row["licence"].startswith("CC0")]
    files = [arguments.photos / file for file in free[: ROWS - 1]]
    for file in files:
        if not file.is_file():
            raise InputError(f"no file {file}; PHOTOS must be the folder of the training photographs, with valid/")
    networks = {Path(name).name: sr_gan_tf.load(name) for name in arguments.models}
    scale = next(iter(networks.values())).scale
    for name, network in networks.items():
        if network.scale != scale:
            raise InputError(f"{name} has scale {network.scale}, the first model {scale}; pass models of one scale")
    rows = []
    for hr in [*map(read_rgb, files), data.coffee()]:
        lr = imresize(hr, 1 / scale)
        pictures = {"bicubic": imresize(lr, scale), **{name: upscale_array(one, lr) for name, one in networks.items()}}
        top, left = place(pictures["bicubic"], next(iter(pictures[name] for name in networks)))
        cut = [one[top : top + SIDE, left : left + SIDE] for one in (*pictures.values(), hr)]
        rows.append(np.concatenate(cut, axis=1))
    image = Image.fromarray(np.concatenate(rows)).resize((rows[0].shape[1] * ZOOM, SIDE * ROWS * ZOOM), Image.NEAREST)
    draw = ImageDraw.Draw(image)
    for index, label in enumerate(["bicubic", *networks, "original"]):
        draw.text((index * SIDE * ZOOM + 4, 3), label, fill="white", stroke_width=2, stroke_fill="black")
    write_image(arguments.picture, np.asarray(image))


if __name__ == "__main__":
    sys.exit(main())
