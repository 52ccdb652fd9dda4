"""Measures how long commands take before their work begins: CPU time and elapsed time of whole processes, in turns.

    python tools/start_time.py [--rounds 5]

prints the table of `docs/performance.md`. On a machine that does other work as well, rely on the CPU time.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from skimage import data

from sr_gan_tf.benchmarks.table import processor_name
from sr_gan_tf.pictures.reading import write_image

_SIDE = 128


def measured(words: Sequence[str], folder: Path, cache: Path) -> tuple[float, float]:
    """Returns the CPU time and elapsed time of one process in seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        check=True,
        capture_output=True,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
    )
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, clock


def main(argv: list[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Measures how long commands take before their work begins.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(argv).rounds
    with tempfile.TemporaryDirectory() as name:
        folder, kept, none = Path(name), Path(name) / "kept", Path(name) / "none"
        write_image(folder / "in.png", np.ascontiguousarray(data.astronaut()[:_SIDE, 200 : 200 + _SIDE]))
        upscale = ["-m", "sr_gan_tf.upscale", "in.png", "-o", "out.png", "--overwrite", "--model", "span_x4"]
        rows = {
            "import of TensorFlow and Keras": (["-c", "import tensorflow, keras"], kept),
            f"upscale, {_SIDE} x {_SIDE}, nothing kept": (upscale, none),
            f"upscale, {_SIDE} x {_SIDE}, graph kept": (upscale, kept),
            "upscale --help": (["-m", "sr_gan_tf.upscale", "--help"], kept),
            "fit --help": (["-m", "sr_gan_tf.fit", "--help"], kept),
            "python -m sr_gan_tf --help": (["-m", "sr_gan_tf", "--help"], kept),
        }
        times: dict[str, list[tuple[float, float]]] = {row: [] for row in rows}
        measured(*rows[f"upscale, {_SIDE} x {_SIDE}, graph kept"][:1], folder, kept)
        for _ in range(rounds):
            for row, (words, cache) in rows.items():
                for file in none.rglob("*.graph"):
                    file.unlink()
                times[row].append(measured(words, folder, cache))
    print(f"{processor_name()}, {os.cpu_count()} cores, medians of {rounds} rounds in turns\n")
    print("| process | processor s | clock s |\n|---|---|---|")
    for row, pairs in times.items():
        processor, clock = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"| {row} | {processor:.2f} | {clock:.2f} |")


if __name__ == "__main__":
    main()
