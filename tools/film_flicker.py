"""`python tools/film_flicker.py`: measures the flicker of the shipped networks on a film, with and without --stabilize.

A crop of scikit-image's photograph of a cup of coffee (CC0) is static while a disk moves over it. The small film has
sensor noise and H.264 compression at quality 23.
"""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from skimage import data

import sr_gan_tf
from sr_gan_tf.errors import command
from sr_gan_tf.films.flicker import Stabilizer, flicker
from sr_gan_tf.films.reading import Frames, probe
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.resampling import imresize

FRAMES, SCALE, NOISE = 24, 4, 1.5


def true_film() -> list[np.ndarray]:
    """Large frames (H, W, 3) uint8."""
    ground = np.ascontiguousarray(data.coffee()[40:296, 120:504])
    rows, columns = np.mgrid[: ground.shape[0], : ground.shape[1]]
    frames = []
    for index in range(FRAMES):
        frame = ground.copy()
        frame[(rows - 60) ** 2 + (columns - 30 - 8 * index) ** 2 < 20**2] = (30, 90, 200)
        frames.append(frame)
    return frames


def small_film(truth: list[np.ndarray], folder: Path) -> list[np.ndarray]:
    """The frames at a quarter of the size, with noise, after H.264 compression."""
    path, rng = folder / "small.mkv", np.random.default_rng(1)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "23"})
        stream.height, stream.width = truth[0].shape[0] // SCALE, truth[0].shape[1] // SCALE
        for index, frame in enumerate(truth):
            small = imresize(frame, 1 / SCALE).astype(np.float32)
            noisy = np.clip(np.rint(small + rng.normal(0, NOISE, small.shape)), 0, 255).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(noisy, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return [frame.pixels for frame in Frames(probe(path))]


def psnr(film: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """PSNR over all frames and channels, in dB."""
    error = np.mean([np.mean((one.astype(np.float32) - other) ** 2) for one, other in zip(film, truth, strict=True)])
    return float(10 * np.log10(255**2 / error))


@command
def main(argv: list[str] | None = None) -> None:
    truth = true_film()
    with tempfile.TemporaryDirectory() as folder:
        small = small_film(truth, Path(folder))
    names = [name for name in sr_gan_tf.shipped_models() if sr_gan_tf.load(name).scale == SCALE]
    methods = {"bicubic": lambda frame: imresize(frame, SCALE)}
    for name in names:
        network = sr_gan_tf.load(name)
        methods[name] = lambda frame, network=network: upscale_array(network, frame)
    print("| method | flicker | stabilized | less by | PSNR | stabilized |\n|---|---:|---:|---:|---:|---:|")
    for name, enlarge in methods.items():
        plain = [enlarge(frame) for frame in small]
        stabilizer = Stabilizer()
        calm = [stabilizer(original, frame) for original, frame in zip(small, plain, strict=True)]
        before, after = flicker(small, plain, truth), flicker(small, calm, truth)
        print(
            f"| `{name}` | {before:.2f} | {after:.2f} | {1 - after / before:.0%} | {psnr(plain, truth):.2f} dB | "
            f"{psnr(calm, truth):.2f} dB |"
        )


if __name__ == "__main__":
    sys.exit(main())
