"""Files from strangers: no model file runs code, no experiment leaves its folder, no picture brings the reader down."""

import base64
import functools
import io
import json
import os
import pickle
import resource
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest
from damaged_files import damaged, small_pictures
from tiny import names_in, tiny_generator

from sr_gan_tf import models
from sr_gan_tf.config import parse_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.reading import read_frames
from sr_gan_tf.training.initial_weights import _source
from sr_gan_tf.upscale import main as upscale


class Attack:
    """Unpickled, it makes a folder."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


@pytest.fixture
def trace(tmp_path):
    """A folder that appears as soon as foreign code runs."""
    yield tmp_path / "trace"
    assert not (tmp_path / "trace").exists()


def refuse(path, said: str) -> None:
    """Neither the one door nor a stage's initial weights take the file, in one line."""
    for door in (models.load, functools.partial(_source, role="generator")):
        with pytest.raises(InputError) as error:
            door(str(path))
        assert said in str(error.value)
        assert "\n" not in str(error.value)


def test_pickle(trace, tmp_path):
    """What the reader of PyTorch files itself refuses is in test_pytorch_weights.py."""
    for name in ("model.pth", "model.pt", "model.keras", "model.h5"):
        (tmp_path / name).write_bytes(pickle.dumps(Attack(trace)))
    for name in ("model.pth", "model.pt"):
        refuse(tmp_path / name, "is a PyTorch checkpoint; turn it into a .keras file first")
    for name in ("model.keras", "model.h5"):
        refuse(tmp_path / name, "cannot be loaded as a .keras model")


def lambda_model(trace) -> keras.Model:
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Lambda(eval(f"lambda x: (__import__('os').mkdir({str(trace)!r}), x)[1]"))(inputs)
    trace.rmdir()  # it works
    return keras.Model(inputs, outputs)


@pytest.mark.filterwarnings("ignore:.*HDF5.*")
def test_lambda_layer(trace, tmp_path):
    model = lambda_model(trace)
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    refuse(tmp_path / "model.keras", "names 'Lambda' of 'keras.layers', which no model file may build")
    refuse(tmp_path / "model.h5", "cannot be loaded as a .keras model")
    # The name of one of ours does not open the door for what else the configuration names.
    config = json.loads(zipfile.ZipFile(tmp_path / "model.keras").read("config.json"))
    config["registered_name"] = "sr_gan_tf>SRResNet"
    rewrite(tmp_path / "model.keras", tmp_path / "dressed.keras", config)
    refuse(tmp_path / "dressed.keras", "cannot be loaded as a .keras model")


def rewrite(source, target, config: dict) -> None:
    """A copy of a `.keras` file with another configuration."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.namelist():
            new.writestr(item, json.dumps(config) if item == "config.json" else old.read(item))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "sound.keras"
    tiny_generator("SRResNet").save(path)
    return path


@pytest.mark.parametrize(
    "config",
    [
        {"module": "os", "class_name": "mkdir", "config": {"path": "TRACE"}, "registered_name": None},
        {"module": "os", "class_name": "mkdir", "config": {"path": "TRACE"}, "registered_name": "mkdir"},
        {"module": "subprocess", "class_name": "Popen", "config": {"args": ["mkdir", "TRACE"]}},
        {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "file:TRACE"}, "registered_name": ""},
        {"module": "builtins", "class_name": "function", "config": "mkdir", "registered_name": "function"},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "TRACE"}, "registered_name": None},
        {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"},
         "registered_name": None},
        {"module": "sr_gan_tf.fit", "class_name": "fit", "config": {}, "registered_name": "sr_gan_tf>fit"},
        {"module": "sr_gan_tf.losses.pixel", "class_name": "MeanAbsoluteError", "config": {},
         "registered_name": "sr_gan_tf.losses>MeanAbsoluteError"},
        {"class_name": "Functional"}, [], 3, "SRResNet", None,
    ],
)  # fmt: skip
def test_classes_that_a_file_names(config, sound, trace, tmp_path):
    rewrite(sound, tmp_path / "evil.keras", json.loads(json.dumps(config).replace("TRACE", str(trace))))
    refuse(tmp_path / "evil.keras", "evil.keras")


@pytest.mark.parametrize("value", [
    {"module": "keras.layers", "class_name": "Lambda", "config": {}, "registered_name": None},
    {"class_name": "__lambda__", "config": {"value": base64.b64encode(b"x").decode()}},
])  # fmt: skip
def test_objects_among_the_arguments(value, sound, tmp_path):
    """A constructor's argument stays the plain JSON value that it is, whatever it describes: most are refused."""
    config = json.loads(zipfile.ZipFile(sound).read("config.json"))
    refused = 0
    for key in config["config"]:
        evil = {**config, "config": {**config["config"], key: value}}
        rewrite(sound, tmp_path / f"{key}.keras", evil)
        try:
            assert dict(getattr(models.load(tmp_path / f"{key}.keras"), key)) == value
        except InputError as error:
            assert "cannot be loaded as a .keras model" in str(error)
            refused += 1
    assert refused >= len(config["config"]) // 2


@pytest.mark.parametrize("part", ["generator", "discriminator"])
@pytest.mark.parametrize("evil", [
    {"module": "os", "class_name": "mkdir", "config": {"path": "TRACE"}, "registered_name": None},
    {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
    {"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}},
    [{"a": {"class_name": "function", "config": "system", "module": "os"}}],
    {"module": "keras.layers", "class_name": "Activation", "config": {"activation": {
        "class_name": "function", "config": "get", "module": "keras.activations"}}},
])  # fmt: skip
def test_networks_inside_of_a_trainer(part, evil, sound, trace, tmp_path):
    """The configuration of `GAN` builds what it names, so it is looked through like any other."""
    network = json.loads(zipfile.ZipFile(sound).read("config.json"))
    config = {
        "module": "sr_gan_tf.training.gan", "class_name": "GAN", "registered_name": "sr_gan_tf>GAN",
        "config": {"generator": network, "discriminator": network, "ema_decay": 0.9, "name": "gan", "seed": 1}
        | {part: json.loads(json.dumps(evil).replace("TRACE", str(trace)))},
    }  # fmt: skip
    rewrite(sound, tmp_path / "evil.keras", config)
    refuse(tmp_path / "evil.keras", "only with your permission" if "mkdir" in str(evil) else "no model file may")


def test_arguments_of_compile_are_not_read(sound, trace, tmp_path):
    """A model that was compiled with a loss of somebody's own loads without it, and without running it."""
    config = json.loads(zipfile.ZipFile(sound).read("config.json"))
    loss = {"module": "os", "class_name": "mkdir", "config": {"path": str(trace)}, "registered_name": None}
    rewrite(sound, tmp_path / "compiled.keras", config | {"compile_config": {"optimizer": "adam", "loss": loss}})
    assert not models.load(tmp_path / "compiled.keras").compiled
    lr = keras.Input((None, None, 3))
    model = keras.Model(lr, keras.layers.UpSampling2D(2)(lr))

    def own_loss(hr, sr):
        return keras.ops.mean(hr - sr)

    model.compile("adam", own_loss)
    model.save(tmp_path / "own_loss.keras")
    assert models.load(tmp_path / "own_loss.keras").scale == 2


def test_weights_outside_of_the_file(sound, tmp_path):
    """HDF5 can say that a weight's numbers lie in another file, e.g. a secret one."""
    (tmp_path / "secret").write_bytes(bytes(10**6))
    with zipfile.ZipFile(sound) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content, "r+") as file:
        places = []
        file.visititems(lambda name, item: places.append(name) if isinstance(item, h5py.Dataset) else None)
        shape, dtype = file[places[0]].shape, file[places[0]].dtype
        del file[places[0]]
        file.create_dataset(places[0], shape, dtype, external=[(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)])
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(tmp_path / "evil.keras", "w") as new:
        for item in old.namelist():
            new.writestr(item, content.getvalue() if item == "model.weights.h5" else old.read(item))
    refuse(tmp_path / "evil.keras", "cannot be loaded as a .keras model")


def test_a_file_that_unpacks_without_end(sound, tmp_path):
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.namelist():
            new.writestr(item, bytes(10**8) if item == "model.weights.h5" else old.read(item))
    refuse(tmp_path / "bomb.keras", "which no model's weights do; it is not read")


@pytest.mark.parametrize("name", ["..", ".", "../x", "/tmp/x", "a/b", "a\\b", "", "-x", ".x", "a\nb", "a\0b", "..\n"])
@pytest.mark.parametrize("place", ["name", "stage"])
def test_names_in_an_experiment_stay_names(name, place):
    stage = {"name": "a", "steps": 1, "generator_optimizer": {"class_name": "Adam"}}
    raw = {"name": "a", "scale": 2, "data": {"train": [{"class_name": "Folder"}]}, "generator": {"class_name": "SPAN"}}
    raw["stages"] = [stage]
    parse_experiment(raw)
    (raw if place == "name" else stage)["name"] = name
    with pytest.raises(InputError, match="name: String should"):
        parse_experiment(raw)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("models") / "tiny.keras"
    tiny_generator("Compact", scale=2).save(path)
    return str(path)


def test_folders_with_links(model, tmp_path, capsys):
    """Nothing is written outside of the folder of results, whatever links lie in either folder."""
    picture = small_pictures()[0]
    for folder in ("in/sub", "out", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "in" / "one.png").write_bytes(picture)
    (tmp_path / "in" / "sub" / "two.png").write_bytes(picture)
    (tmp_path / "in" / "circle").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "passwd.png").symlink_to("/etc/passwd")
    (tmp_path / "in" / "archive.png").write_bytes(zipped("../../slipped.png", picture))
    (tmp_path / "elsewhere" / "precious.png").write_bytes(b"precious")
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "out" / "one.png").symlink_to(tmp_path / "elsewhere" / "precious.png")
    before = names_in(tmp_path / "elsewhere")
    code = upscale([str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", model, "--overwrite"])
    said = capsys.readouterr().err
    assert code == 1
    assert "Traceback" not in said
    assert "would be outside" in said
    assert "passwd.png" in said
    assert "archive.png" in said
    assert (tmp_path / "elsewhere" / "precious.png").read_bytes() == b"precious"
    assert names_in(tmp_path / "elsewhere") == before
    assert not list(tmp_path.rglob("slipped*"))
    assert (tmp_path / "out" / "one.png").is_file()
    assert not (tmp_path / "out" / "one.png").is_symlink()


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("name", ["../{stem}", "/tmp/{stem}", "..", "{stem.__class__}", "{stem!r}/..", "{0}", "a\0b"])
def test_names_of_results_stay_names(name, model, tmp_path, capsys):
    (tmp_path / "one.png").write_bytes(small_pictures()[0])
    code = upscale([str(tmp_path / "one.png"), "-o", str(tmp_path / "out"), "--model", model, "--name", name])
    assert code
    assert "error: " in capsys.readouterr().err
    assert names_in(tmp_path) == ["one.png"]


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_damaged_pictures(count, tmp_path):
    """Every decoder: a whole picture or one clear line, each in bounded time, all in bounded memory."""
    generator, originals = np.random.default_rng(count), small_pictures()
    suffixes = ("png", "jpg", "webp", "tif", "bmp", "gif", "avif")
    refused, slowest, begin = 0, 0.0, time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        path = tmp_path / f"picture.{suffixes[generator.integers(len(suffixes))]}"
        path.write_bytes(damaged(originals[number % len(originals)], generator))
        start = time.perf_counter()
        try:
            for frame in read_frames(path, max_megapixels=1.0):
                assert frame is not None
        except InputError as error:
            refused += 1
            assert str(path) in str(error)
            assert "\n" not in str(error)
        slowest = max(slowest, time.perf_counter() - start)
    seconds = time.perf_counter() - begin
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    print(f"{count} damaged pictures: {refused} refused, {count - refused} read, slowest {slowest:.2f} s, "
          f"{seconds:.0f} s in all, peak memory grew by {grown:.0f} MB")  # fmt: skip
    assert count / 4 < refused < count * 0.95
    assert slowest < 5
    assert seconds < 30 + 0.05 * count
    assert grown < 1000
