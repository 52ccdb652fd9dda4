"""Measures each row in a separate process; the processes take turns and sleep in between."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO, cast

import psutil

from sr_gan_tf.benchmarks.peak_memory import REUSE_OF_BUFFERS
from sr_gan_tf.benchmarks.tasks import Task
from sr_gan_tf.errors import InputError
from sr_gan_tf.registry.imports import VARIABLE, imported

WORKER = (sys.executable, "-m", "sr_gan_tf.benchmarks.worker")


class OtherWork:
    """Measures the processor time that other processes use from now on, which distorts the figures."""

    def __init__(self):
        self._begin = self._now()

    def share(self) -> float | None:
        """Share of all cores' time since the start that was neither idle nor used by this process and its rows."""
        total, busy, own = (now - then for now, then in zip(self._now(), self._begin, strict=True))
        return max(busy - own, 0.0) / total if total > 0 else None

    @staticmethod
    def _now() -> tuple[float, float, float]:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # User time already includes guest time.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        own = psutil.Process()
        seconds = [process.cpu_times() for process in (own, *own.children(recursive=True))]
        return total, total - idle, sum(item.user + item.system for item in seconds)


class Row:
    """A job in a separate process.

    Args:
        job: what to measure.
        command: starts the process: our worker, or a peer with the same protocol.

    Raises:
        InputError: the job cannot run; contains the message of the process.
    """

    def __init__(self, job: Task, command: Sequence[str] = WORKER):
        self.job = job
        self.rounds: list[list[float]] = []
        self.processor: list[float] = []
        self.waiting: list[float] = []
        environment = {**os.environ, **REUSE_OF_BUFFERS, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment[VARIABLE] = ",".join(imported())  # the user's custom parts, for our worker
        self._said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed by close()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                env=environment,
            )
        except OSError as error:
            self._said.close()
            raise InputError(
                f"{command[0]}: {error.strerror}; --peers expects the Python of an environment with PyTorch"
            ) from error
        self._input, self._output = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        try:
            self.start = self._ask(job.to_json())
        except BaseException:
            self.close()
            raise

    def run_round(self, seconds: float) -> None:
        """Runs iterations for about this long and stores them in `rounds`."""
        answer = self._ask(f"round {seconds}")
        self.rounds.append(answer["seconds"])
        self.processor.append(answer["processor"])
        if answer.get("waiting") is not None:
            self.waiting.append(answer["waiting"])

    def profile(self) -> dict[str, float]:
        """Milliseconds per call of each kind of operation."""
        return self._ask("profile")["operations"]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def _ask(self, line: str) -> dict:
        try:
            self._input.write(line + "\n")
            self._input.flush()
        except BrokenPipeError:
            pass
        text = self._output.readline()
        if not text:
            self._process.wait()
            self._said.seek(0)
            said = self._said.read().strip().splitlines()
            raise InputError(f"{self.job.label}: its process ended ({_why(self._process.returncode, said)})")
        answer = json.loads(text)
        if "error" in answer:
            raise InputError(f"{self.job.label}: {answer['error']}")
        return answer


def _why(code: int, said: list[str]) -> str:
    if code == -9:
        return "killed by the system, probably because memory ran out; pass a smaller --shape"
    return said[-1] if said else f"exit code {code}"
