"""Generators: parameter counts, and the checks that every one of the catalogue must pass."""

import numpy as np
import pytest
from network_checks import (
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
    "SRResNet": {"scale": 4, "filters": 8, "num_blocks": 2},
    "SmallResidual": {"scale": 2, "filters": 8, "num_blocks": 2},
    "SharedResidual": {"scale": 4, "filters": 8, "num_uses": 2},
    "SPAN": {"scale": 4, "filters": 8, "num_blocks": 2, "input_gain": 10.0},
    "UNet": {"scale": 2, "filters": 8, "num_downs": 3, "normalization": "instance"},
    "RRDBNet": {"scale": 2, "filters": 8, "num_blocks": 1, "growth": 4},
    "MSRResNet": {"scale": 4, "filters": 8, "num_blocks": 2},
    "Compact": {"scale": 4, "filters": 8, "num_convs": 2},
}

COUNTS = [
    ("SharedResidual", {}, 215_553, 215_553 + 512),
    ("SharedResidual", {"normalization": "published"}, 215_553, 215_553 + 128),
    ("UNet", {"scale": 1}, 54_413_955, 54_413_955 + 9_856),
    ("RRDBNet", {}, 16_697_987, 16_697_987),
    ("RRDBNet", {"scale": 2}, 16_703_171, 16_703_171),
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


def tiny(name: str, **changes):
    return GENERATORS[name](**{**TINY[name], **changes})


def test_every_generator_has_a_tiny_configuration():
    assert set(TINY) == set(GENERATORS)


@pytest.mark.parametrize(("name", "config", "trainable", "total"), COUNTS)
def test_parameter_counts(name, config, trainable, total):
    generator = GENERATORS[name](**config)
    assert (trainable_count(generator), generator.count_params()) == (trainable, total)


@pytest.mark.parametrize("name", GENERATORS)
class TestEveryGenerator:
    @pytest.mark.parametrize("size", [(13, 17), (16, 12), (7, 8)])
    def test_sizes(self, name, size):
        generator = tiny(name)
        output = generator(picture(generator, size))
        assert output.shape == (2, size[0] * generator.scale, size[1] * generator.scale, 3)

    def test_output_has_static_scale(self, name):
        generator = tiny(name)
        assert generator.compute_output_shape((4, 12, 8, 3)) == (4, 12 * generator.scale, 8 * generator.scale, 3)
        assert generator.outputs[0].dtype == "float32"

    def test_round_trip(self, name, tmp_path):
        generator = stir(tiny(name))
        check_round_trip(generator, picture(generator), tmp_path)

    def test_precision(self, name):
        check_precision(lambda: tiny(name), picture(tiny(name)))

    def test_batch_independence(self, name):
        generator = tiny(name)
        check_batch_independence(generator, picture(generator))

    def test_gradients(self, name):
        generator = tiny(name)
        check_gradients(generator, picture(generator))

    def test_finite(self, name):
        generator = tiny(name)
        check_finite(generator, picture(generator))

    def test_xla(self, name):
        generator = tiny(name)
        check_xla(generator, picture(generator, (8, 8)), gradients=False)

    @pytest.mark.long
    def test_xla_training(self, name):
        generator = tiny(name)
        check_xla(generator, picture(generator, (8, 8)))

    def test_wrong_arguments(self, name):
        with pytest.raises(InputError, match="takes no such argument"):
            build(Spec(name, {"filtres": 8}), GENERATORS, "generator")
        with pytest.raises(ValueError, match="scale"):
            tiny(name, scale=0)


@pytest.mark.parametrize("upsampling", ["pixel_shuffle", "nearest"])
@pytest.mark.parametrize("scale", [1, 2, 3, 8])
def test_srresnet_scales(scale, upsampling):
    generator = GENERATORS["SRResNet"](scale=scale, filters=4, num_blocks=1, upsampling=upsampling)
    assert generator(picture(generator, (5, 6))).shape == (2, 5 * scale, 6 * scale, 3)


def test_srresnet_without_normalization_has_no_statistics():
    assert GENERATORS["SRResNet"](filters=4, num_blocks=1, normalization="none").non_trainable_variables == []


@pytest.mark.parametrize("name", ["SRResNet", "SmallResidual"])
def test_bounded_output_stays_in_range(name):
    generator = stir(tiny(name, bounded=True), 1.0)
    output = generator(picture(generator)).numpy()
    assert output.min() >= 0 and output.max() <= 1
    assert np.ptp(stir(tiny(name), 1.0)(picture(generator))) > 1
