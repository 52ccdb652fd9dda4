"""PyTorch checkpoints that we write: the same bits as published ones, exact folding, and spandrel as the consumer."""

import functools
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from exporting import calm, noise, run_tfjs, tfjs_python
from network_checks import stir
from references import REFERENCE, reference
from tiny import tiny_generator

import sr_gan_tf
from sr_gan_tf import fit
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.errors import InputError
from sr_gan_tf.export import export, main
from sr_gan_tf.export_formats import exporting, verification
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.pytorch_checkpoints.pytorch import FAMILIES, load_pytorch, network_of, read_state
from sr_gan_tf.pytorch_checkpoints.writing import LAYOUTS, state_of, write_checkpoint

NAMES = sorted(file.stem for file in REFERENCE.glob("*.npz"))
MEAN = (0.4488, 0.4371, 0.4040)
# What ours adds to the published SPAN, in each form.
SPANS = {
    "ours": {"nearest_skip": True, "input_gain": 5.0, "initial_gate": 4.0},
    "ours_merged": {"nearest_skip": True, "input_gain": 5.0, "initial_gate": 4.0, "merged": True},
    "published": {
        "input_gain": 255.0,
        "nearest_skip": False,
        "initial_gain": 1.0,
        "initial_gate": 0.0,
        "initial_output_gain": 1.0,
    },
    "plain": {"input_mean": [0.0, 0.0, 0.0], "input_gain": 3.0, "nearest_skip": True, "merged": True},
}
OTHERS = {
    "RRDBNet_x4": ("RRDBNet", {"scale": 4, "growth": 32, "bicubic_skip": False}, "ESRGAN"),
    "RRDBNet_x2": ("RRDBNet", {"scale": 2, "growth": 32, "bicubic_skip": False}, "ESRGAN"),
    "RRDBNet_x1": ("RRDBNet", {"scale": 1, "growth": 32, "unshuffle": False, "bicubic_skip": False}, "ESRGAN"),
    "RRDBNet_plus": ("RRDBNet", {"scale": 4, "growth": 32, "inner_skips": True, "bicubic_skip": False}, "ESRGAN"),
    "Compact": ("Compact", {"bicubic_skip": False}, "Compact"),
    "Compact_bicubic_x2": ("Compact", {"scale": 2}, "Compact"),
    "Compact_bicubic_x3": ("Compact", {"scale": 3, "activation": "relu"}, "Compact"),
    "Compact_bicubic_x4": ("Compact", {"scale": 4, "activation": "leaky_relu"}, "Compact"),
    "Compact_leaky": ("Compact", {"activation": "leaky_relu", "bicubic_skip": False}, "Compact"),
    "Compact_relu": ("Compact", {"activation": "relu", "scale": 2, "bicubic_skip": False}, "Compact"),
}


MSRRESNETS = [("MSRResNet", scale) for scale in (2, 3, 4)]


def span(**config):
    return calm(stir(GENERATORS["SPAN"](**{"scale": 2, "filters": 8, **config}), 0.05))


@pytest.fixture(autouse=True)
def _one_size(monkeypatch):
    """An export is compared on pictures of one size; of other sizes, down to a pixel, by the tests."""
    compare = functools.partial(verification.compare, sizes=((1, 24, 17),))
    monkeypatch.setattr(verification, "compare", compare)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_written_bit_for_bit(name):
    state = reference(name)[0]
    overrides = {"published_attention": True} if name.endswith("_published") else {}
    written = state_of(network_of(state, name, overrides))
    # Counters of training steps, and what the other weights determine.
    assert {key for key in state if key not in written} <= {key for key in state if key.endswith("_batches_tracked")}
    assert all(".eval_conv." in key for key in written if key not in state)
    for key in written.keys() & state.keys():
        np.testing.assert_array_equal(written[key], state[key], err_msg=key)


@pytest.mark.parametrize(("scale", "inner_skips"), [(1, False), (2, False), (4, False), (8, False), (4, True)])
def test_rrdbnet_of_every_form(scale, inner_skips):
    """Without a pixel unshuffle: ESRGAN's own scales, and ESRGAN+ under the names of its publication."""
    config = {"scale": scale, "unshuffle": scale >= 4, "inner_skips": inner_skips, "bicubic_skip": False}
    network = tiny_generator("RRDBNet", **config)
    state = state_of(network)
    assert any(key.endswith("conv1x1.weight") for key in state) == inner_skips
    again = network_of(state, "rrdbnet")
    assert {key: again.get_config()[key] for key in config} == config
    for ours, theirs in zip(network.weights, again.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_every_family_that_is_read_is_written():
    assert {family.class_name for family in FAMILIES} == set(LAYOUTS)


@pytest.mark.parametrize("name", SPANS)
def test_span_is_folded_exactly(name):
    """The reader knows published networks only; what it reads gives the same pictures, borders included."""
    network = span(**SPANS[name])
    again = network_of(state_of(network), name)
    assert not again.nearest_skip
    assert again.input_gain == (1.0 if name == "plain" else 255.0)
    assert again.filters == network.filters + 3 * network.nearest_skip
    pictures = noise(2, 13, 9, 3)
    np.testing.assert_allclose(again(pictures), network(pictures), atol=1e-5)


def test_a_folded_span_is_exported_and_read(tmp_path):
    network = span(**SPANS["ours_merged"])
    [agreement] = export(network, tmp_path / "span.safetensors")
    assert agreement.difference < 1e-5
    pictures = noise(2, 13, 9, 3)
    np.testing.assert_allclose(load_pytorch(agreement.path)(pictures), network(pictures), atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_other_activations_are_constant_slopes(activation):
    network = calm(tiny_generator("Compact", activation=activation, bicubic_skip=False))
    again = network_of(state_of(network), activation)
    assert again.activation == "prelu"
    np.testing.assert_allclose(again(noise(1, 9, 7, 3)), network(noise(1, 9, 7, 3)), atol=1e-6)


@pytest.mark.parametrize(("name", "scale"), [*[("Compact", scale) for scale in (1, 2, 3, 4)], *MSRRESNETS])
def test_a_bicubic_skip_is_folded_exactly(name, scale, tmp_path):
    """Edges are replicated, also where a picture is hardly larger than one pixel."""
    shallow = {"num_convs": 1} if name == "Compact" else {"num_blocks": 1}
    network = calm(tiny_generator(name, scale=scale, **shallow))
    if scale == 2:  # every scale is written to a file, and rounded, in the same way
        [agreement] = export(network, tmp_path / "x.safetensors")
        assert agreement.difference < 1e-5
        again = load_pytorch(tmp_path / "x.safetensors")
        [half] = export(network, tmp_path / "half.pth", half=True)
        assert half.psnr > 50
    else:
        again = network_of(state_of(network), name)
    assert not again.bicubic_skip
    assert again.filters == network.filters + (52 if name == "MSRResNet" else 48 * (scale > 1))
    for height, width in ((9, 7), (1, 1), (1, 5), (4, 2), (2, 3)):
        pictures = noise(2, height, width, 3)
        np.testing.assert_allclose(again(pictures), network(pictures), atol=4e-6)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_half_and_both_kinds_of_file(suffix, tmp_path):
    network = calm(tiny_generator("Compact", filters=64, num_convs=1, bicubic_skip=False))
    [whole] = export(network, tmp_path / f"whole{suffix}")
    [half] = export(network, tmp_path / f"half{suffix}", half=True)
    assert half.size < 0.6 * whole.size
    assert whole.difference < half.difference < 0.01
    exact, rounded = read_state(whole.path), read_state(half.path)
    assert set(exact) == set(state_of(network))
    for key, value in exact.items():
        np.testing.assert_array_equal(rounded[key], value.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("name", ["UNetDiscriminator", "DUnet", "VGGDiscriminator"])
def test_a_discriminator_is_written_for_fine_tuning_elsewhere(name, tmp_path):
    sizes = {"image_size": 64} if name == "VGGDiscriminator" else {}
    stir(DISCRIMINATORS[name](filters=4, **sizes), 0.02).save(tmp_path / "d.keras")
    [agreement] = export(tmp_path / "d.keras", tmp_path / "d.pth")
    assert agreement.difference < 1e-4
    assert type(load_pytorch(tmp_path / "d.pth")).__name__ == name


def test_the_discriminator_of_a_run(tmp_path, monkeypatch, capsys):
    discriminator = stir(DISCRIMINATORS["UNetDiscriminator"](filters=4), 0.02)
    monkeypatch.setattr(exporting, "discriminator_of", lambda run: discriminator)
    [agreement] = export(tmp_path, tmp_path / "d.safetensors", network="discriminator")
    assert agreement.difference < 1e-4
    assert set(read_state(tmp_path / "d.safetensors")) == set(state_of(discriminator))
    assert main(["span_x4", "--to", str(tmp_path / "x.pth"), "--network", "discriminator"]) == 2
    assert "--network discriminator: expected a run folder, found span_x4" in capsys.readouterr().err
    assert main(["span_x4", "--to", str(tmp_path / "x.onnx"), "--network", "discriminator"]) == 2
    assert "--network has no effect on --format onnx, only on safetensors or pth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: span(num_blocks=2), "num_blocks is 2, but the published network has 6"),
        (lambda: span(input_mean=[0.5, 0.5, 0.5], merged=True), "layer normalize subtracts input_mean"),
        (lambda: tiny_generator("Compact", num_convs=0), "Compact: num_convs is 0, too few convolutions to fold"),
        (lambda: tiny_generator("MSRResNet", num_blocks=0), "MSRResNet: num_blocks is 0, too few blocks to fold"),
        (
            lambda: tiny_generator("RRDBNet"),
            "RRDBNet: bicubic_skip is True, but the published network has False; train with bicubic_skip false",
        ),
        (lambda: tiny_generator("SRResNet"), "SRResNet has no published PyTorch layout; networks that have one: SPAN"),
        (lambda: tiny_generator("MSRResNet", scale=6, bicubic_skip=False), "MSRResNet: scale 6"),
        (
            lambda: tiny_generator("SharedResidual", bicubic_skip=False),
            "SharedResidual: scale is 2, but the published network has 4",
        ),
        (lambda: DISCRIMINATORS["UNetDiscriminator"](filters=4, skip_connections=False), "skip_connections"),
        (lambda: DISCRIMINATORS["DUnet"](filters=8, value_range=[-1, 1]), "value_range"),
    ],
)
def test_what_a_published_layout_cannot_hold(network, message, tmp_path, capsys):
    network().save(tmp_path / "model.keras")
    assert main([str(tmp_path / "model.keras"), "--to", str(tmp_path / "x.safetensors")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_weights_beyond_half_precision_are_refused(tmp_path):
    network = tiny_generator("Compact", bicubic_skip=False)
    layer = network.get_layer("conv0")
    layer.set_weights([weight * 1e7 for weight in layer.get_weights()])
    with pytest.raises(InputError, match=r"--half: body\.0\.weight has values beyond"):
        export(network, tmp_path / "x.safetensors", half=True)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def spandrel_python() -> str:
    """SR_GAN_TF_SPANDREL, or SR_GAN_TF_TORCH, names a Python whose environment has spandrel."""
    python = os.environ.get("SR_GAN_TF_SPANDREL") or os.environ.get("SR_GAN_TF_TORCH")
    if python is None or subprocess.run([python, "-c", "import spandrel"], capture_output=True).returncode:
        pytest.skip(
            "SR_GAN_TF_SPANDREL names no Python with spandrel: in an environment of its own, "
            "pip install spandrel==0.4.2 torch==2.14.1 torchvision==0.29.1"
        )
    return python


def run_spandrel(python: str, folder: Path) -> dict[str, dict]:
    """What spandrel recognizes in each checkpoint of a folder; its results for pictures.npy are in FILE.npy."""
    script = Path(__file__).with_name("run_spandrel.py")
    done = subprocess.run([python, script, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {line["file"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def quickstart(repository, tmp_path_factory):
    """The run folder of the quickstart experiment, both stages, with a tenth of its steps."""
    folder = tmp_path_factory.mktemp("quickstart") / "run"
    steps = ["--set", "stages.0.steps=70", "--set", "stages.1.steps=30", "--set", "validate_every=50"]
    assert fit.main([str(repository / "experiments" / "quickstart.json"), "--run-dir", str(folder), *steps]) == 0
    return folder


@pytest.mark.long
def test_a_freshly_trained_quickstart_network_goes_into_every_format(quickstart, tmp_path, capsys):
    for package in ("tf2onnx", "openvino", "ncnn"):
        pytest.importorskip(package, reason="pip install 'sr_gan_tf[export]'")
    command = [str(quickstart), "--to", str(tmp_path / "all"), "--format", "all", "--tfjs-python", tfjs_python()]
    assert main(command) == 0
    printed = capsys.readouterr().out
    print(printed)
    assert printed.count("wrote ") == 10
    assert "not written" not in printed
    pictures = noise(2, 24, 17, 3)
    found = run_tfjs(tmp_path / "all" / "all_tfjs", pictures, tmp_path)
    np.testing.assert_allclose(found, sr_gan_tf.load(quickstart)(pictures), atol=1e-4)


@pytest.mark.long
def test_spandrel_runs_a_freshly_trained_quickstart_network(quickstart, spandrel_python, tmp_path):
    network, pictures = sr_gan_tf.load(quickstart), noise(2, 24, 17, 3)
    np.save(tmp_path / "pictures.npy", pictures)
    for suffix in (".safetensors", ".pth"):
        export(quickstart, tmp_path / f"quickstart{suffix}")
    found = run_spandrel(spandrel_python, tmp_path)
    assert len(found) == 2
    for file, line in found.items():
        assert (line["architecture"], line["scale"], line["channels"]) == ("Compact", 2, [3, 3])
        np.testing.assert_allclose(np.load(tmp_path / f"{file}.npy"), network(pictures), atol=1e-4)


def test_spandrel_recognizes_and_runs_what_is_written(spandrel_python, tmp_path):
    networks = {name: (span(**config), "SPAN") for name, config in SPANS.items()}
    networks |= {name: (calm(tiny_generator(kind, **config)), id) for name, (kind, config, id) in OTHERS.items()}
    networks["span_x4"] = (sr_gan_tf.load("span_x4"), "SPAN")
    # Twice as many: the mirrored border of a network that folds its input is not what is tested here.
    pictures = noise(2, 24, 16, 3)
    np.save(tmp_path / "pictures.npy", pictures)
    for name, (network, _) in networks.items():
        for suffix in (".safetensors", ".pth"):
            write_checkpoint(tmp_path / f"{name}{suffix}", state_of(network))
    wanted = {name: network(pictures).numpy() for name, (network, _) in networks.items()}
    found = run_spandrel(spandrel_python, tmp_path)
    assert len(found) == 2 * len(networks)
    for file, line in found.items():
        network, architecture = networks[file.partition(".")[0]]
        assert (line["architecture"], line["scale"], line["channels"]) == (architecture, network.scale, [3, 3]), file
        output = np.load(tmp_path / f"{file}.npy")
        np.testing.assert_allclose(output, wanted[file.partition(".")[0]], atol=1e-4, err_msg=file)
