"""Generators: parameter counts, and the checks that every one of the catalog must pass."""

import functools

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
@pytest.mark.usefixtures("no_random_weights")
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
        ("SRResNet", {"scale": 5}, "not a product of twos and threes"),
        ("SRResNet", {"normalization": "instance"}, "'instance' is not known; expected one of 'batch', 'none'"),
        ("SharedResidual", {"value_range": (0.0, 0.0)}, "expected .low, high. with low below high"),
        ("SPAN", {"input_gain": 0.0}, "input_gain: 0.0 leaves nothing of the picture"),
        ("SPAN", {"initial_gain": -1.0}, "initial_gain: -1.0 leaves nothing"),
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
    assert output.min() >= 0
    assert output.max() <= 1
    assert np.ptp(stir(tiny(name), 1.0)(picture(generator))) > 1


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.zeros((1, 8, 8, 1), np.float32), "Compact: expected pictures .*; repeat the channel of gray"),
        (np.zeros((1, 8, 8, 3), np.uint8), "Compact: expected floats in .*, found uint8; divide 8-bit pictures by 255"),
        (np.zeros((8, 8, 3), np.float32), r"Compact: expected pictures .*; a single picture is picture\[None\]"),
    ],
)  # fmt: skip
def test_pictures_of_another_kind_are_refused(picture, said):
    generator = GENERATORS["Compact"](scale=2, filters=4, num_convs=1)
    for use in (generator, lambda picture: generator.predict(picture, verbose=0)):
        with pytest.raises(InputError, match=said):
            use(picture)
