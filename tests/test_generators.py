"""Generators: parameter counts, and the checks that every one of the catalogue must pass."""

import functools
from pathlib import Path

import numpy as np
import pytest
from network_checks import (
    check_any_size,
    check_batch_independence,
    check_finite,
    check_gradients,
    check_precision,
    check_round_trip,
    check_xla,
    picture,
    stir,
    trainable_count,
)

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.pytorch_checkpoints.pytorch import network_of

REFERENCE = Path(__file__).parent / "reference"

TINY = {
    "SRResNet": {"scale": 4, "filters": 8, "num_blocks": 1},
    "SmallResidual": {"scale": 2, "filters": 8, "num_blocks": 1},
    "SharedResidual": {"scale": 4, "filters": 8, "num_uses": 2},
    "SPAN": {"scale": 4, "filters": 8, "num_blocks": 1, "input_gain": 10.0},
    "UNet": {"scale": 2, "filters": 8, "num_downs": 2, "normalization": "instance"},
    "RRDBNet": {"scale": 2, "filters": 8, "num_blocks": 1, "growth": 4},
    "MSRResNet": {"scale": 4, "filters": 8, "num_blocks": 1},
    "Compact": {"scale": 4, "filters": 8, "num_convs": 1},
}

COUNTS = [
    ("SharedResidual", {}, 215_553, 215_553 + 512),
    ("SharedResidual", {"normalization": "published"}, 215_553, 215_553 + 128),
    # These take seconds to start.
    pytest.param("UNet", {"scale": 1}, 54_413_955, 54_413_955 + 9_856, marks=pytest.mark.long),
    pytest.param("RRDBNet", {}, 16_697_987, 16_697_987, marks=pytest.mark.long),
    pytest.param("RRDBNet", {"scale": 2}, 16_703_171, 16_703_171, marks=pytest.mark.long),
    ("MSRResNet", {"scale": 2}, 1_369_859, 1_369_859),
    ("MSRResNet", {"scale": 3}, 1_554_499, 1_554_499),
    ("MSRResNet", {"scale": 4}, 1_517_571, 1_517_571),
    ("SRResNet", {}, 1_550_659, 1_554_883),
    ("SRResNet", {"scale": 2}, 1_402_883, 1_407_107),
    ("SmallResidual", {}, 595_395, 596_419),
    *[
        ("SPAN", {"scale": scale, "filters": filters, "merged": merged}, count, count)
        for scale, filters, merged, count in [
            (4, 48, False, 1_840_488),
            (4, 48, True, 426_288),
            (2, 48, False, 1_824_900),
            (2, 48, True, 410_700),
            (4, 52, False, 2_157_136),
            (4, 52, True, 498_208),
            (2, 52, False, 2_140_252),
            (2, 52, True, 481_324),
            (4, 32, False, 825_096),
            (4, 32, True, 194_608),
        ]
    ],
]


# The other forms of each.
FORMS = [
    ("SRResNet", {"scale": 2, "normalization": "none", "upsampling": "nearest", "input_range": (-1.0, 1.0)}),
    ("SmallResidual", {"scale": 3, "activation": "leaky_relu", "normalization": "none", "upsampling": "bilinear"}),
    ("SharedResidual", {"scale": 2, "normalization": "published"}),
    ("SharedResidual", {"scale": 1, "normalization": "none"}),
    ("SPAN", {"scale": 1, "merged": True, "nearest_skip": True}),
    ("SPAN", {"scale": 2, "published_graph": True, "input_mean": (0.0, 0.0, 0.0), "num_blocks": 2}),
    ("UNet", {"scale": 1, "normalization": "batch", "bounded": False, "num_downs": 4}),
    ("UNet", {"scale": 4, "normalization": "none", "num_downs": 3, "dropout": 0.5}),
    ("RRDBNet", {"scale": 1}),
    ("RRDBNet", {"scale": 4}),
    ("MSRResNet", {"scale": 3}),
    ("Compact", {"scale": 1, "activation": "relu"}),
    ("Compact", {"scale": 3, "activation": "leaky_relu"}),
]


def tiny(name: str, **changes):
    return GENERATORS[name](**{**TINY[name], **changes})


@functools.cache
def _built(name: str):
    network = tiny(name)
    return network, network.get_weights()


@pytest.fixture
def generator(name):
    """The tiny generator as it starts; building it anew for each test would take longer than the tests."""
    network, weights = _built(name)
    network.set_weights(weights)
    return network


def check_shape(generator, size: tuple[int, int]) -> None:
    expected = (2, size[0] * generator.scale, size[1] * generator.scale, 3)
    assert generator(picture(generator, size)).shape == expected
    assert generator.compute_output_shape((2, *size, 3)) == expected


def test_every_generator_has_a_tiny_configuration():
    assert set(TINY) == set(GENERATORS)


@pytest.mark.parametrize(("name", "config", "trainable", "total"), COUNTS)
def test_parameter_counts(name, config, trainable, total):
    generator = GENERATORS[name](**config)
    assert (trainable_count(generator), generator.count_params()) == (trainable, total)


@pytest.mark.parametrize("name", GENERATORS)
class TestEveryGenerator:
    def test_sizes(self, name, generator):
        stir(generator)
        for size in [(13, 17), (16, 12), (1, 1)]:
            check_shape(generator, size)
        check_any_size(generator, [(13, 17), (7, 8), (1, 1)])
        assert generator.outputs[0].dtype == "float32"

    def test_round_trip(self, name, generator, tmp_path):
        check_round_trip(stir(generator), picture(generator), tmp_path)

    def test_precision(self, name, generator):
        check_precision(lambda: tiny(name), picture(generator))

    def test_batch_independence(self, name, generator):
        check_batch_independence(generator, picture(generator))

    def test_gradients(self, name, generator):
        check_gradients(generator, picture(generator))

    def test_finite(self, name, generator):
        check_finite(generator, picture(generator))

    def test_xla(self, name, generator):
        check_xla(generator, picture(generator, (8, 8)), gradients=False)

    @pytest.mark.long
    def test_xla_training(self, name, generator):
        check_xla(generator, picture(generator, (8, 8)))

    def test_wrong_arguments(self, name):
        with pytest.raises(InputError, match="takes no such argument"):
            build(Spec(name, {"filtres": 8}), GENERATORS, "generator")
        with pytest.raises(ValueError, match="scale"):
            tiny(name, scale=0)


@pytest.mark.parametrize(("name", "changes"), FORMS)
def test_other_forms(name, changes):
    network = tiny(name, **changes)
    check_shape(network, (6, 9))
    check_gradients(network, picture(network, (6, 9)))


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("SRResNet", {"scale": 5}, "no product of twos and threes"),
        ("SRResNet", {"normalization": "instance"}, "'instance' is not known; expected one of 'batch', 'none'"),
        ("SRResNet", {"value_range": (1.0, 1.0)}, "expected .low, high. with low below high"),
        ("SmallResidual", {"filters": 0}, "filters: 0 is too small; expected 1 or more"),
        ("SharedResidual", {"scale": 3}, "no power of two"),
        ("UNet", {"num_downs": 1}, "num_downs: 1 is too small"),
        ("UNet", {"dropout": 1.0}, "dropout: 1.0"),
        ("RRDBNet", {"scale": 3}, "scale: 3 is not known; expected one of 1, 2, 4"),
        ("Compact", {"activation": "gelu"}, "activation"),
    ],
)
def test_arguments_are_checked(name, changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(name, **changes)


@pytest.mark.parametrize("upsampling", ["pixel_shuffle", "nearest"])
@pytest.mark.parametrize("scale", [1, 3, 8])
def test_srresnet_scales(scale, upsampling):
    check_shape(GENERATORS["SRResNet"](scale=scale, filters=4, num_blocks=1, upsampling=upsampling), (5, 6))


def test_srresnet_without_normalization_has_no_statistics():
    assert GENERATORS["SRResNet"](filters=4, num_blocks=1, normalization="none").non_trainable_variables == []


@pytest.mark.parametrize("name", ["SRResNet", "SmallResidual"])
def test_bounded_output_stays_in_range(name):
    generator = stir(tiny(name, bounded=True), 1.0)
    output = generator(picture(generator)).numpy()
    assert output.min() >= 0 and output.max() <= 1
    assert np.ptp(stir(tiny(name), 1.0)(picture(generator))) > 1


def reference(name: str) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Weights, input and output (NHWC) of a published network at tiny size."""
    with np.load(REFERENCE / f"{name}.npz") as content:
        state = {key.removeprefix("state/"): content[key] for key in content.files if key.startswith("state/")}
        return state, content["input"].transpose(0, 2, 3, 1), content["output"].transpose(0, 2, 3, 1)


def assert_equal_to_reference(output, expected: np.ndarray) -> None:
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("name", ["span_c8_x2", "span_c8_x4", "span_c8_x4_nonorm"])
def test_merged_span_equals_the_reference(name):
    """All other files, and SPAN's training form, are compared in tests/test_pytorch_weights.py."""
    state, images, expected = reference(name)
    assert_equal_to_reference(network_of(state, name).merged()(images), expected)


def test_shared_residual_equals_both_references():
    """With running statistics as published, and with the batch's own, in both forms of the network."""
    state, images, by_running_statistics = reference("shared_residual_f8_eval")
    published = network_of(state, "shared_residual_f8_eval")
    pictures = (images + 1) / 2
    assert_equal_to_reference(2 * published(pictures).numpy() - 1, by_running_statistics)

    state, images, by_batch = reference("shared_residual_f8_batch")
    published = network_of(state, "shared_residual_f8_batch")
    assert_equal_to_reference(2 * published(pictures, training=True).numpy() - 1, by_batch)
    generator = GENERATORS["SharedResidual"](filters=8)
    for layer in generator.layers:
        if layer.name == "affine":
            layer.set_weights(published.get_layer("norm").get_weights()[:2])
        elif layer.weights and not layer.name.startswith("statistics"):
            layer.set_weights(published.get_layer(layer.name).get_weights())
    assert_equal_to_reference(2 * generator(pictures, training=True).numpy() - 1, by_batch)


@pytest.mark.parametrize("form", ["RRDB_trunk", "model"])
def test_older_names_of_rrdbnet(form):
    """The same network under the names of ESRGAN's own file and of its first publication."""
    state, images, expected = reference("rrdbnet_f8_b2_g4_x4")
    renamed = {}
    for key, value in state.items():
        if form == "RRDB_trunk":
            key = key.replace("body.", "RRDB_trunk.").replace("rdb", "RDB").replace("conv_RRDB_trunk", "trunk_conv")
            key = key.replace("conv_up", "upconv").replace("conv_hr", "HRconv")
        else:
            parts = {"conv_first": "0", "conv_body": "1.sub.2", "conv_up1": "3", "conv_up2": "6", "conv_hr": "8"}
            head, _, tail = key.partition(".")
            if head == "body":
                block, dense, conv, kind = tail.split(".")
                key = f"model.1.sub.{block}.{dense.upper()}.{conv}.0.{kind}"
            else:
                key = f"model.{parts.get(head, '10')}.{tail}"
        renamed[key] = value
    assert not set(renamed) & set(state) - {
        f"conv_{end}.{kind}" for end in ("first", "last") for kind in ("weight", "bias")
    }
    assert_equal_to_reference(network_of(renamed, form)(images), expected)


def test_span_from_merged_convolutions_alone():
    """Files for inference hold `eval_conv` only; those for training may hold both."""
    state, images, expected = reference("span_c8_x4")
    merged = network_of(state, "span").merged()
    plain = dict(state)
    for layer in merged.layers:
        if layer.name in ("first", "body") or layer.name[-5:-1] == "conv":
            source = {"first": "conv_1", "body": "conv_2"}.get(layer.name)
            source = source or layer.name.replace("block", "block_").replace("_conv", ".c") + "_r"
            kernel, bias = layer.get_weights()
            plain = {key: value for key, value in plain.items() if not key.startswith(f"{source}.")}
            plain |= {f"{source}.eval_conv.weight": kernel.transpose(3, 2, 0, 1), f"{source}.eval_conv.bias": bias}
    generator = network_of(plain, "span")
    assert generator.is_merged and generator.count_params() == merged.count_params()
    assert_equal_to_reference(generator(images), expected)
    both = state | {key: value for key, value in plain.items() if "eval_conv" in key}
    assert not network_of(both, "span").is_merged


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_compact_without_slopes(activation):
    state, _, _ = reference("compact_f8_c3_x4")
    if activation == "relu":
        state = {key: value for key, value in state.items() if value.ndim != 1 or key.endswith("bias")}
    assert network_of(state, "compact").activation == activation


def test_msrresnet_scales_are_told_from_the_weights():
    state, _, _ = reference("msrresnet_f8_b2_x4")
    state = {key: value for key, value in state.items() if not key.startswith("upconv2")}
    assert network_of(state, "x2").scale == 2
    state["upconv1.weight"], state["upconv1.bias"] = np.zeros((72, 8, 3, 3), np.float32), np.zeros(72, np.float32)
    assert network_of(state, "x3").scale == 3
    state["upconv1.weight"] = np.zeros((70, 8, 3, 3), np.float32)
    with pytest.raises(InputError, match="70 channels before the pixel shuffle"):
        network_of(state, "broken")
