"""Writes a generator as a LiteRT (TensorFlow Lite) file: float32, 8-bit weights, or everything in 8 bits.

A phone has no memory for a whole picture's feature maps, so the file takes one picture at a time, either of a fixed
size (a tile, which is fastest and suits accelerators) or of any size that the application sets before running it.
"""

import contextlib
import dataclasses
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError, Unsupported, one_line
from sr_gan_tf.export_formats import QUANTIZATIONS, Quantization, verification
from sr_gan_tf.export_formats.network import network_function
from sr_gan_tf.files import replacing
from sr_gan_tf.pictures.reading import read_rgb

_CALIBRATION_SIDE = 64
# In dB, for 8-bit files: lower values indicate a broken conversion, not rounding.
_LEAST_PSNR = {"dynamic": 30.0, "int8": 20.0}


@dataclasses.dataclass(frozen=True)
class Lite:
    """Options of a LiteRT file.

    Args:
        quantization: `"float32"`; `"dynamic"`, 8-bit weights; `"int8"`, 8-bit weights and feature maps, which requires
            pictures for calibration.
        side: height and width of the input picture; None for any size.
        calibration: folder of pictures; default: photographs from scikit-image.
    """

    quantization: Quantization = "float32"
    side: int | None = None
    calibration: str | Path | None = None

    def __post_init__(self):
        if self.quantization not in QUANTIZATIONS:
            raise InputError(f"--quantization {self.quantization}: expected one of {', '.join(QUANTIZATIONS)}")
        verification.check_side(self.side)
        if self.calibration is not None and self.quantization != "int8":
            raise InputError("--calibration has no effect without --quantization int8; add it or remove --calibration")
        if self.calibration is not None:
            calibration_files(self.calibration)


def write_litert(generator: keras.Model, path: Path, lite: Lite) -> verification.Agreement:
    """Writes a `.tflite` file, runs it, and compares it with the Keras model.

    Raises:
        Unsupported: the network cannot be converted this way, or 8 bits are too few for it.
        InputError: the file's output is wrong.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(_converted(generator, lite))
        sizes = [(1, lite.side, lite.side)] if lite.side else [(1, *size[1:]) for size in verification.SIZES]
        name = f"litert {lite.quantization}" + (f" {lite.side}x{lite.side}" if lite.side else "")
        agreement = verification.compare(name, temporary, runner(temporary), generator, sizes)
        if lite.quantization == "float32":
            verification.check(agreement, verification.largest_value(generator))
        elif not agreement.psnr >= _LEAST_PSNR[lite.quantization]:
            raise Unsupported(
                f"{name}: its pictures are {agreement.psnr:.1f} dB from the model's, less than "
                f"{_LEAST_PSNR[lite.quantization]:g} dB; nothing was written; try --quantization dynamic or float32"
            )
    return dataclasses.replace(agreement, path=path)


def _converted(generator: keras.Model, lite: Lite) -> bytes:
    function = network_function(generator, (1, lite.side, lite.side))
    module = tf.Module()
    module.weights = [variable.value for variable in generator.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
    if lite.quantization != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if lite.quantization == "int8":
        side = lite.side or _CALIBRATION_SIDE
        converter.representative_dataset = lambda: ([picture] for picture in _calibration(lite.calibration, side))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    try:
        with _quiet():
            return converter.convert()
    except InputError:  # a calibration picture can't be read
        raise
    except Exception as error:  # the converter can raise anything
        remedy = "" if lite.side else "; a fixed size may do: --side 128"
        raise Unsupported(
            f"{generator.name} cannot be converted to LiteRT ({one_line(error)[:160]}){remedy}"
        ) from error


def _calibration(folder: str | Path | None, side: int) -> Iterator[np.ndarray]:
    """Crops of pictures, (1, side, side, 3), float32 in [0, 1]."""
    if folder is None:
        for picture in verification.photographs(4, 2 * side, 2 * side):
            for top, left in ((0, 0), (0, side), (side, 0), (side, side)):
                yield picture[None, top : top + side, left : left + side]
        return
    for path in calibration_files(folder)[:200]:
        picture = read_rgb(path)
        top, left = (max(0, (length - side) // 2) for length in picture.shape[:2])
        piece = picture[top : top + side, left : left + side]
        missing = [(0, side - length) for length in piece.shape[:2]]
        yield np.pad(piece, [*missing, (0, 0)], mode="symmetric")[None].astype(np.float32) / 255


def calibration_files(folder: str | Path) -> list[Path]:
    """Finds the calibration pictures in a folder and its subfolders.

    Raises:
        InputError: there is no such folder, or it contains no picture.
    """
    if not Path(folder).is_dir():
        raise InputError(f"--calibration {folder}: no such folder; give one of low-resolution pictures")
    kinds = (".png", ".jpg", ".jpeg", ".webp")
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in kinds)
    if not found:
        raise InputError(
            f"--calibration {folder}: no PNG, JPEG or WebP there; give a folder of low-resolution pictures"
        )
    return found


def runner(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the file as a function of (N, H, W, 3) float32 pictures in [0, 1]; converts 8-bit inputs and outputs."""
    with warnings.catch_warnings():
        # TensorFlow warns that the interpreter will move to another package, but it is still available here.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_path=str(path))
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    ready = False

    def run(pictures: np.ndarray) -> np.ndarray:
        nonlocal ready
        if tuple(interpreter.get_input_details()[0]["shape"][1:3]) != pictures.shape[1:3] or not ready:
            interpreter.resize_tensor_input(given["index"], (1, *pictures.shape[1:]))
            interpreter.allocate_tensors()
            ready = True
        outputs = []
        for picture in pictures:
            values = picture[None]
            if given["dtype"] == np.uint8:
                scale, zero = given["quantization"]
                values = np.clip(np.rint(values / scale + zero), 0, 255).astype(np.uint8)
            interpreter.set_tensor(given["index"], values)
            interpreter.invoke()
            output = interpreter.get_tensor(result["index"])
            if result["dtype"] == np.uint8:
                scale, zero = result["quantization"]
                output = (output.astype(np.float32) - zero) * np.float32(scale)
            outputs.append(output)
        return np.concatenate(outputs)

    return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the converter, which writes directly to the process's standard error; its errors are exceptions."""
    with tempfile.TemporaryFile() as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
