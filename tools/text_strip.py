"""`python tools/text_strip.py PHOTOS PICTURE.png BEFORE AFTER`: compares two networks on text.

Prints PSNR-Y on the four text pictures of PHOTOS/valid_more for bicubic and both networks, and writes a strip with one
crop of each: bicubic, BEFORE, AFTER, original.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import sr_gan_tf
from sr_gan_tf.errors import InputError, command
from sr_gan_tf.files import check_output
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.metrics.psnr_ssim import psnr_y
from sr_gan_tf.pictures.reading import read_rgb, write_image
from sr_gan_tf.resampling import imresize

ZOOM, HEIGHT, WIDTH = 2, 72, 160
# Each picture with the top left corner of its crop in HR pixels.
CROPS = {
    "render_2700_480_0_0.webp": (32, 40),
    "render_2701_480_0_0.webp": (404, 24),
    "imazen_2162_512_0_0.webp": (112, 216),
    "imazen_2033_512_0_0.webp": (296, 112),
}


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(": ")[2])
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of photographs with valid_more/")
    parser.add_argument("picture", type=Path, metavar="PICTURE.png", help="output file")
    parser.add_argument("before", metavar="BEFORE", help="shipped name, run folder or .keras file")
    parser.add_argument("after", metavar="AFTER", help="model of the same scale")
    parser.add_argument("--overwrite", action="store_true", help="replace the picture if it exists")
    arguments = parser.parse_args(argv)
    check_output(arguments.picture, (".png",), arguments.overwrite)
    files = [arguments.photos / "valid_more" / name for name in CROPS]
    for file in files:
        if not file.is_file():
            raise InputError(f"no file {file}; PHOTOS must be the folder of photographs with valid_more/")
    networks = [sr_gan_tf.load(arguments.before), sr_gan_tf.load(arguments.after)]
    scale = networks[0].scale
    if networks[1].scale != scale:
        raise InputError(f"{arguments.after} has scale {networks[1].scale}, {arguments.before} {scale}; use one scale")
    rows, figures = [], []
    for file, (top, left) in zip(files, CROPS.values(), strict=True):
        hr = read_rgb(file)
        hr = hr[: hr.shape[0] // scale * scale, : hr.shape[1] // scale * scale]
        lr = imresize(hr, 1 / scale)
        pictures = [imresize(lr, scale), *(upscale_array(network, lr) for network in networks)]
        figures.append([psnr_y(hr, picture, scale) for picture in pictures])
        print(file.name, *(f"{value:.2f}" for value in figures[-1]))
        crops = [one[top : top + HEIGHT, left : left + WIDTH] for one in (*pictures, hr)]
        rows.append(np.concatenate(crops, axis=1))
    print("mean PSNR-Y in dB: bicubic {:.2f}, before {:.2f}, after {:.2f}".format(*np.mean(figures, axis=0)))
    size = (rows[0].shape[1] * ZOOM, HEIGHT * len(rows) * ZOOM)
    image = Image.fromarray(np.concatenate(rows)).resize(size, Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image)
    for index, label in enumerate(["bicubic", "before", "after", "original"]):
        draw.text((index * WIDTH * ZOOM + 4, 3), label, fill="white", stroke_width=2, stroke_fill="black")
    write_image(arguments.picture, np.asarray(image))


if __name__ == "__main__":
    sys.exit(main())
