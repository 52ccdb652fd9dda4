"""`python tools/degraded_strip.py PICTURE.png`: compares networks on degraded pictures.

Shows bicubic, span_x4, span_x4_real, span_x4_photo and the original for three of scikit-image's photographs (CC0 and
public domain) after the realistic degradation at scale 4.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from skimage import data

import sr_gan_tf
from sr_gan_tf.data.degradations import Draws
from sr_gan_tf.data.realistic import Realistic
from sr_gan_tf.errors import command
from sr_gan_tf.files import check_output
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.resampling import imresize


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(": ")[2])
    parser.add_argument("picture", type=Path, metavar="PICTURE.png")
    parser.add_argument("--overwrite", action="store_true", help="replace the picture if it exists")
    arguments = parser.parse_args(argv)
    check_output(arguments.picture, (".png",), arguments.overwrite)
    networks = [sr_gan_tf.load(name) for name in ("span_x4", "span_x4_real", "span_x4_photo")]
    degradation, rows = Realistic(scale=4), []
    originals = (data.chelsea()[:256, 100:356], data.coffee()[50:306, 150:406], data.astronaut()[:256, 100:356])
    for seed, hr in enumerate(originals, start=3):
        lr = degradation.degrade(hr, Draws(seed))
        rows.append(np.hstack([imresize(lr, 4), *(upscale_array(network, lr) for network in networks), hr]))
    write_image(arguments.picture, np.vstack(rows))


if __name__ == "__main__":
    sys.exit(main())
