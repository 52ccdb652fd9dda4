"""The constructors' defaults train from scratch; the published networks stay available; earlier files still load."""

import inspect
import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage import data

from sr_gan_tf.config import load_experiment
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.layers import BicubicEnlargement
from sr_gan_tf.metrics import metric_named
from sr_gan_tf.resampling import imresize
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.training.supervised import Supervised

# Fewer channels and blocks; everything that decides how a network starts is left at its default.
SMALL = {
    "SRResNet": {"filters": 16, "num_blocks": 2},
    "SmallResidual": {"filters": 16, "num_blocks": 2},
    "SharedResidual": {"filters": 16, "num_uses": 2},
    "SPAN": {"filters": 16, "num_blocks": 1},
    "UNet": {"filters": 8, "num_downs": 4},
    "RRDBNet": {"filters": 16, "num_blocks": 1, "growth": 8},
    "MSRResNet": {"filters": 16, "num_blocks": 2},
    "Compact": {"filters": 16, "num_convs": 4},
}
STEPS, SIDE = 200, 32


def patches(scale: int) -> tf.data.Dataset:
    """Batches of 4 patches of two photographs."""
    random = np.random.default_rng(0)
    pairs = [(imresize(picture, scale=1 / scale), picture) for picture in (data.astronaut(), data.coffee())]
    size = SIDE // scale
    batches = []
    for _ in range(50):
        lrs, hrs = [], []
        for _ in range(4):
            lr, hr = pairs[random.integers(2)]
            top, left = (random.integers(length - size - 1) for length in lr.shape[:2])
            lrs.append(lr[top : top + size, left : left + size])
            hrs.append(hr[top * scale : (top + size) * scale, left * scale : (left + size) * scale])
        batches.append((lrs, hrs))
    lrs, hrs = (np.array(side, np.float32) / 255 for side in zip(*batches, strict=True))
    return tf.data.Dataset.from_tensor_slices((lrs, hrs)).repeat()


def psnr_and_bicubic(generator) -> tuple[float, float]:
    """PSNR-Y of the generator and of bicubic on a photograph that isn't trained on."""
    scale, psnr = generator.scale, metric_named("psnr_y").function
    hr = data.chelsea()[60:156, 100:196]
    lr = imresize(hr, scale=1 / scale)
    sr = np.clip(generator(lr[None] / np.float32(255), training=False)[0], 0, 1)
    return psnr(hr, np.uint8(sr * 255 + 0.5), scale, scale), psnr(hr, imresize(lr, scale=scale), scale, scale)


def trained(generator, rate: float):
    keras.utils.set_random_seed(1)
    trainer = Supervised(generator)
    trainer.compile(keras.optimizers.Adam(rate), "mae")
    trainer.fit(patches(generator.scale), steps_per_epoch=STEPS, verbose=0)
    return trainer.average


# They begin below bicubic; the others at it.
BELOW = ("SPAN", "Compact")


@pytest.mark.parametrize("name", [name for name in GENERATORS if name not in BELOW])
def test_the_other_defaults_begin_at_bicubic(name):
    reached, bicubic = psnr_and_bicubic(GENERATORS[name](**SMALL[name]))
    assert reached >= bicubic - 0.005


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in BELOW else pytest.mark.long) for name in GENERATORS],
)
def test_200_steps_end_at_bicubic_or_above(name):
    reached, bicubic = psnr_and_bicubic(trained(GENERATORS[name](**SMALL[name]), 1e-3))
    assert reached >= bicubic - 0.005  # the smallest difference that two decimals show


@pytest.mark.long
@pytest.mark.parametrize("name", GENERATORS)
def test_the_defaults_themselves(name):
    reached, bicubic = psnr_and_bicubic(trained(GENERATORS[name](), 5e-4))
    print(f"\n{name}: {reached:.2f} dB after {STEPS} steps, bicubic {bicubic:.2f} dB")
    assert reached >= bicubic - 0.005


@pytest.mark.parametrize("name", GENERATORS)
def test_published_differs_from_the_defaults_where_it_says(name):
    kind = GENERATORS[name]
    parameters = inspect.signature(kind).parameters
    published, default = kind.published(**SMALL[name]), kind(**SMALL[name])
    changed = {key for key in parameters if getattr(published, key, None) != getattr(default, key, None)}
    assert kind.PUBLISHED.keys() >= changed
    assert changed, f"{name}: the published network is the default"
    with pytest.raises(TypeError, match="filtres"):
        kind.published(filtres=8)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_file_from_before_the_change_loads_as_it_was(name, tmp_path):
    """Such a file lacks the newer arguments, or has all of the older ones."""
    network = GENERATORS[name].published(**SMALL[name])
    path, older = tmp_path / "now.keras", tmp_path / "before.keras"
    network.save(path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(older, "w") as target:
        for item in source.namelist():
            content = source.read(item)
            if item == "config.json":
                config = json.loads(content)
                for key in network.PUBLISHED:
                    del config["config"][key]
                content = json.dumps(config)
            target.writestr(item, content)
    lr = np.random.default_rng(0).random((1, 16, 16, 3), np.float32)
    np.testing.assert_array_equal(keras.saving.load_model(older)(lr), network(lr))


def test_a_run_folder_from_before_the_change_keeps_its_network(repository, tmp_path):
    path = repository / "experiments" / "tiny.json"
    raw = json.loads(path.read_text())
    raw["generator"] = {"class_name": "SRResNet", "config": {"filters": 8, "num_blocks": 1}}
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.experiment_file.write_text(json.dumps(raw))
    assert folder.experiment().generator.config["bicubic_skip"] is False
    now = tmp_path / "now.json"
    now.write_text(json.dumps(raw))
    fresh = RunFolder(tmp_path / "fresh")
    with fresh.claim(load_experiment(now)):
        pass
    assert fresh.experiment() == load_experiment(now)
    with fresh.claim(load_experiment(now)):  # the same experiment again
        pass


def test_one_kind_of_output():
    for arguments in ({"bounded": True}, {"nearest_skip": True}):
        assert not GENERATORS["SRResNet"](filters=4, num_blocks=1, **arguments).bicubic_skip
        with pytest.raises(ValueError, match="bicubic_skip"):
            GENERATORS["SRResNet"](filters=4, num_blocks=1, bicubic_skip=True, **arguments)
    assert GENERATORS["SPAN"](filters=4, nearest_skip=False).initial_output_gain == 1.0


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_bicubic_enlargement_is_imresize(scale):
    picture = np.random.default_rng(0).random((7, 5, 3), np.float32)
    expected = imresize(picture, scale=scale)
    layer = BicubicEnlargement(scale)
    np.testing.assert_allclose(layer(picture[None])[0], expected, atol=1e-5)
    any_size = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))])
    np.testing.assert_allclose(any_size(picture[None])[0], expected, atol=1e-5)
    assert layer(picture[None, :1, :1]).shape == (1, scale, scale, 3)
