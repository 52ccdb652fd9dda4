"""Compares upscaling in TensorFlow, PyTorch, onnxruntime and OpenVINO, in float32, bfloat16 and int8.

    python tools/upscaling_runtimes.py --calibration PHOTOGRAPHS --data Set14/x4

Run it in an environment with the extra `export`; `--torch` is the Python of one with torch. Each runtime has its own
process with one network, from tensor to tensor; the processes take turns, round by round. Int8 files have convolutions
quantized by channel after calibration on crops of the photographs. `--data` contains LR/ and HR/ with the same names,
for PSNR-Y.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np

import sr_gan_tf
from sr_gan_tf.benchmarks.quality import mean_psnr
from sr_gan_tf.benchmarks.timing import in_turns
from sr_gan_tf.errors import InputError, Parser, command

KINDS = (
    "tensorflow float32", "tensorflow bfloat16", "torch float32", "torch bfloat16", "onnxruntime float32",
    "onnxruntime int8", "openvino float32", "openvino bfloat16", "openvino int8",
)  # fmt: skip
_CALIBRATION_SIDE = 128


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network in one runtime.

    Args:
        run: (1, H, W, 3) float32 pictures to (1, scale*H, scale*W, 3).
        call: runs the timed picture once, from tensor to tensor.
    """

    run: Callable[[np.ndarray], np.ndarray]
    call: Callable[[], object]


def tensorflow_subject(model: str, precision: str, picture: np.ndarray) -> Subject:
    """Our network as `upscale` runs it, without tiles and files."""
    import tensorflow as tf

    from sr_gan_tf.inference.named_networks import in_precision, named_network

    network = in_precision(named_network(model)[1], precision)
    function = tf.function(lambda x: network(x, training=False), input_signature=[tf.TensorSpec((1, None, None, 3))])
    image = tf.constant(picture)
    return Subject(lambda values: function(tf.constant(values)).numpy(), lambda: function(image).numpy())


def onnxruntime_subject(path: Path, picture: np.ndarray) -> Subject:
    """The ONNX file in onnxruntime; its threads sleep between the turns."""
    import onnxruntime

    from sr_gan_tf.export_formats.onnx_file import Graph, as_pictures

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    values = np.ascontiguousarray(picture.transpose(0, 3, 1, 2))

    def run(values):
        return session.run(["output"], {"input": values})[0]

    return Subject(as_pictures(run, Graph()), lambda: run(values))


def openvino_subject(path: Path, precision: str, picture: np.ndarray) -> Subject:
    """The ONNX file in OpenVINO, for the time compiled for the picture's size."""
    import openvino

    from sr_gan_tf.export_formats.onnx_file import Graph, as_pictures

    core = openvino.Core()
    hint = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32", "PERFORMANCE_HINT": "LATENCY"}
    model = core.read_model(str(path))
    any_size = core.compile_model(model, "CPU", hint)
    values = np.ascontiguousarray(picture.transpose(0, 3, 1, 2))
    model.reshape(values.shape)
    one_size = core.compile_model(model, "CPU", hint).create_infer_request()
    return Subject(as_pictures(lambda values: any_size(values)[0], Graph()), lambda: one_size.infer([values]))


def crops(folder: Path, count: int = 64) -> Iterator[np.ndarray]:
    """Crops of photographs for calibration, (1, 3, side, side), spread evenly over the folder's files."""
    from sr_gan_tf.export_formats.litert import calibration_files
    from sr_gan_tf.pictures.reading import read_rgb

    files = calibration_files(folder)
    for path in files[:: -(-len(files) // count)]:
        picture = read_rgb(path)
        top, left = (max(0, (length - _CALIBRATION_SIDE) // 2) for length in picture.shape[:2])
        piece = picture[top : top + _CALIBRATION_SIDE, left : left + _CALIBRATION_SIDE]
        if piece.shape[:2] == (_CALIBRATION_SIDE, _CALIBRATION_SIDE):
            yield np.ascontiguousarray(piece.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def write_files(model: str, calibration: Path | None, folder: Path) -> dict[str, Path]:
    """Writes the ONNX file and, with photographs, its int8 form."""
    from sr_gan_tf.export_formats.onnx_file import Graph, needed, onnx_model

    paths = {"float32": folder / "float32.onnx"}
    needed("onnx").save(onnx_model(sr_gan_tf.load(model).for_inference(), Graph()), str(paths["float32"]))
    if calibration is not None:
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

        class Reader(CalibrationDataReader):
            """Passes on the crops."""

            def __init__(self, folder: Path):
                self.crops = crops(folder)

            def get_next(self):
                piece = next(self.crops, None)
                return None if piece is None else {"input": piece}

        paths["int8"] = folder / "int8.onnx"
        quantize_static(
            str(paths["float32"]), str(paths["int8"]), Reader(calibration), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"], per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
    return paths


def serve(kind: str, model: str, path: Path, size: str, data: str) -> None:
    """A process with one subject: `ready` and its PSNR-Y, then the times of one call for every line."""
    runtime, precision = kind.split()
    width, height = map(int, size.split("x"))
    picture = np.random.default_rng(0).random((1, height, width, 3), np.float32)
    if runtime == "tensorflow":
        subject = tensorflow_subject(model, precision, picture)
    elif runtime == "onnxruntime":
        subject = onnxruntime_subject(path, picture)
    else:
        subject = openvino_subject(path, precision, picture)
    for _ in range(2):
        subject.call()
    judged = data and (runtime == "tensorflow" or precision == "int8")  # the others equal TensorFlow
    print(mean_psnr(subject.run, Path(data)) if judged else "none", flush=True)
    for _ in sys.stdin:
        begin, used = time.perf_counter(), time.process_time()
        subject.call()
        print(time.perf_counter() - begin, time.process_time() - used, flush=True)


class Runtime:
    """A process that serves one kind."""

    def __init__(self, kind: str, *words: str, torch: str):
        from sr_gan_tf.benchmarks.peak_memory import REUSE_OF_BUFFERS

        self.kind = kind
        program = [sys.executable, __file__, "--serve", kind, *words]
        if kind.startswith("torch"):  # SPAN with random weights, which do not affect the time
            script = Path(sr_gan_tf.__file__).parent / "benchmarks" / "pytorch" / "torch_span.py"
            program = [torch, str(script), *words[2].split("x"), "compiled", kind.split()[1]]
        self.process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **REUSE_OF_BUFFERS},
        )  # fmt: skip
        begin = self.answer()
        self.psnr = None if begin == ["ready"] or begin == ["none"] else float(begin[0])

    def answer(self) -> list[str]:
        """The words of the next line of the process."""
        line = cast(IO[str], self.process.stdout).readline()
        if not line:
            raise InputError(f"{self.kind}: its process ended; see its message above")
        return line.split()

    def measure(self) -> list[float]:
        """Seconds and processor seconds of one call, after one that does not count."""
        given = cast(IO[str], self.process.stdin)
        for _ in range(2):
            given.write("\n")
            given.flush()
            values = self.answer()
        return [float(value) for value in values]


def table(runtimes: list[Runtime], rounds: int) -> Iterator[str]:
    """Medians, and times relative to our network in the same precision (int8: in bfloat16)."""
    medians = in_turns({each.kind: each.measure for each in runtimes}, rounds)
    yield "| runtime | ms | processor ms | ours / this, by clock and processor | PSNR-Y |\n|---|---:|---:|---|---:|"
    for each in runtimes:
        clock, processor = medians[each.kind]
        ours = medians.get("tensorflow " + each.kind.split()[1].replace("int8", "bfloat16"))
        shares = "" if ours is None else f"{ours[0] / clock:.2f}, {ours[1] / processor:.2f}"
        psnr = "" if each.psnr is None else f"{each.psnr:.3f}"
        yield f"| {each.kind} | {1000 * clock:.0f} | {1000 * processor:.0f} | {shares} | {psnr} |"


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the tool with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python tools/upscaling_runtimes.py", description=__doc__)
    parser.add_argument("--model", default="span_x4", help="a SPAN x4: PyTorch's network has its shape")
    parser.add_argument("--size", default="640x360", help="size of the picture as WIDTHxHEIGHT")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calibration", type=Path, help="folder of photographs; without it, no int8")
    parser.add_argument("--data", default="", help="folder with LR/ and HR/ for PSNR-Y")
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="Python of an environment with torch")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    parser.add_argument("--serve", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.serve:
        kind, model, path, size, data = arguments.serve
        sr_gan_tf.start()
        serve(kind, model, Path(path), size, data)
        return
    sr_gan_tf.start()
    kinds = [kind for kind in arguments.kinds if arguments.calibration or "int8" not in kind]
    runtimes: list[Runtime] = []
    with tempfile.TemporaryDirectory() as folder:
        paths = write_files(arguments.model, arguments.calibration, Path(folder))
        try:
            for kind in kinds:
                path = paths["int8" if "int8" in kind else "float32"]
                words = arguments.model, str(path), arguments.size, arguments.data
                runtimes.append(Runtime(kind, *words, torch=arguments.torch))
            rows = list(table(runtimes, arguments.rounds))
        finally:
            for each in runtimes:
                each.process.kill()
                each.process.communicate()
    print(f"{arguments.model}, {arguments.size}, medians of {arguments.rounds} rounds, {os.cpu_count()} cores")
    print("\n".join(rows))


if __name__ == "__main__":
    sys.exit(main())
