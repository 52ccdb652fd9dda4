"""Augmentations keep LR the LR picture of HR."""

import numpy as np
import pytest

from sr_gan_tf import config
from sr_gan_tf.data import AUGMENTATIONS
from sr_gan_tf.data.augmentation import build_augmentations
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.errors import InputError
from sr_gan_tf.resampling import imresize


def pair(seed=0, scale=4):
    """HR of flat blocks and its nearest reduction: what maps pixels to pixels keeps `lr == hr[::scale]`."""
    lr = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    return lr, lr.repeat(scale, axis=0).repeat(scale, axis=1)


def mixes(name):
    return name in ("mixup", "cutmix")


def run(name, seed, scale=4, **options):
    augmentation = AUGMENTATIONS[name](**options)
    return augmentation(*pair(0, scale), Draws(seed), lambda: pair(1, scale))


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "cutblur"])
def test_pairs_stay_pairs_and_follow_the_draws(name, scale):
    options = {"probability": 1.0} if name not in ("flip", "turn") else {}
    results = [run(name, seed, scale, **options) for seed in range(30)]
    for lr, hr in results:
        assert lr.shape == (12, 12, 3)
        assert hr.shape == (12 * scale, 12 * scale, 3)
        assert lr.dtype == hr.dtype == np.uint8
        np.testing.assert_array_equal(hr[::scale, ::scale], lr)
        assert lr.strides[-1] == 1  # pixels are copied whole
    np.testing.assert_array_equal(run(name, 3, scale, **options)[1], results[3][1])
    found = len({hr.tobytes() for _, hr in results})
    assert found == {"flip": 2, "turn": 4, "channel_shuffle": 6}.get(name, found)
    assert found > 20 or not mixes(name)


@pytest.mark.parametrize("name", ["channel_shuffle", "mixup", "cutmix", "cutblur"])
def test_probability_zero_changes_nothing(name):
    for ours, given in zip(run(name, 1, probability=0.0), pair(), strict=True):
        np.testing.assert_array_equal(ours, given)
    with pytest.raises(ValueError, match="probability"):
        AUGMENTATIONS[name](probability=1.5)


def test_mixup_lies_between_its_pictures():
    (one, _), (other, _) = pair(0), pair(1)
    lr, _ = run("mixup", 5, probability=1.0)
    assert (lr >= np.minimum(one, other)).all()
    assert (lr <= np.maximum(one, other)).all()


def test_cutmix_takes_one_rectangle():
    (one, _), (other, _) = pair(0), pair(1)
    lr, _ = run("cutmix", 5, probability=1.0)
    pasted = (lr == other).all(-1)
    rows, columns = np.flatnonzero(pasted.any(1)), np.flatnonzero(pasted.any(0))
    assert pasted.any()
    assert pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    np.testing.assert_array_equal(lr[~pasted], one[~pasted])


@pytest.mark.parametrize("scale", [1, 4])
def test_cutblur_pastes_the_clean_picture(scale):
    _, hr = pair(0, scale)
    clean, degraded = imresize(hr, size=(12, 12)), np.zeros((12, 12, 3), np.uint8)
    shares = []
    for seed in range(40):
        lr, same = AUGMENTATIONS["cutblur"](probability=1.0)(degraded, hr, Draws(seed), None)
        np.testing.assert_array_equal(same, hr)
        is_clean = (lr == clean).all(-1)
        assert (lr[~is_clean] == 0).all()
        shares.append(is_clean.mean())
    assert not degraded.any()
    assert min(shares) < 0.5 < max(shares) < 1


def test_names_and_specs_of_the_experiment():
    def make(*augmentations):
        return build_augmentations(
            config.Data(train=(config.SourceSpec("SamplePhotographs"),), augmentations=augmentations), 4
        )

    built = make("flip", config.Spec("mixup", {"alpha": 0.4}))
    assert [type(one).__name__ for one in built] == ["Flip", "Mixup"]
    assert built[1].get_config() == {"probability": 0.5, "alpha": 0.4}
    assert built[0].get_config() == {}
    assert make() == []
    with pytest.raises(InputError, match=r"data.augmentations.1.*did you mean 'flip'"):
        make("turn", "flipp")
    with pytest.raises(InputError, match="alpha"):
        make(config.Spec("mixup", {"alpha": -1.0}))
    with pytest.raises(InputError, match=r"data.augmentations.1.config.probability: 0 has no effect"):
        make("flip", config.Spec("cutmix", {"probability": 0.0}))
