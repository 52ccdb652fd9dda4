"""A generator as an ONNX file for pictures of any size and number, checked by onnxruntime; needs the extra `export`."""

import contextlib
import dataclasses
import importlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.export_formats import verification
from sr_gan_tf.export_formats.network import INPUT, OUTPUT, network_function
from sr_gan_tf.files import replacing

OPSET = 17


def write_onnx(generator: keras.Model, path: Path) -> verification.Agreement:
    """Writes an `.onnx` file: `images` (N, H, W, 3) float32 in [0, 1] to `outputs`, opset 17; runs it and compares.

    Raises:
        InputError: a package is missing, the network cannot be converted, or the file's pictures are wrong.
    """
    check_packages()
    tf2onnx = _needed("tf2onnx")
    function = network_function(generator, (None, None, None))
    with _quiet(), replacing(path) as temporary:
        try:
            tf2onnx.convert.from_function(
                function, input_signature=function.input_signature, opset=OPSET, output_path=str(temporary)
            )
        except Exception as error:  # the converter raises whatever its passes raise
            raise InputError(f"{generator.name} cannot be converted to ONNX: {one_line(error)[:200]}") from error
        agreement = verification.compare(f"onnx opset {OPSET}", temporary, runner(temporary), generator)
        verification.check(agreement, verification.largest_value(generator))
    return dataclasses.replace(agreement, path=path)


def runner(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The file as a function of pictures, by onnxruntime."""
    session = _needed("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda pictures: session.run([OUTPUT], {INPUT: pictures})[0]


def check_packages() -> None:
    """Raises InputError unless the converter and the runtime are there."""
    for package in ("tf2onnx", "onnxruntime"):
        _needed(package)


def _needed(package: str):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(package)
    except ImportError as error:
        raise InputError(f"--format onnx needs {package}: pip install 'sr_gan_tf[export]'") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The converter logs a traceback for each optimization that it leaves out."""
    logger = logging.getLogger("tf2onnx")
    names = [
        logger,
        *(logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("tf2onnx")),
    ]
    before = [one.level for one in names]
    try:
        for one in names:
            one.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(names, before, strict=True):
            one.setLevel(level)
