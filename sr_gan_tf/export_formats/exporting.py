"""A generator in one or all of the formats: options checked, written, run and compared."""

import dataclasses
from pathlib import Path

import keras

from sr_gan_tf.errors import InputError
from sr_gan_tf.export_formats import model_card, onnx_file
from sr_gan_tf.export_formats.keras_file import write_keras
from sr_gan_tf.export_formats.litert import QUANTIZATIONS, Lite, write_litert
from sr_gan_tf.export_formats.saved_model import Serving, write_saved_model
from sr_gan_tf.export_formats.tfjs import write_tfjs
from sr_gan_tf.export_formats.verification import Agreement
from sr_gan_tf.files import check_output
from sr_gan_tf.models import load

FORMATS = ("saved_model", "keras", "litert", "onnx", "tfjs")
# Files; the others are folders.
_SUFFIXES = {"keras": ".keras", "litert": ".tflite", "onnx": ".onnx"}
_DEFAULTS = (Serving(), Lite())
# Which formats an option is for, where it isn't for all.
_OWNERS = {
    **{field.name: ("saved_model", "all") for field in dataclasses.fields(Serving)},
    **{field.name: ("litert",) for field in dataclasses.fields(Lite)},
    "licence": ("saved_model", "all"),
    "tfjs_python": ("tfjs",),
}


def export(
    model: str | Path | keras.Model,
    to: str | Path,
    format: str | None = None,
    serving: Serving = _DEFAULTS[0],
    lite: Lite = _DEFAULTS[1],
    licence: str | None = None,
    overwrite: bool = False,
    tfjs_python: str | Path | None = None,
) -> list[Agreement]:
    """Writes a generator in its form for inference, runs what was written, and compares it with the Keras model.

    Args:
        model: a shipped name, run folder, `.keras` file, or a loaded generator.
        to: the model's folder for `saved_model` (a numbered version is added), a file for `keras`, `litert` and
            `onnx`, a folder for `tfjs` and `all`.
        format: one of FORMATS, or `"all"` but TF.js, for a table of them; default: that of the file's name, else
            `saved_model`.
        serving: how a SavedModel treats its pictures.
        lite: what a LiteRT file holds.
        licence: of the weights, for the card.
        overwrite: whether a file that is there may be replaced; a SavedModel's versions never are.
        tfjs_python: Python of an environment that has the TF.js converter.

    Raises:
        InputError: nothing was written; the message says why.
    """
    source = model.name if isinstance(model, keras.Model) else model
    to = Path(to)
    format = format or next((name for name, suffix in _SUFFIXES.items() if to.suffix == suffix), FORMATS[0])
    if format not in (*FORMATS, "all"):
        raise InputError(f"--format {format}: expected one of {', '.join((*FORMATS, 'all'))}")
    if format in _SUFFIXES:
        check_output(to, (_SUFFIXES[format],), overwrite, "--to")
    _check_options(format, serving, lite, {"licence": licence, "tfjs_python": tfjs_python})
    generator = model_card.exportable(model if isinstance(model, keras.Model) else load(model), source)
    if format == "keras":
        return [write_keras(generator, to)]
    if format == "litert":
        return [write_litert(generator, to, lite)]
    if format == "onnx":
        return [onnx_file.write_onnx(generator, to)]
    if format == "tfjs":
        return [write_tfjs(generator, to, tfjs_python)]
    card = model_card.model_card(source, generator, licence)
    if format == "saved_model":
        return [write_saved_model(generator, to, card, serving)]
    return _all(generator, to, card, serving, overwrite)


def _all(generator: keras.Model, to: Path, card: dict, serving: Serving, overwrite: bool) -> list[Agreement]:
    """One file of each kind; the LiteRT ones for tiles of 128 pixels, their quickest form."""
    name = to.resolve().name
    lites = {f"{name}_{kind}.tflite": Lite(kind, side=128) for kind in QUANTIZATIONS}
    onnx_file.check_packages()  # before anything is written
    for file in (f"{name}.keras", f"{name}.onnx", *lites):
        check_output(to / file, (Path(file).suffix,), overwrite)
    return [
        write_keras(generator, to / f"{name}.keras"),
        write_saved_model(generator, to / "serving" / name, card, serving),
        *(write_litert(generator, to / file, lite) for file, lite in lites.items()),
        onnx_file.write_onnx(generator, to / f"{name}.onnx"),
    ]


def _check_options(format: str, serving: Serving, lite: Lite, others: dict[str, object]) -> None:
    """Refuses what another format alone would heed."""
    given = [name for name, value in others.items() if value is not None]
    for one in (serving, lite):
        given += [field.name for field in dataclasses.fields(one) if getattr(one, field.name) != field.default]
    for name in given:
        if format not in _OWNERS[name]:
            option, owner = name.replace("_", "-"), _OWNERS[name][0]
            raise InputError(f"--{option} is of --format {owner}, not of {format}; leave it out, or say that format")
