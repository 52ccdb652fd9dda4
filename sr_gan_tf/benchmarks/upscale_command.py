"""`python -m sr_gan_tf.benchmarks.upscale_command`: compares the upscale command with its bare network and PyTorch.

All variants take turns, round by round, because the speed of a shared machine varies. Compare only the medians and
ratios of one run.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

import keras
import numpy as np
import tensorflow as tf
from skimage import data

from sr_gan_tf.benchmarks.peak_memory import REUSE_OF_BUFFERS
from sr_gan_tf.benchmarks.timing import in_turns
from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.inference.batch import Files, Summary, plan_jobs, run_jobs
from sr_gan_tf.inference.chain import Chain
from sr_gan_tf.inference.keras_enlarger import KerasEnlarger
from sr_gan_tf.inference.named_networks import in_precision, named_network
from sr_gan_tf.inference.naming import Naming
from sr_gan_tf.inference.passes import Settings
from sr_gan_tf.inference.pictures import Treatment
from sr_gan_tf.inference.search import find_sources
from sr_gan_tf.networks import Generator
from sr_gan_tf.pictures.progress import progress
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.registry.imports import add_import

_PICTURES = 6
_TORCH_KINDS = ("eager", "channels_last", "compiled")


def photograph(width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 of a real photograph, tiled to the size."""
    picture = data.chelsea()
    times = (-(-height // picture.shape[0]), -(-width // picture.shape[1]), 1)
    return np.ascontiguousarray(np.tile(picture, times)[:height, :width])


def bare(network: keras.Model, picture: np.ndarray) -> Callable[[], float]:
    """Seconds of one forward pass of the whole image, from tensor to tensor."""
    image = tf.constant(picture[None].astype(np.float32) / 255)
    signature = [tf.TensorSpec(image.shape, tf.float32)]
    function = tf.function(lambda x: network(x, training=False), input_signature=signature, autograph=False)

    def measure() -> float:
        start = time.perf_counter()
        function(image).numpy()
        return time.perf_counter() - start

    return measure


def whole_command(chain: Chain, folder: Path, format: str) -> Callable[[], float]:
    """Seconds per image of a folder, including decoding, tiles and encoding, as in the command."""
    treatment = Treatment(chain, Settings(), 500.0)
    sources = find_sources([str(folder)])

    def measure() -> float:
        with tempfile.TemporaryDirectory(dir=folder.parent) as target:
            files = Files(Naming(target, format=format))
            summary = Summary()
            with progress(quiet=True) as bar:
                run_jobs(list(plan_jobs(sources, treatment, files, summary)), treatment, files, summary, bar)
            if summary.failed:
                raise InputError("; ".join(summary.failed.values()))
            return summary.seconds / len(summary.written)

    return measure


@contextlib.contextmanager
def peers(python: str, width: int, height: int) -> Iterator[dict[str, Callable[[], float]]]:
    """SPAN in PyTorch, each variant in a separate process that waits for its turn."""
    script = Path(__file__).parent / "pytorch" / "torch_span.py"
    started = {}
    try:
        for kind in _TORCH_KINDS:
            started[kind] = subprocess.Popen(
                [python, str(script), str(width), str(height), kind],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **REUSE_OF_BUFFERS},
            )
        for kind, process in started.items():
            if cast(IO[str], process.stdout).readline().strip() != "ready":
                raise InputError(f"{python} cannot run {script} ({kind}); pass the Python of an environment with torch")
        yield {f"PyTorch {kind}": functools.partial(_ask, process) for kind, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
            process.communicate()


def _ask(process: subprocess.Popen) -> float:
    given, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
    given.write("\n")
    given.flush()
    return float(answers.readline().split()[0])


def _ratios(seconds: dict[str, float]) -> Iterator[tuple[str, str, float]]:
    pairs = [
        *[(f"command, {format}, {precision}", f"network, {precision}")
          for precision in ("float32", "bfloat16") for format in ("jpg", "png")],
        ("network, bfloat16", "network, float32"),
        ("network, float32", "PyTorch compiled"),
        ("network, bfloat16", "PyTorch compiled"),
    ]  # fmt: skip
    for name, base in pairs:
        if name in seconds and base in seconds:
            yield name, base, seconds[name] / seconds[base]


@command
def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.benchmarks.upscale_command", description=__doc__.split(":", 1)[1])
    add_import(parser)
    parser.add_argument("--model", default="span_x4", help="name, run folder or .keras file")
    parser.add_argument("--size", default="640x360", help="size of the original as WIDTHxHEIGHT")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--torch", help="Python of an environment with torch, to measure SPAN in PyTorch as well")
    options = parser.parse_args(argv)
    try:
        width, height = map(int, options.size.split("x"))
    except ValueError:
        width = height = 0
    if min(width, height) < 1:
        raise InputError(f"--size {options.size}: expected WIDTHxHEIGHT, e.g. 640x360")
    if options.rounds < 1:
        raise InputError(f"--rounds {options.rounds}: expected 1 or more")
    if options.torch and shutil.which(options.torch) is None:
        raise InputError(f"--torch {options.torch}: no such program; pass the Python of an environment with torch")
    network = named_network(options.model)[1]
    picture = photograph(width, height)
    measures = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        originals = Path(folder) / "originals"
        originals.mkdir()
        for index in range(_PICTURES):
            write_image(originals / f"{index}.jpg", picture, quality=92)
        for precision in ("float32", "bfloat16") if isinstance(network, Generator) else ("float32",):
            cast = in_precision(network, precision)
            measures[f"network, {precision}"] = bare(cast, picture)
            chain = Chain("measured", (KerasEnlarger(cast),), precision)
            for format in ("jpg", "png"):
                measures[f"command, {format}, {precision}"] = whole_command(chain, originals, format)
        if options.torch:
            measures.update(stack.enter_context(peers(options.torch, width, height)))
        seconds = in_turns(measures, options.rounds)
    print(f"{options.model}, {width} x {height}, median of {options.rounds} rounds in turns, {os.cpu_count()} cores")
    for name, value in seconds.items():
        print(f"{name:28} {value:8.3f} s")
    for name, base, ratio in _ratios(seconds):
        print(f"{name} / {base}: {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
