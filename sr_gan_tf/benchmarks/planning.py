"""Plans the rows of a benchmark: every combination of networks, modes, shapes, compilers and precisions."""

import itertools
from collections.abc import Sequence

import tensorflow as tf

from sr_gan_tf.benchmarks.tasks import (
    COMPILERS,
    MODES,
    PRECISIONS,
    PUBLISHED,
    PUBLISHED_SHAPE,
    Task,
    choices,
    exists,
    experiment_networks,
    is_experiment,
    parse_network,
    parse_shape,
    step_job,
)
from sr_gan_tf.errors import InputError


def plan_tasks(
    networks: Sequence[str] = (),
    shape: Sequence[str] = (),
    mode: str = "inference",
    compiler: str | None = None,
    precision: str | None = None,
    device: str = "auto",
    data: str | None = None,
    stage: str | None = None,
    overrides: Sequence[str] = (),
) -> list[Task]:
    """Every requested combination, in the given order.

    Args:
        networks: catalog names, labels of the published table or experiment files; default: the published table, or
            the experiment that `data` names.
        shape: `N,H,W,C` of the input; in a step, of the HR patches.
        mode: one or more of MODES, separated by commas.
        compiler: one or more of COMPILERS; default: graph on a CPU, XLA on a GPU.
        precision: one or more of PRECISIONS; default: that of the experiment, else float32.
        device: `auto`, `cpu`, `gpu` or `gpu:NUMBER`.
        data: an experiment file whose pipeline feeds the step.
        stage: the stage whose step is measured; default: the last stage of the experiment.
        overrides: `KEY=JSON` for experiment files.

    Raises:
        InputError: unknown names, impossible shapes.
    """
    device = _device(device)
    compilers = choices("--compiler", compiler or ("graph" if device == "cpu" else "xla"), COMPILERS)
    modes = choices("--mode", mode, MODES)
    precisions: Sequence[str | None] = choices("--precision", precision, PRECISIONS) if precision else [None]
    shapes: list[tuple[int, ...] | None] = [parse_shape(text) for text in shape] or [None]
    names = networks or ([data] if data else list(PUBLISHED))
    if (data or stage) and modes != ["step"]:
        option = "data" if data else "stage"
        raise InputError(f"--{option} has no effect without --mode step; add --mode step or remove --{option}")
    jobs = []
    for mode, common, text, precision, compiler in itertools.product(modes, shapes, names, precisions, compilers):
        name, _, own = text.partition("@")
        size = parse_shape(own) if own else common
        for path in (name if is_experiment(name) else None, data):
            if path is not None:
                exists(path)
        if mode == "step":
            jobs.append(step_job(name, size, compiler, precision, device, stage, overrides, data))
            continue
        found = experiment_networks(name, overrides) if is_experiment(name) else [parse_network(name)]
        jobs += [
            Task(label, mode, size or PUBLISHED_SHAPE, compiler, precision or "float32", device, spec)
            for label, spec in found
        ]
    return jobs


def _device(name: str) -> str:
    available = len(tf.config.list_physical_devices("GPU"))
    if name == "auto":
        return "gpu:0" if available else "cpu"
    kind, _, number = name.partition(":")
    if kind == "cpu" and not number:
        return "cpu"
    if kind == "gpu" and (not number or number.isdigit()):
        if int(number or 0) < available:
            return f"gpu:{number or 0}"
        raise InputError(
            f"--device {name}: TensorFlow sees {available} GPUs; use cpu, or install TensorFlow with GPU support"
        )
    raise InputError(f"--device {name}: expected auto, cpu, gpu or gpu:NUMBER")
