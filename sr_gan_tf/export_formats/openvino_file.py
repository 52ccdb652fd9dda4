"""Writes a generator as OpenVINO's two files, `.xml` and `.bin`, from its ONNX graph; needs the extra `export`."""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

from sr_gan_tf.errors import InputError, Unsupported, one_line
from sr_gan_tf.export_formats import verification
from sr_gan_tf.export_formats.onnx_file import (
    Graph,
    as_pictures,
    check_packages,
    check_precision,
    described,
    needed,
    onnx_model,
    sizes_of,
)
from sr_gan_tf.files import check_output, replacing


def write_openvino(
    generator: keras.Model,
    path: Path,
    graph: Graph | None = None,
    half: bool = False,
    about: Mapping | None = None,
    overwrite: bool = False,
) -> verification.Agreement:
    """Writes NAME.xml and NAME.bin, runs them with OpenVINO on the CPU in float32, and compares.

    Args:
        generator: (N, H, W, 3) to (N, scale*H, scale*W, 3).
        path: the `.xml` file; the `.bin` file gets the same name.
        graph: its inputs and outputs; see `onnx_file.Graph`.
        half: store weights as float16.
        about: metadata to store.
        overwrite: replace existing files.

    Raises:
        InputError: a package is missing, the network cannot be converted, or the output is wrong.
    """
    graph = Graph() if graph is None else graph
    check_packages("openvino")
    if graph.float16_ends:
        raise InputError("--float16-ends has no effect on --format openvino; remove it")
    openvino = needed("openvino")
    weights_path = path.with_suffix(".bin")
    check_output(weights_path, (".bin",), overwrite)
    with tempfile.TemporaryDirectory() as scratch, replacing(path) as temporary:
        source, written = Path(scratch) / "model.onnx", Path(scratch) / "model.xml"
        needed("onnx").save(onnx_model(generator, graph), str(source))
        try:
            # Not by openvino.convert_model, which sends statistics to its makers.
            model = openvino.Core().read_model(str(source))
            for key, value in (about or {}).items():
                model.set_rt_info(str(value), ["sr_gan_tf", key])
            openvino.save_model(model, str(written), compress_to_fp16=half)
        except Exception as error:  # the converter can raise anything
            raise Unsupported(f"{generator.name} cannot be converted to OpenVINO: {one_line(error)[:200]}") from error
        name = f"openvino {graph.layout}" + described(graph, half)
        clipped = graph.signature == "uint8"
        agreement = verification.compare(
            name, written, runner(written, graph), generator, sizes_of(graph), clipped=clipped
        )
        check_precision(agreement, generator, graph, half)
        with replacing(weights_path) as temporary_weights:
            temporary.write_bytes(written.read_bytes())
            temporary_weights.write_bytes(written.with_suffix(".bin").read_bytes())
        size = agreement.size + os.path.getsize(written.with_suffix(".bin"))
    return dataclasses.replace(agreement, path=path, size=size)


def runner(path: Path, graph: Graph | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the files as a function of (N, H, W, 3) float32 pictures in [0, 1]."""
    graph = Graph() if graph is None else graph
    core = needed("openvino").Core()
    compiled = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return as_pictures(lambda values: compiled(values)[0], graph)
