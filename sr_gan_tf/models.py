"""Loads trained generators: `load(name | run folder | .keras file | SavedModel folder)`."""

import json
import os
import zipfile
from pathlib import Path

import keras

import sr_gan_tf.discriminators  # noqa: F401  registers them, as the import of generators does
from sr_gan_tf.errors import InputError, one_line, suggest
from sr_gan_tf.generators.wrapped import as_generator
from sr_gan_tf.networks import Generator, Network
from sr_gan_tf.registry.keras_files import check_configuration
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.shipped import shipped_models

# Limit on the ratio of unpacked to packed size: Keras stores weights uncompressed, and they hardly compress.
_MOST_UNPACKED = 20


def load(model: str | Path, allow_saved_model: bool = True) -> keras.Model:
    """Loads a trained generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), float32 in [0, 1].

    Args:
        model: a shipped name (`shipped_models()`), a run folder (its `last.keras` after an adversarial stage, otherwise
            its `best.keras`), a `.keras` file (also one saved by a trainer), or a SavedModel folder written by
            `sr_gan_tf.export`.
        allow_saved_model: False if a file names the model: a SavedModel's graph may read and write files.

    Raises:
        InputError: there is no such model, or it cannot be loaded without running foreign code.

    Example:
        >>> import numpy as np
        >>> import sr_gan_tf
        >>> model = sr_gan_tf.load("span_x2")
        >>> model.predict(np.zeros((1, 16, 24, 3), np.float32), verbose=0).shape
        (1, 32, 48, 3)
    """
    shipped = shipped_models()
    if not str(model):
        raise InputError(f"'': an empty name of a model; give a file, a folder or one of {', '.join(shipped)}")
    if str(model) in shipped:
        return _load_keras(shipped[str(model)])
    path = Path(model)
    if not os.path.exists(path):
        names = f"; shipped models: {', '.join(shipped)}" if shipped else ""
        meant = suggest(str(model), shipped)
        names += meant if meant.startswith("; did you mean") else ""
        raise InputError(f"no model {str(model)!r}; give a run folder, a .keras file or a SavedModel folder{names}")
    if path.suffix in (".pth", ".pt", ".safetensors") and path.is_file():
        raise InputError(
            f"{path} is a PyTorch checkpoint; turn it into a .keras file first: python -m sr_gan_tf.convert"
        )
    if path.is_file():
        return _load_keras(path)
    run = RunFolder(path)
    if run.model.is_file():
        return _load_keras(run.model)
    if run.experiment_file.is_file():
        raise InputError(f"{path} holds no best.keras or last.keras yet; resume the training: python -m sr_gan_tf.fit")
    if not allow_saved_model:
        raise InputError(
            f"{path} holds no best.keras or last.keras; give a shipped name, a run folder or a .keras file"
        )
    if (path / "saved_model.pb").is_file():
        return _load_saved_model(path)
    versions = [item for item in path.iterdir() if item.name.isdigit() and (item / "saved_model.pb").is_file()]
    if versions:
        return _load_saved_model(max(versions, key=lambda item: int(item.name)))
    raise InputError(f"{path} is neither a run folder (best.keras or last.keras) nor a SavedModel (saved_model.pb)")


def load_network(path: str | Path) -> keras.Model:
    """Loads a generator, a discriminator or another Keras model from a `.keras` file, without running code from it.

    Keras's reader would call whatever a file's configuration names, and its safe mode refuses only what it knows to be
    dangerous. Therefore the configuration is checked first (registry/keras_files.py).

    Raises:
        InputError: it is no such file, is damaged, or needs code that the user has not allowed.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
            if unpacked > _MOST_UNPACKED * path.stat().st_size:
                raise InputError(f"{path} unpacks to {unpacked:,} bytes, which no model's weights do; it is not read")
            holds = json.loads(archive.read("config.json"))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be loaded as a .keras model: {one_line(error)[:300]}") from error
    check_configuration(holds, path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras's readers can raise anything
        raise InputError(f"{path} cannot be loaded as a .keras model: {one_line(error)[:300]}") from error


def _load_keras(path: Path) -> Generator:
    model = load_network(path)
    # A trainer's file (`GAN.save`, `ModelCheckpoint`) contains the generator that its `predict` uses.
    model = getattr(model, "average", model)
    if isinstance(model, Generator):
        return model
    if isinstance(model, Network):
        raise InputError(f"{path} holds a {model.title}, expected a generator")
    try:
        return as_generator(model)
    except ValueError as error:
        raise InputError(f"{path} holds no generator: {one_line(error)}") from error


def _load_saved_model(path: Path) -> keras.Model:
    """Wraps the exported float endpoint as a Keras model; the card next to it describes it."""
    try:
        card = json.loads((path / "model_card.json").read_text(encoding="utf-8"))
        scale, tiling = card["scale"], card["tiling"]
        layer = keras.layers.TFSMLayer(path, call_endpoint="float")
    except Exception as error:  # TensorFlow's readers can raise anything
        raise InputError(f"{path} was not written by sr_gan_tf.export: {one_line(error)[:300]}") from error
    if tiling["equals_the_whole_picture"] and tiling["alignment"] == 1:
        # The footprint of the original network, whose layers no longer exist here.
        layer.footprint = (-tiling["halo"], tiling["halo"] - 1 + 1 / scale, 1 / scale)
    inputs = keras.Input((None, None, 3), name="lr")
    model = keras.Model(inputs, layer(inputs)["outputs"], name=card["name"])
    model.scale = scale
    model.continues_edges = bool(tiling.get("border"))
    return model
