"""Writes a generator as ncnn's files `.param` and `.bin`, for Upscayl and the ncnn tools; needs the extra `export`.

The files are written directly from the Keras graph, which has few kinds of layers: ncnn_layers.py translates them.
Input blob `data`, output blob `output`, RGB in [0, 1], pictures of any size, one at a time. For the comparison, the
Python package ncnn runs them on the CPU in float32.
"""

import dataclasses
import importlib
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from sr_gan_tf.errors import InputError, Unavailable, Unsupported
from sr_gan_tf.export_formats import verification
from sr_gan_tf.export_formats.ncnn_layers import Blob, lines_of
from sr_gan_tf.files import check_output, replacing
from sr_gan_tf.inference.receptive_field import layer_calls

GIVEN, RESULT = "data", "output"
_MAGIC = 7767517
# Relative to the range of values: ncnn transforms 3x3 convolutions (Winograd), which costs one or two digits.
TOLERANCE = 1e-3
_LEAST_PSNR = 40.0


def write_ncnn(
    generator: keras.Model, path: Path, half: bool = False, overwrite: bool = False
) -> verification.Agreement:
    """Writes NAME.param and NAME.bin, runs them with ncnn and compares.

    Args:
        generator: (N, H, W, 3) to (N, scale*H, scale*W, 3).
        path: the `.param` file; the `.bin` file gets the same name.
        half: store kernels as float16.
        overwrite: replace existing files.

    Raises:
        InputError: ncnn isn't installed, a layer has no counterpart, or the output is wrong; nothing was written.
    """
    check_package()
    weights_path = path.with_suffix(".bin")
    check_output(weights_path, (".bin",), overwrite)
    text, weights = ncnn_model(generator, half)
    with replacing(path) as temporary, replacing(weights_path) as temporary_weights:
        temporary.write_text(text, encoding="utf-8")
        temporary_weights.write_bytes(weights)
        sizes = [(1, *size[1:]) for size in verification.SIZES]
        name = "ncnn" + (" float16" if half else "")
        run = runner(temporary, temporary_weights)
        agreement = verification.compare(name, temporary_weights, run, generator, sizes)
        if not half:
            verification.check(agreement, verification.largest_value(generator), TOLERANCE)
        elif not agreement.psnr >= _LEAST_PSNR:
            raise InputError(
                f"{name}: {agreement.psnr:.1f} dB from the model, expected at least {_LEAST_PSNR:g} dB; nothing was "
                "written; remove --half"
            )
        size = agreement.size + os.path.getsize(temporary)
    return dataclasses.replace(agreement, path=path, size=size)


def ncnn_model(generator: keras.Model, half: bool = False) -> tuple[str, bytes]:
    """Returns the text of the `.param` file and the content of the `.bin` file.

    Raises:
        InputError: a layer has no counterpart; the message names it.
    """
    nodes = _nodes(generator)
    blobs = {id(generator.inputs[0]): Blob(GIVEN)}
    uses: dict[int, list] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            uses.setdefault(id(tensor), []).append(node.operation)
    lines, weights = [f"Input {GIVEN} 0 1 {GIVEN}"], bytearray()
    last = generator.outputs[0]

    def produced(tensor, name: str) -> None:
        """Splits a blob that several layers read, because each ncnn blob has a single reader."""
        count = len(uses.get(id(tensor), ()))
        blobs[id(tensor)] = Blob(name, count)
        if count > 1:
            lines.append(f"Split {name}_split 1 {count} {name} " + " ".join(blobs[id(tensor)].names))

    produced(generator.inputs[0], GIVEN)
    for number, node in enumerate(nodes):
        (tensor,) = node.outputs
        name = RESULT if tensor is last else f"{node.operation.name}_{number}"
        given = [blobs[id(item)].next() for item in node.input_tensors]
        readers = uses.get(id(tensor), [])
        for line, content in lines_of(node.operation, given, name, readers, half):
            lines.append(line)
            weights += content
        produced(tensor, name)
    # In each line, the third and fourth words count the blobs that it reads and writes.
    count = sum(int(line.split()[3]) for line in lines)
    return "\n".join([str(_MAGIC), f"{len(lines)} {count}", *lines]) + "\n", bytes(weights)


def _nodes(generator: keras.Model) -> list:
    """Lists the layer calls between input and output, each after those whose results it reads."""
    nodes = []
    for operation, node in layer_calls(generator.outputs[:1], [id(tensor) for tensor in generator.inputs]):
        if len(node.outputs) != 1:
            raise Unsupported(f"layer {operation.name} has {len(node.outputs)} outputs, expected one for ncnn")
        nodes.append(node)
    return nodes


def runner(path: Path, weights: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the files as a function of (N, H, W, 3) float32 pictures in [0, 1], run one by one by ncnn on the CPU."""
    ncnn = check_package()
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    if net.load_param(str(path)) or net.load_model(str(weights)):
        raise InputError("ncnn does not load what was written for it; nothing was written")

    def run(pictures: np.ndarray) -> np.ndarray:
        outputs = []
        for picture in pictures:
            extractor = net.create_extractor()
            values = np.ascontiguousarray(picture.transpose(2, 0, 1))  # a Mat does not keep its array alive
            extractor.input(GIVEN, ncnn.Mat(values).clone())
            failed, output = extractor.extract(RESULT)
            if failed:
                raise InputError("ncnn cannot run what was written for it; nothing was written")
            outputs.append(np.array(output).transpose(1, 2, 0))
        return np.stack(outputs)

    return run


def check_package():
    """Imports the package ncnn, or raises InputError with the command that installs it."""
    try:
        return importlib.import_module("ncnn")
    except ImportError as error:
        raise Unavailable("--format ncnn needs the package ncnn: pip install 'sr_gan_tf[export]'") from error
