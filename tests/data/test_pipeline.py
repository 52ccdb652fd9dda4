"""Batches: right crops, sample i = f(seed, i), resumption, workers, mixtures, and a clean end."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf import config
from sr_gan_tf.data.pipeline import training_batches, validation_pictures
from sr_gan_tf.data.sampler import Sampler
from sr_gan_tf.errors import InputError, Unavailable
from sr_gan_tf.resampling import imresize


def folder_of(path, colors, size=(64, 80)):
    """Pictures whose red says which picture, green and blue where in it."""
    path.mkdir()
    y, x = np.mgrid[: size[0], : size[1]]
    for number, color in enumerate(colors):
        pixels = np.stack([np.full_like(y, color), y, x], -1).astype(np.uint8)
        Image.fromarray(pixels).save(path / f"{number}.png")
    return config.SourceSpec("Folder", {"path": str(path)})


@pytest.fixture
def data(tmp_path):
    one, two = folder_of(tmp_path / "one", range(10)), folder_of(tmp_path / "two", range(100, 106), (96, 48))
    return config.Data(
        train=(one, dataclasses.replace(two, weight=3.0)),
        validation=(one,),
        degradation=config.Spec("Resize", {"kernel": "nearest"}),
        patch_size=24,
        batch_size=4,
        cache_dir=str(tmp_path / "cache"),
    )


def batches(data, count, scale=4, seed=1, **options):
    return list(training_batches(data, scale, seed, **options).take(count).as_numpy_iterator())


def test_batches_have_static_shapes_and_the_unit_range(data):
    dataset = training_batches(data, 4, 1)
    assert [(spec.shape, spec.dtype) for spec in dataset.element_spec] == [
        ((4, 6, 6, 3), "float32"),
        ((4, 24, 24, 3), "float32"),
    ]
    _lr, hr = next(dataset.as_numpy_iterator())
    np.testing.assert_allclose(np.rint(hr * 255) / 255, hr, atol=1e-7)
    assert hr.max() <= 1
    assert hr.max() > 0.3


def test_no_thread_tunes_what_is_fixed(data):
    """It could make the end of a run wait for up to a minute, the more often the busier the machine is."""
    assert training_batches(data, 4, 1).options().autotune.enabled is False


@pytest.mark.parametrize("augmentations", [(), ("flip", "turn")])
def test_lr_belongs_to_hr(data, augmentations):
    data = dataclasses.replace(data, augmentations=augmentations)
    for lr, hr in batches(data, 20):
        for small, large in zip(np.rint(lr * 255), np.rint(hr * 255), strict=True):
            # A pixel of the nearest reduction is one of the four in the middle of its block.
            blocks = large.reshape(6, 4, 6, 4, 3)[:, 1:3, :, 1:3]
            assert (np.abs(blocks - small[:, None, :, None]).max(axis=(1, 3)) <= 1).all()
            assert np.ptp(large[..., 0]) == 0
            if not augmentations:
                assert (np.diff(large[..., 1], axis=0) == 1).all()
                assert (np.diff(large[..., 2], axis=1) == 1).all()
                assert (large[0, 0, 1:] % 4 == 0).all()


def test_equal_seeds_see_equal_samples_and_others_do_not(data):
    first, again, other = batches(data, 5), batches(data, 5), batches(data, 5, seed=2)
    assert all((a[1] == b[1]).all() and (a[0] == b[0]).all() for a, b in zip(first, again, strict=True))
    assert not any((a[1] == b[1]).all() for a, b in zip(first, other, strict=True))


RANDOM = config.Spec("Realistic", {"margin": 8})


@pytest.mark.parametrize("degradation", [config.Spec("Bicubic"), RANDOM], ids=lambda spec: spec.class_name)
def test_a_resumed_run_sees_what_the_undisturbed_one_saw(data, degradation):
    data = dataclasses.replace(data, degradation=degradation, augmentations=("flip", "turn", "mixup"))
    undisturbed, resumed = batches(data, 7), batches(data, 3, first_sample=16)
    for ours, theirs in zip(undisturbed[4:], resumed, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_samples_do_not_depend_on_the_batch_size(data):
    small, large = batches(data, 4), batches(dataclasses.replace(data, batch_size=8), 2)
    np.testing.assert_array_equal(np.concatenate([hr for _, hr in small]), np.concatenate([hr for _, hr in large]))


def test_workers_share_out_the_samples_of_each_step(data):
    workers = [batches(data, 3, shard=(worker, 2), first_sample=8) for worker in range(2)]
    alone = batches(dataclasses.replace(data, batch_size=8), 3, first_sample=8)
    for step in range(3):
        np.testing.assert_array_equal(np.concatenate([worker[step][1] for worker in workers]), alone[step][1])


def test_sources_are_mixed_by_weight_and_each_epoch_is_whole(data):
    sampler = Sampler(data, 4, 1)
    places = sampler.places(np.arange(4096))
    assert np.mean(places.store == 1) == 0.75
    # 64 x 80 pixels hold 9 patches of 24 x 24 each: an epoch of ten pictures is 90 samples.
    own = Sampler(dataclasses.replace(data, train=data.train[:1]), 4, 1).places(np.arange(270)).picture
    for epoch in range(3):
        counts = np.bincount(own[90 * epoch : 90 * epoch + 90], minlength=10)
        assert counts.tolist() == [9] * 10
    assert (own[:90] != own[90:180]).any()


def test_every_crop_is_possible_and_about_as_likely(data):
    data = dataclasses.replace(data, train=data.train[:1])
    places = Sampler(data, 4, 1).places(np.arange(60000))
    counts = np.zeros((11, 15), int)
    np.add.at(counts, (places.y, places.x), 1)
    # 16 - 6 + 1 rows and 20 - 6 + 1 columns of corners on the LR grid.
    assert places.y.max() == 10
    assert places.x.max() == 14
    assert counts.min() > 0.75 * counts.mean()


def test_flat_parts_can_be_left_out(data, tmp_path):
    path = tmp_path / "half"
    path.mkdir()
    pixels = np.full((192, 384, 3), 50, np.uint8)
    pixels[:, 192:] = np.random.default_rng(0).integers(0, 256, (192, 192, 3))
    Image.fromarray(pixels).save(path / "half_flat.png")
    Image.fromarray(pixels[:, :192]).save(path / "flat.png")
    data = dataclasses.replace(data, train=(config.SourceSpec("Folder", {"path": str(path)}),), minimum_detail=3.0)
    hr = np.concatenate([hr for _, hr in batches(data, 30)])
    assert hr.std(axis=(1, 2, 3)).min() > 0.05
    flat = dataclasses.replace(data, minimum_detail=0.0)
    assert np.mean(np.concatenate([hr for _, hr in batches(flat, 30)]).std(axis=(1, 2, 3)) < 1e-6) > 0.3
    with pytest.raises(InputError, match="minimum_detail below"):
        Sampler(dataclasses.replace(data, minimum_detail=200.0), 4, 1)


def test_random_degradations_see_around_the_crop(data, tmp_path):
    """With a margin a crop's LR is what the whole picture's would be; crops at the picture's edge repeat it."""
    spec = config.Spec("BlurResize", {"sigma": [1.0, 1.0], "taps": 5, "kernel": "bicubic"})
    data = dataclasses.replace(data, degradation=spec, augmentations=(), train=data.train[:1])
    sampler = Sampler(data, 4, 1)
    whole = {
        number: sampler.degradation(np.asarray(Image.open(tmp_path / f"one/{number}.png"))) for number in range(10)
    }
    places, inner = sampler.places(np.arange(200)), 0
    lr, _ = sampler.batch(0, 200)
    for number, (_, picture, y, x) in enumerate(zip(*places, strict=True)):
        assert lr[number].shape == (6, 6, 3)
        if 0 < y < 10 and 0 < x < 14:
            expected = whole[int(picture)][y : y + 6, x : x + 6]
            differs = np.abs(lr[number].astype(int) - expected)
            inside = differs[max(0, 5 - y) : 16 - y - 5, max(0, 5 - x) : 20 - x - 5]
            assert inside.max(initial=0) <= 1
            inner += 1
    assert inner > 50


def test_patches_that_do_not_fit(data, tmp_path):
    with pytest.raises(InputError, match="not a multiple of the scale 4; use 24"):
        Sampler(dataclasses.replace(data, patch_size=25), 4, 1)
    with pytest.raises(InputError, match=r"48x96 pixels, less than data.patch_size 64 \(and 5 more"):
        Sampler(dataclasses.replace(data, patch_size=64, on_bad_file="error"), 4, 1)
    with pytest.raises(InputError, match="no picture of at least 100 x 100 pixels"):
        Sampler(dataclasses.replace(data, patch_size=100, on_bad_file="skip"), 4, 1)


def test_small_pictures_can_be_skipped_and_are_listed(data, tmp_path, capsys):
    folder_of(tmp_path / "one" / "small", [200], (20, 20))
    data = dataclasses.replace(data, on_bad_file="skip")
    sampler = Sampler(data, 4, 1)
    assert "skipped 1 pictures of" in (said := capsys.readouterr().err)
    assert "small/0.png: smaller than data.patch_size 24\n" in said
    assert sampler.batch(0, 400)[1][..., 0].max() < 200


def test_cutblur_needs_a_degradation(data):
    with pytest.raises(InputError, match="cutblur"):
        Sampler(dataclasses.replace(data, augmentations=("cutblur",), degradation=config.Spec("Bicubic")), 4, 1)
    assert Sampler(dataclasses.replace(data, augmentations=("cutblur",)), 4, 1).batch(0, 4)


def test_validation_pictures_are_whole_and_read_when_asked(data, tmp_path, capsys):
    data = dataclasses.replace(data, degradation=config.Spec("Bicubic"), validation_limit=3, on_bad_file="error")
    pictures = validation_pictures(data, 3)
    assert len(pictures) == 3
    hr = np.asarray(Image.open(tmp_path / "one" / "1.png"))[:63, :78]
    np.testing.assert_array_equal(pictures[1].hr, hr)
    np.testing.assert_array_equal(pictures[1].lr, imresize(hr, size=(21, 26)))
    assert pictures[1].name.endswith("1.png")
    (tmp_path / "one" / "2.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"2.png"):
        pictures[2].pair()
    skipping = validation_pictures(dataclasses.replace(data, on_bad_file="skip"), 4)
    assert [picture.name[-5:] for picture in skipping] == ["0.png", "1.png", "3.png"]
    assert "skipped 1 pictures" in (said := capsys.readouterr().err)
    assert "2.png: the file is empty" in said
    random = validation_pictures(dataclasses.replace(data, degradation=RANDOM), 4)
    np.testing.assert_array_equal(random[0].lr, random[0].lr)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("role", ["train", "validation"])
def test_a_data_set_that_cannot_be_had_is_one_line_with_the_way_out(data, monkeypatch, tmp_path, role):
    import tensorflow_datasets as tfds

    def unreachable(self, *args, **kwargs):
        raise ConnectionError("Failed to resolve 'data.vision.ee.ethz.ch'\nand more lines")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", unreachable)
    source = config.SourceSpec("TFDS", {"name": "div2k/bicubic_x4", "data_dir": str(tmp_path / "none")})
    data = dataclasses.replace(data, **{role: (*data.train, source)})
    with pytest.raises(Unavailable, match=rf"data.{role}.2: .*to resolve .*--set 'data.{role}.2=.*Folder") as caught:
        training_batches(data, 4, 1) if role == "train" else validation_pictures(data, 4)
    assert "\n" not in str(caught.value)


ENDS = """
import sys
from sr_gan_tf import config
from sr_gan_tf.data.pipeline import training_batches
source = config.SourceSpec("Folder", {"path": sys.argv[1]})
data = config.Data(train=(source,), patch_size=24, cache_dir=sys.argv[2], degradation=config.Spec("Realistic"))
iterator = iter(training_batches(data, 4, 1))
next(iterator)
print("read")
"""


def test_the_interpreter_ends_while_batches_are_being_made(data, tmp_path):
    command = [sys.executable, "-c", ENDS, str(tmp_path / "one"), str(tmp_path / "cache")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "read\n"), ended.stderr
