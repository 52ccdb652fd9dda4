"""ONNX, OpenVINO and ncnn as applications want them: each file run by its own runtime, not by ours."""

import builtins

import numpy as np
import pytest
from exporting import calm, noise, refused_in_one_line
from tiny import tiny_generator

from sr_gan_tf.errors import InputError
from sr_gan_tf.export import export
from sr_gan_tf.export_formats import ncnn_file, onnx_file
from sr_gan_tf.export_formats.onnx_file import Graph

REASON = "pip install 'sr_gan_tf[export]'"
ONNX = ("onnx", "tf2onnx", "onnxruntime")
SIZES = ((1, 24, 32), (3, 17, 19), (1, 40, 9))
# ncnn's layers, each in some network.
NCNN = {
    "SPAN": {"nearest_skip": True},
    "RRDBNet": {"scale": 4},
    "Compact": {},
    "Compact leaky": {"activation": "leaky_relu"},
    "MSRResNet": {"scale": 3},
    "SRResNet": {},
    "SharedResidual": {},
    "SmallResidual": {},
}


def tiny(name="Compact", **config):
    return calm(tiny_generator(name.split()[0], **config))


@pytest.fixture(scope="module")
def network():
    return tiny()


@pytest.fixture(scope="module")
def whole(network, tmp_path_factory):
    """The ONNX file with the defaults; converting takes longer than all that looks at it."""
    for package in ONNX:
        pytest.importorskip(package, reason=REASON)
    path = tmp_path_factory.mktemp("onnx") / "x.onnx"
    [agreement] = export(network, path, license="CC0-1.0")
    return agreement


def wanted(generator, pictures):
    return generator(pictures).numpy()


class TestOnnx:
    @pytest.fixture(autouse=True)
    def _packages(self):
        for package in ONNX:
            pytest.importorskip(package, reason=REASON)

    def session(self, path):
        import onnxruntime

        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def test_channels_first_of_any_size_and_number(self, network, whole):
        import onnx

        session = self.session(whole.path)
        (given,), (result,) = session.get_inputs(), session.get_outputs()
        assert (given.name, given.shape, given.type) == ("input", ["batch", 3, "height", "width"], "tensor(float)")
        assert (result.name, result.shape[1]) == ("output", 3)
        for size in SIZES:
            pictures = noise(*size, 3)
            (found,) = session.run(None, {"input": pictures.transpose(0, 3, 1, 2)})
            np.testing.assert_allclose(found.transpose(0, 2, 3, 1), wanted(network, pictures), atol=1e-5)
        about = {item.key: item.value for item in onnx.load(whole.path).metadata_props}
        assert about["scale"] == "4"
        assert about["license"] == "CC0-1.0"
        assert about["tile_halo"] == "4"  # four 3x3 convolutions
        assert "/" not in about["source"]

    def test_channels_last(self, network, tmp_path):
        export(network, tmp_path / "x.onnx", graph=Graph(layout="nhwc", opset=13))
        session = self.session(tmp_path / "x.onnx")
        pictures = noise(2, 9, 11, 3)
        (found,) = session.run(["outputs"], {"images": pictures})
        np.testing.assert_allclose(found, wanted(network, pictures), atol=1e-5)

    @pytest.mark.parametrize("ends", [False, True])
    def test_half(self, network, whole, ends, tmp_path):
        [half] = export(network, tmp_path / "half.onnx", half=True, graph=Graph(float16_ends=ends))
        assert half.size < whole.size
        session = self.session(half.path)
        kind = np.float16 if ends else np.float32
        pictures = noise(2, 12, 13, 3)
        (found,) = session.run(None, {"input": pictures.transpose(0, 3, 1, 2).astype(kind)})
        assert found.dtype == kind
        np.testing.assert_allclose(found.transpose(0, 2, 3, 1), wanted(network, pictures), atol=5e-3)

    def test_integers(self, network, tmp_path):
        [agreement] = export(network, tmp_path / "x.onnx", graph=Graph(signature="uint8"))
        assert agreement.difference < 0.01  # half a level in, as much at the output; values beyond [0, 1] do not count
        pictures = noise(2, 12, 13, 3, dtype=np.uint8)
        (found,) = self.session(tmp_path / "x.onnx").run(None, {"input": pictures.transpose(0, 3, 1, 2)})
        assert found.dtype == np.uint8
        exact = np.clip(wanted(network, pictures / np.float32(255)) * 255, 0, 255)
        assert np.abs(found.transpose(0, 2, 3, 1) - exact).max() < 0.5 + 1e-3

    def test_one_size(self, network, tmp_path):
        export(network, tmp_path / "x.onnx", graph=Graph(side=16))
        session = self.session(tmp_path / "x.onnx")
        assert session.get_inputs()[0].shape == [1, 3, 16, 16]
        assert session.get_outputs()[0].shape == [1, 3, 64, 64]


def test_openvino(network, tmp_path, monkeypatch):
    openvino = pytest.importorskip("openvino", reason=REASON)
    monkeypatch.delattr(openvino, "convert_model")  # it reports its use over the network
    pytest.importorskip("tf2onnx", reason=REASON)
    export(network, tmp_path / "x.xml")
    export(network, tmp_path / "half.xml", half=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.bin", "half.xml", "x.bin", "x.xml"]
    assert (tmp_path / "half.bin").stat().st_size < 0.6 * (tmp_path / "x.bin").stat().st_size
    model = openvino.Core().read_model(tmp_path / "x.xml")
    assert model.get_rt_info(["sr_gan_tf", "scale"]).value == "4"
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for size in SIZES:
        pictures = noise(*size, 3)
        found = compiled({"input": pictures.transpose(0, 3, 1, 2)})["output"]
        np.testing.assert_allclose(found.transpose(0, 2, 3, 1), wanted(network, pictures), atol=1e-4)


@pytest.mark.parametrize("name", NCNN)
def test_ncnn(name, tmp_path):
    ncnn = pytest.importorskip("ncnn", reason=REASON)
    generator = tiny(name, **NCNN[name])
    for half, tolerance in ((False, 1e-3), (True, 5e-3)):
        text, weights = ncnn_file.ncnn_model(generator, half)
        (tmp_path / "x.param").write_text(text)
        (tmp_path / "x.bin").write_bytes(weights)
        net = ncnn.Net()
        net.opt.use_vulkan_compute = False
        assert net.load_param(str(tmp_path / "x.param")) == net.load_model(str(tmp_path / "x.bin")) == 0
        for _, height, width in SIZES:
            pictures = noise(1, height, width, 3)
            values = np.ascontiguousarray(pictures[0].transpose(2, 0, 1))
            extractor = net.create_extractor()
            extractor.input("data", ncnn.Mat(values).clone())
            _, found = extractor.extract("output")
            np.testing.assert_allclose(
                np.array(found).transpose(1, 2, 0), wanted(generator, pictures)[0], atol=tolerance
            )


def test_ncnn_is_exported_and_compared(network, tmp_path):
    pytest.importorskip("ncnn", reason=REASON)
    [agreement] = export(network, tmp_path / "x.param")
    assert agreement.difference < 1e-3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.bin", "x.param"]
    (tmp_path / "x.param").unlink()
    with pytest.raises(InputError, match=r"x\.bin"):
        export(network, tmp_path / "x.param")


@pytest.mark.parametrize("name", ["RRDBNet", "UNet"])
def test_a_layer_without_a_counterpart_is_named(name, tmp_path, monkeypatch):
    monkeypatch.setattr(ncnn_file, "check_package", lambda: None)
    with pytest.raises(InputError, match=r"layer mirror \(MirrorToMultiple\) has no counterpart in ncnn; use --format"):
        export(tiny_generator(name), tmp_path / "x.param")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "package"), [("onnx", "tf2onnx"), ("xml", "openvino"), ("param", "ncnn")])
def test_a_missing_package_is_named_with_its_installation(suffix, package, network, tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *arguments)

    def import_module(name):
        return missing(name)

    monkeypatch.setattr(onnx_file.importlib, "import_module", import_module)
    with pytest.raises(InputError, match=rf"{package}.*pip install 'sr_gan_tf\[export\]'|pip install"):
        export(network, tmp_path / f"x.{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "x.onnx", "--opset", "9"], "--opset 9: expected 13 to 18"),
        (["--to", "x.onnx", "--float16-ends"], "--float16-ends has no effect without --half"),
        (["--to", "x.onnx", "--signature", "uint8", "--half", "--float16-ends"], "no effect on --signature uint8"),
        (["--to", "x.onnx", "--side", "0"], "--side 0: expected 1 to 2048 pixels"),
        (["--to", "x.tflite", "--side", "100000"], "--side 100000: expected 1 to 2048 pixels"),
        (["--to", "x.keras", "--layout", "nhwc"], "--layout has no effect on --format keras, only on onnx or openvino"),
        (["--to", "x.param", "--side", "8"], "--side has no effect on --format ncnn"),
        (["--to", "x.tflite", "--half"], "--half has no effect on --format litert"),
    ],
)
def test_mistakes_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(onnx_file, "check_packages", lambda *_: None)
    refused_in_one_line(arguments, message, capsys)


def test_the_runners_take_pictures_of_any_layout():
    """What the comparison sends and gets: channels first, integers, and back."""
    graph = Graph(signature="uint8")
    seen = []

    def run(values):
        seen.append((values.shape, values.dtype))
        return values

    pictures = noise(2, 5, 7, 3)
    found = onnx_file.as_pictures(run, graph)(pictures)
    assert seen == [((2, 3, 5, 7), np.uint8)]
    assert np.abs(found - pictures).max() <= 0.5 / 255 + 1e-6
