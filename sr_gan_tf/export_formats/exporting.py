"""Exports a generator in one or all formats: checks the options, writes the files, runs and compares them."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import keras

from sr_gan_tf.errors import InputError, Unavailable, Unsupported, one_line
from sr_gan_tf.export_formats import (
    FILE_SUFFIXES,
    FORMATS,
    NETWORKS,
    QUANTIZATIONS,
    deploying,
    model_card,
    ncnn_file,
    onnx_file,
    openvino_file,
    pytorch_file,
    tfjs,
    verification,
)
from sr_gan_tf.export_formats.keras_file import write_keras
from sr_gan_tf.export_formats.litert import Lite, write_litert
from sr_gan_tf.export_formats.onnx_file import Graph
from sr_gan_tf.export_formats.saved_model import Serving, write_saved_model
from sr_gan_tf.export_formats.verification import Agreement
from sr_gan_tf.files import check_output
from sr_gan_tf.models import load, load_network
from sr_gan_tf.networks import Network
from sr_gan_tf.training.initial_weights import discriminator_of

# Suffixes of file formats that are not written.
_NO_FORMAT = {
    ".h5": "Keras's old format .h5 cannot hold these networks, .keras can",
    ".hdf5": "Keras's old format .hdf5 cannot hold these networks, .keras can",
    ".pb": "a SavedModel is a folder, not a .pb file",
    ".pt": "PyTorch weights are written as .pth",
    ".bin": "no format has the ending .bin",
    ".json": "no format has the ending .json",
    ".zip": "no format has the ending .zip",
}
_DEFAULTS = (Serving(), Lite(), Graph())
# The formats to which an option applies, unless it applies to all.
_OWNERS = {
    **{field.name: ("saved_model", "all") for field in dataclasses.fields(Serving)},
    **{field.name: ("litert",) for field in dataclasses.fields(Lite)},
    **{field.name: ("onnx", "openvino") for field in dataclasses.fields(Graph)},
    "side": ("litert", "onnx", "openvino"),
    "float16_ends": ("onnx",),
    "license": ("saved_model", "onnx", "openvino", "all"),
    "tfjs_python": ("tfjs", "all"),
    "deploy": ("saved_model",),
    "network": pytorch_file.FORMATS,
    "half": ("onnx", "openvino", "ncnn", *pytorch_file.FORMATS),
}


def export(
    model: str | Path | keras.Model,
    to: str | Path,
    format: str | None = None,
    serving: Serving = _DEFAULTS[0],
    lite: Lite = _DEFAULTS[1],
    license: str | None = None,
    overwrite: bool = False,
    tfjs_python: str | Path | None = None,
    half: bool = False,
    graph: Graph = _DEFAULTS[2],
    deploy: bool = False,
    network: str = "generator",
) -> list[Agreement | verification.Refusal]:
    """Exports a generator in its form for inference, runs the result, and compares it with the Keras model.

    Args:
        model: a shipped name, run folder, `.keras` file, or a loaded generator; for `safetensors` and `pth` also a
            discriminator.
        to: the model's folder for `saved_model` (a numbered version is added), a folder for `tfjs` and `all`, a file
            for the other formats.
        format: one of FORMATS, or `"all"` for a table of all; default: by the ending of `to`, else
            `saved_model`.
        serving: how a SavedModel processes pictures.
        lite: options of a LiteRT file.
        license: of the weights, for the card.
        overwrite: whether an existing file may be replaced; a SavedModel's versions never are.
        tfjs_python: Python of an environment that has the TF.js converter; without it, the row of `"all"` says so.
        half: whether weights are stored as float16; an ONNX file then computes in float16, too.
        graph: what an ONNX or OpenVINO file takes and gives.
        deploy: whether `deploy/` next to a SavedModel's versions is written: container, manifests, monitoring, client.
        network: `"generator"`, or `"discriminator"` for that of a run's newest checkpoint (`safetensors`, `pth`).

    Returns:
        What was written, and how it compares with the Keras model.

    Raises:
        InputError: nothing was written; the message says why.

    Example:
        >>> export("span_x4", "span_x4.safetensors")  # doctest: +SKIP
    """
    source = model.name if isinstance(model, keras.Model) else model
    to, format = Path(to), chosen_format(format, to)
    if format in FILE_SUFFIXES:
        check_output(to, (FILE_SUFFIXES[format],), overwrite, "--to")
    if network not in NETWORKS:
        raise InputError(f"--network {network}: expected one of {', '.join(NETWORKS)}")
    _check_options(
        format,
        (serving, lite, graph),
        {
            "license": license,
            "tfjs_python": tfjs_python,
            "half": half or None,
            "deploy": deploy or None,
            "network": None if network == NETWORKS[0] else network,
        },
    )
    if format in pytorch_file.FORMATS:
        return [pytorch_file.write_pytorch(_any_network(model, network), to, half)]
    generator = model_card.exportable(model if isinstance(model, keras.Model) else load(model), source)
    if format == "keras":
        return [write_keras(generator, to)]
    if format == "litert":
        return [write_litert(generator, to, lite)]
    if format == "ncnn":
        return [ncnn_file.write_ncnn(generator, to, half, overwrite)]
    if format == "tfjs":
        return [tfjs.write_tfjs(generator, to, tfjs_python, overwrite)]
    card = model_card.model_card(source, generator, license)
    if format == "onnx":
        return [onnx_file.write_onnx(generator, to, graph, half, model_card.metadata(card, generator))]
    if format == "openvino":
        about = model_card.metadata(card, generator)
        return [openvino_file.write_openvino(generator, to, graph, half, about, overwrite)]
    if format == "saved_model":
        if deploy:
            deploying.check_free(to)
        # A shipped network's card contains the measurement for its default tiles.
        known = "measured" in card and (serving.tile, serving.halo) == (None, None)
        agreement = write_saved_model(generator, to, card, serving, deploying.measure if deploy and not known else None)
        if deploy:
            deploying.write_deployment(agreement.path, model_card.of_version(agreement.path))
        return [agreement]
    return _all(model, generator, to, card, serving, overwrite, tfjs_python)


def chosen_format(format: str | None, to: str | Path) -> str:
    """Returns the given format, or that of the file's suffix, or `saved_model`.

    Raises:
        InputError: there is no such format.
    """
    known = (*FORMATS, "all")
    suffix = Path(to).suffix.lower()
    if format is None and suffix in _NO_FORMAT:
        raise InputError(
            f"--to {to}: {_NO_FORMAT[suffix]}; use one of {', '.join(FILE_SUFFIXES.values())}, or a folder"
        )
    format = format or next((name for name, suffix in FILE_SUFFIXES.items() if Path(to).suffix == suffix), FORMATS[0])
    if format not in known:
        raise InputError(f"--format {format}: expected one of {', '.join(known)}")
    return format


def _any_network(model: str | Path | keras.Model, role: str = "generator") -> Network:
    """Loads a generator in its stored form, or a discriminator, from a file or a run folder."""
    if role == "discriminator":
        if isinstance(model, keras.Model) or not Path(model).is_dir():
            raise InputError(f"--network discriminator: expected a run folder, found {model}; remove --network")
        return discriminator_of(model)
    network = model
    if not isinstance(model, keras.Model):
        network = load_network(model) if Path(model).is_file() else load(model)
    if not isinstance(network, Network):
        raise model_card.exported_already(model)
    return network


def _all(
    model: str | Path | keras.Model,
    generator: keras.Model,
    to: Path,
    card: dict,
    serving: Serving,
    overwrite: bool,
    tfjs_python: str | Path | None,
) -> list[Agreement | verification.Refusal]:
    """Writes one file of each kind; LiteRT files take tiles of 128 pixels, their fastest form.

    A format that cannot represent the network, or whose packages are missing, gets a row that says why; any other error
    ends the export.
    """
    name = to.resolve().name
    lites = {f"{name}_{kind}.tflite": Lite(kind, side=128) for kind in QUANTIZATIONS}
    # OpenVINO and ncnn both write a .bin file.
    files = [f"{name}.{kind}" for kind in ("keras", "onnx", "xml", "bin", "safetensors")]
    for file in (*files, f"{name}_ncnn.param", f"{name}_ncnn.bin", *lites):
        check_output(to / file, (Path(file).suffix,), overwrite)
    script = to / f"{name}_tfjs"
    if tfjs_python is not None:
        tfjs.check_folder(script, overwrite)
        tfjs.check_converter(tfjs_python)
    about = model_card.metadata(card, generator)
    writers: dict[str, Callable[[], Agreement]] = {
        "keras": lambda: write_keras(generator, to / f"{name}.keras"),
        "saved_model": lambda: write_saved_model(generator, to / "serving" / name, card, serving),
        **{
            f"litert {lite.quantization}": functools.partial(write_litert, generator, to / file, lite)
            for file, lite in lites.items()
        },
        "onnx": lambda: onnx_file.write_onnx(generator, to / f"{name}.onnx", about=about),
        "openvino": lambda: openvino_file.write_openvino(
            generator, to / f"{name}.xml", about=about, overwrite=overwrite
        ),
        "ncnn": lambda: ncnn_file.write_ncnn(generator, to / f"{name}_ncnn.param", overwrite=overwrite),
        "safetensors": lambda: pytorch_file.write_pytorch(_any_network(model), to / f"{name}.safetensors"),
        "tfjs": lambda: tfjs.write_tfjs(generator, script, tfjs_python, overwrite),
    }
    rows: list[Agreement | verification.Refusal] = []
    for format, write in writers.items():
        try:
            rows.append(write())
        except (Unavailable, Unsupported) as error:
            rows.append(verification.Refusal(format, one_line(error)))
    return rows


def _check_options(format: str, options: tuple, others: dict[str, object]) -> None:
    """Refuses an option that has no effect on this format."""
    given = [name for name, value in others.items() if value is not None]
    for one in options:
        given += [field.name for field in dataclasses.fields(one) if getattr(one, field.name) != field.default]
    for name in given:
        if format not in _OWNERS[name]:
            option, owners = name.replace("_", "-"), " or ".join(owner for owner in _OWNERS[name] if owner != "all")
            raise InputError(f"--{option} has no effect on --format {format}, only on {owners}; remove it")
