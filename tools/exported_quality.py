"""Prints the table in docs/export.md: size, time and PSNR-Y of exported files and of the network on test sets.

    python tools/exported_quality.py span_x4 FILE ... --data Set5/x4 Set14/x4

FILE is the output of `sr-gan-tf export` for pictures of any size: .tflite, .onnx, .xml or .param. Each folder of --data
contains LR/ and HR/ with the same names. Pictures are run whole. Times are the minimum of ten runs on a 128x128
picture, as wall-clock time and as processor time of all threads, which other work on the machine hardly affects.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import sr_gan_tf
from sr_gan_tf.benchmarks.quality import mean_psnr
from sr_gan_tf.export_formats import litert, ncnn_file, onnx_file, openvino_file, verification


def runner(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Loads the file as a function of (1, H, W, 3) pictures in [0, 1]."""
    if path.suffix == ".param":
        return ncnn_file.runner(path, path.with_suffix(".bin"))
    return {".tflite": litert.runner, ".onnx": onnx_file.runner, ".xml": openvino_file.runner}[path.suffix](path)


def times(call: Callable[[], object], count: int = 10) -> tuple[float, float]:
    """Minimum wall-clock and processor milliseconds of a call, after a warm-up call."""
    call()
    clock, processor = [], []
    for _ in range(count):
        begin, used = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - begin)
        processor.append(time.process_time() - used)
    return 1000 * min(clock), 1000 * min(processor)


def size_of(path: Path) -> int:
    return sum(item.stat().st_size for item in {path, path.with_suffix(".bin")} if item.exists())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--data", nargs="*", type=Path, default=[])
    arguments = parser.parse_args()
    model = sr_gan_tf.load(arguments.model).for_inference()
    runs = {"Keras": (None, model.predict_on_batch)} | {path.name: (path, runner(path)) for path in arguments.files}
    print(
        "| file | MB | ms | processor ms | "
        + " | ".join(f"PSNR-Y {folder.parent.name}" for folder in arguments.data)
        + " |"
    )
    print("|---" * (4 + len(arguments.data)) + "|")
    picture = verification.photographs(1, 128, 128)
    for name, (path, run) in runs.items():
        milliseconds, processor = times(lambda run=run: run(picture))
        values = " | ".join(f"{mean_psnr(run, folder):.3f}" for folder in arguments.data)
        size = "" if path is None else f"{size_of(path) / 1e6:.2f}"
        print(f"| {name} | {size} | {milliseconds:.0f} | {processor:.0f} | {values} |", flush=True)


if __name__ == "__main__":
    main()
