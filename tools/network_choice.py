"""`python tools/network_choice.py`: LPIPS of two shipped networks on degraded photographs, and upscale's choice.

Each photograph of scikit-image is reduced to a quarter, degraded by JPEG or noise, and enlarged by the networks for
clean and for degraded pictures. The thresholds in sr_gan_tf/inference/choice.py are where the better network changes.
"""

import io

import numpy as np
import skimage.data
from PIL import Image

from sr_gan_tf.inference.choice import FOR_DAMAGED, choose_network, flat_deviation
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.metrics.perceptual import LearnedDistance
from sr_gan_tf.models import load
from sr_gan_tf.pictures.reading import read_header
from sr_gan_tf.resampling import imresize
from sr_gan_tf.shipped import DEFAULT_MODEL

QUALITIES, DEVIATIONS = (30, 60, 75, 85, 95), (0, 2, 4, 6, 8, 12)


def saved(picture: np.ndarray, **settings) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, **settings)
    return file.getvalue()


def main() -> None:
    """Prints one line per photograph and degradation."""
    networks = {name: load(name).for_inference() for name in (DEFAULT_MODEL, FOR_DAMAGED)}
    distance, random = LearnedDistance("alexnet"), np.random.default_rng(1)
    print("photograph  damage     deviation", *networks, "chosen", sep="  ")
    for photograph in ("chelsea", "coffee", "astronaut"):
        hr = getattr(skimage.data, photograph)()
        hr = np.ascontiguousarray(hr[: hr.shape[0] // 4 * 4, : hr.shape[1] // 4 * 4])
        lr = imresize(hr, 0.25)
        cases = {f"JPEG {quality}": saved(lr, format="JPEG", quality=quality) for quality in QUALITIES}
        for deviation in DEVIATIONS:
            noisy = np.clip(np.round(lr + random.normal(0, deviation, lr.shape)), 0, 255).astype(np.uint8)
            cases[f"noise {deviation}"] = saved(noisy, format="PNG")
        for damage, file in cases.items():
            pixels = np.asarray(Image.open(io.BytesIO(file)))
            figures = [f"{distance(hr, upscale_array(network, pixels), 4):.4f}" for network in networks.values()]
            chosen = choose_network(file, read_header(file)).model
            print(f"{photograph:11} {damage:10} {flat_deviation(pixels):9.2f}", *figures, chosen, sep="  ")


if __name__ == "__main__":
    main()
