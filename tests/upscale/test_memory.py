"""24 megapixels in, 384 megapixels out, in bounded memory, with the network that ships."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.benchmarks.upscale_command import photograph
from sr_gan_tf.pictures.reading import write_image


def peak_of_anonymous_memory(process: subprocess.Popen) -> float:
    """GB, looked at ten times a second until the process ends."""
    peak = 0
    while process.poll() is None:
        try:
            text = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        found = [line for line in text.splitlines() if line.startswith("RssAnon")]
        peak = max([peak, *(int(line.split()[1]) for line in found)])
        time.sleep(0.1)
    return peak * 1024 / 1e9


@pytest.mark.long
@pytest.mark.parametrize(("alpha", "suffix"), [(False, "png"), (True, "png"), (False, "tif")])
def test_24_megapixels_under_two_and_a_half_gigabytes(tmp_path, alpha, suffix):
    picture = photograph(6000, 4000)
    transparency = np.tile(np.linspace(0, 255, 6000).astype(np.uint8), (4000, 1)) if alpha else None
    write_image(tmp_path / "large.png", picture, transparency)
    target = tmp_path / f"larger.{suffix}"
    command = [sys.executable, "-m", "sr_gan_tf.upscale", str(tmp_path / "large.png"), "-o", str(target)]
    start = time.perf_counter()
    with subprocess.Popen([*command, "--max-megapixels", "500"], stderr=subprocess.PIPE, text=True) as process:
        peak = peak_of_anonymous_memory(process)
        assert process.wait() == 0, process.stderr.read()
    print(f"{suffix}{' with alpha' if alpha else ''}: {peak:.2f} GB, {time.perf_counter() - start:.0f} s")
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(target) as larger:
        assert larger.size == (24000, 16000)
        assert ("A" in larger.getbands()) == alpha
    assert peak < 2.5
