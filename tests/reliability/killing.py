"""`python killing.py EXPERIMENT FOLDER COUNT SEED`: kills a training COUNT times at random moments, each time another.

TensorFlow is imported once; every training is a fork of this process, so that what is killed is the training itself
and not, most of the time, an import. Graphs run as they were traced, as in the other short trainings of the tests.
"""

import gc
import os
import random
import signal
import sys
import time
from pathlib import Path

import tensorflow as tf

from sr_gan_tf.fit import main


def train(experiment: str, folder: Path, seconds: float | None = None) -> tuple[int, float]:
    """(exit code, duration) of a training in a process of its own, killed after so many seconds: code -9."""
    begin = time.perf_counter()
    process = os.fork()
    if process == 0:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        os._exit(main([experiment, "--run-dir", str(folder)]))
    while seconds is None or time.perf_counter() - begin < seconds:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), time.perf_counter() - begin
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), seconds


def trial(experiment: str, root: Path, count: int, moments: random.Random) -> None:
    """Exits with a line that says what went wrong, or prints how far the killed trainings had come."""
    code, duration = train(experiment, root / "undisturbed")
    expected = (root / "undisturbed" / "history.csv").read_text()
    if code or expected.count("\n") < 10:
        sys.exit(f"the undisturbed run ended with {code}")
    came = []
    for number in range(count):
        folder = root / f"killed_{number}"
        code, _ = train(experiment, folder, moments.uniform(0.1, 1.0) * duration)
        saved = sorted(path.name for path in folder.glob("checkpoints/*.safetensors"))
        if code == -signal.SIGKILL:
            came.append(int(saved[-1][5:14]) if saved else 0)
        code, took = train(experiment, folder)
        duration = 0.8 * duration + 0.2 * took  # the machine may have other work at times
        if code or (folder / "history.csv").read_text() != expected:
            sys.exit(f"kill {number}: started again, it ended with {code}, or with another history: {folder}")
        left = [path.name for path in folder.rglob("*") if ".tmp" in path.name]
        if any(name.endswith(".keras") for name in left):
            sys.exit(f"kill {number}: {left} was left behind")
    print(f"{len(came)} of {count} killed before their end, the checkpoints then at steps {sorted(came)}; all equal")


if __name__ == "__main__":
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    gc.freeze()  # what the imports made is not looked through, and so not copied, in each fork
    trial(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), random.Random(int(sys.argv[4])))
