"""Runs a benchmark: checks the options, measures, prints, and writes the results."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sr_gan_tf.benchmarks import SUFFIXES, table
from sr_gan_tf.benchmarks.planning import plan_tasks
from sr_gan_tf.benchmarks.results import write_results
from sr_gan_tf.benchmarks.rounds import benchmark
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import check_output, try_folder


def run(
    networks: Sequence[str] = (),
    shape: Sequence[str] = (),
    mode: str = "inference",
    compiler: str | None = None,
    precision: str | None = None,
    device: str = "auto",
    data: str | None = None,
    stage: str | None = None,
    overrides: Sequence[str] = (),
    rounds: int = 3,
    round_seconds: float = 2.0,
    baseline: str | None = None,
    peak: bool = True,
    profile: int = 0,
    floor: str | None = None,
    peers: str | None = None,
    output: Sequence[str | Path] = (),
    overwrite: bool = False,
    asked: str = "",
    say: Callable[[str], None] = print,
) -> list[table.Measured]:
    """Runs the command `python -m sr_gan_tf.benchmark`; the arguments are its options.

    Args:
        networks: see `planning.plan_tasks`.
        shape: see `planning.plan_tasks`.
        mode: see `planning.plan_tasks`.
        compiler: see `planning.plan_tasks`.
        precision: see `planning.plan_tasks`.
        device: see `planning.plan_tasks`.
        data: see `planning.plan_tasks`.
        stage: see `planning.plan_tasks`.
        overrides: see `planning.plan_tasks`.
        rounds: number of turns per row, 1 or more.
        round_seconds: approximate length of a turn, in seconds.
        baseline: label of the row to compare with; default: DUnet if it is measured.
        peak: whether to measure matrix products in the same rounds.
        profile: number of operations to list per row, the most expensive first.
        floor: `TFLOPS,TBYTES` of another machine, for which lower bounds on the times are printed.
        peers: the Python interpreter of an environment with PyTorch, to measure its rows in the same rounds.
        output: files for the results.
        overwrite: whether existing files may be replaced.
        asked: the command line, recorded in the results.
        say: receives lines for the user.

    Returns:
        The measured rows.

    Raises:
        InputError: an option cannot be used, or a row cannot be measured.
    """
    paths, bounds = [Path(name) for name in output], _floor(floor)
    for path in paths:
        check_output(path, SUFFIXES, overwrite, "-o")
        try_folder(path)
    if rounds < 1 or not round_seconds > 0:
        raise InputError("--rounds, --round-seconds: expected positive numbers")
    if profile < 0:
        raise InputError(f"--profile {profile}: expected 0 or a positive number")
    jobs = plan_tasks(networks, shape, mode, compiler, precision, device, data, stage, overrides)
    labels = list(dict.fromkeys(job.label for job in jobs))
    baseline = baseline or ("DUnet" if "DUnet" in labels and len(labels) > 1 else None)
    if baseline is not None and baseline not in labels:
        raise InputError(f"--baseline: no row {baseline!r}; the rows are {', '.join(labels)}")
    about = table.machine()
    say(f"{about['processor']}, {about['cores']} cores; TensorFlow {about['tensorflow']}, Keras {about['keras']}")
    measured = benchmark(jobs, rounds, round_seconds, baseline, peak, profile, peers, say)
    for row in measured if bounds else ():
        if row.start.get("product_bytes") and row.start["multiply_adds"]:
            say(table.floor_text(row, *bounds))
    for path in paths:
        write_results(measured, baseline, asked, path)
    return measured


def _floor(text: str | None) -> list[float]:
    try:
        figures = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        figures = [0.0]
    if text and (len(figures) != 2 or not all(figure > 0 for figure in figures)):
        raise InputError(f"--floor {text}: expected two positive numbers, TFLOP/s and TB/s, e.g. 989,3.35")
    return figures
