"""A process that measures one row: `python -m sr_gan_tf.benchmarks.worker`, started by processes.py.

It reads a job (a line of JSON) and answers with properties of the first call (a line of JSON). For each line
`round SECONDS`, it runs the job for about this long and answers with the seconds of each iteration. It sleeps between
its turns, so that rows can take turns without sharing the machine.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from sr_gan_tf.benchmarks.operations import profile
from sr_gan_tf.benchmarks.peak_memory import give_back, peak_of
from sr_gan_tf.benchmarks.product import product_subject
from sr_gan_tf.benchmarks.subjects import Subject, build_subject
from sr_gan_tf.benchmarks.tasks import Task
from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.inference.memory import free_memory

# Maximum number of iterations per round.
_MOST_ITERATIONS = 200


@dataclasses.dataclass(frozen=True)
class Start:
    """Properties of a row after its first call.

    Args:
        parameters: number of trainable parameters.
        multiply_adds: per call, from the graph; None if the graph has unknown shapes.
        product_bytes: bytes that convolutions and matrix products read and write.
        predicted_memory: peak bytes of the graph's tensors.
        peak_memory: peak bytes during the first call beyond those before it.
        compile_seconds: tracing, compiling and the first call, minus one iteration.
    """

    parameters: int
    multiply_adds: int | None
    product_bytes: int | None
    predicted_memory: int | None
    peak_memory: int | None
    compile_seconds: float


def start(subject: Subject, job: Task) -> Start:
    """Compiles the subject and calls it once.

    Raises:
        InputError: the tensors alone do not fit into the free memory.
    """
    needed, free = subject.predicted_memory, free_memory()
    # XLA fuses operations, so fewer tensors exist than in the graph.
    if job.device == "cpu" and job.compiler != "xla" and needed is not None and needed > free:
        raise InputError(
            f"needs at least {needed / 1e9:.1f} GB for its tensors, {free / 1e9:.1f} GB are free; "
            "pass a smaller --shape"
        )
    warm_up_runtime()
    give_back()
    begin = time.perf_counter()
    peak = peak_of(subject.call, job.device)
    first = time.perf_counter() - begin
    iteration = timed(subject.call)
    return Start(
        parameters=subject.parameters,
        multiply_adds=subject.multiply_adds,
        product_bytes=subject.product_bytes,
        predicted_memory=needed,
        peak_memory=peak,
        compile_seconds=max(subject.tracing_seconds + first - iteration, 0.0),
    )


def warm_up_runtime() -> None:
    """Runs a convolution and its gradients, so that the library's own pages and threads do not count as memory."""
    x, kernel = tf.ones((1, 8, 8, 4)), tf.ones((3, 3, 4, 4))
    with tf.GradientTape() as tape:
        tape.watch((x, kernel))
        y = tf.nn.conv2d(x, kernel, 1, "SAME")
    tape.gradient(y, (x, kernel))


def timed(call: Callable[[], object]) -> float:
    """Seconds until the call has finished."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def run_round(call: Callable[[], object], seconds: float) -> tuple[list[float], float]:
    """Seconds of each iteration, and processor seconds of all threads per iteration.

    One iteration before them restores memory and caches; it does not count.
    """
    call()
    taken: list[float] = []
    processor = time.process_time()
    while not taken or (sum(taken) + taken[-1] / 2 < seconds and len(taken) < _MOST_ITERATIONS):
        taken.append(timed(call))
    return taken, (time.process_time() - processor) / len(taken)


def serve(job: Task, lines, answer: Callable[[dict], None]) -> None:
    """Builds the job and answers input lines until the end of the input."""
    if job.device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    keras.config.set_dtype_policy(job.precision)
    with tf.device("/GPU:" + job.device.partition(":")[2] if job.device != "cpu" else "/CPU:0"):
        subject = product_subject(job) if job.mode == "product" else build_subject(job)
        answer(dataclasses.asdict(start(subject, job)))
        for line in lines:
            word, _, argument = line.strip().partition(" ")
            if word == "round":
                subject.waits.clear()
                seconds, processor = run_round(subject.call, float(argument))
                waits = subject.waits[-len(seconds) :]
                waiting = sum(waits) / sum(seconds) if waits else None
                answer({"seconds": seconds, "processor": processor, "waiting": waiting})
                give_back()
            elif word == "profile":
                answer({"operations": profile(subject.call)})


def main() -> None:
    """Reads a job from standard input, then answers one line per request."""
    # Answers have this stream to themselves; TensorFlow's output goes to standard error.
    out, sys.stdout = sys.stdout, sys.stderr

    def answer(message: dict) -> None:
        print(json.dumps(message), file=out, flush=True)

    try:
        serve(Task.from_json(sys.stdin.readline()), sys.stdin, answer)
    except InputError as error:
        answer({"error": one_line(error)})
    except tf.errors.ResourceExhaustedError as error:
        answer({"error": f"ran out of memory ({one_line(error)[:120]}); pass a smaller --shape"})


if __name__ == "__main__":
    main()
