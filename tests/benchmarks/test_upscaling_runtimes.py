"""`tools/upscaling_runtimes.py`: its files say what the network says, its table compares equal precisions."""

import numpy as np
import pytest
import skimage.data
from scripts import load_script

from sr_gan_tf.benchmarks.quality import mean_psnr
from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.metrics import measure, psnr_y
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.resampling import imresize


@pytest.fixture(name="tool", scope="module")
def _tool():
    return load_script("tools/upscaling_runtimes.py")


class Told:
    """A runtime whose times are known."""

    def __init__(self, kind, clock, processor, psnr=None):
        self.kind, self.psnr = kind, psnr
        times = iter([[clock * 10, processor * 10]] * 2 + [[clock, processor]] * 2)
        self.measure = lambda: next(times)


def test_equal_precisions_are_compared_by_medians(tool):
    rows = [
        Told("tensorflow float32", 1.0, 2.0, 28.2),
        Told("tensorflow bfloat16", 0.5, 1.0),
        Told("torch bfloat16", 1.0, 1.0),
        Told("openvino int8", 0.25, 0.5, 28.1),
    ]
    text = "\n".join(tool.table(rows, rounds=3)).splitlines()
    assert text[2] == "| tensorflow float32 | 1000 | 2000 | 1.00, 1.00 | 28.200 |"
    assert text[4] == "| torch bfloat16 | 1000 | 1000 | 0.50, 1.00 |  |"
    assert text[5] == "| openvino int8 | 250 | 500 | 2.00, 2.00 | 28.100 |"


def test_files_agree_with_the_network(tool, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    network = SPAN(filters=8, num_blocks=1, merged=True, initial_output_gain=0.1)  # not zero, as by default
    network.save(tmp_path / "network.keras")
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for name in ("chelsea", "astronaut", "coffee"):
        write_image(photographs / f"{name}.png", getattr(skimage.data, name)())
    picture = skimage.data.rocket()[None, 100:140, 100:160].astype("float32") / 255
    expected = network.predict_on_batch(picture)
    paths = tool.write_files(str(tmp_path / "network.keras"), photographs, tmp_path)
    errors = {}
    for precision, path in paths.items():
        errors[precision] = np.abs(tool.onnxruntime_subject(path, picture).run(picture) - expected).max()
    assert errors["float32"] < 1e-5
    assert 1e-5 < errors["int8"] < 0.05


def test_gray_pictures_are_measured_as_in_the_protocol(tmp_path):
    """The values of a file with one channel are its luma, as in `measure`; as a color picture, it has 0.6 dB more."""
    gray = skimage.data.camera()[:64, :80]
    for folder, picture in (("HR", gray), ("LR", imresize(gray, 0.25))):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / "a.png", picture[..., None])
    value = mean_psnr(lambda lr: imresize(lr, 4), tmp_path)
    sr = np.rint(np.clip(imresize(imresize(gray, 0.25) / np.float32(255), 4), 0, 1) * 255).astype(np.uint8)
    assert value == pytest.approx(measure(gray, sr, 4, ["psnr_y"])["psnr_y_crop4"], abs=1e-3)
    assert abs(value - psnr_y(*(np.repeat(one[..., None], 3, 2) for one in (gray, sr)), crop=4)) > 0.5
