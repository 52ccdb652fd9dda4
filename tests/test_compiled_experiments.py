"""`--compiler xla`: XLA compiles the whole train step of every stage of every shipped experiment, with small shapes.

Stages whose steps differ only in numbers make the same program; each program is compiled once, without optimization.
"""

import concurrent.futures
import itertools
import json
import math
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scripts import load_script
from test_experiments import FILES, few, name_of, with_trunk_at_hand

from sr_gan_tf.config import parse_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.json_files import read_json
from sr_gan_tf.training.assembly import build_networks, build_stage

ROOT = Path(__file__).resolve().parent.parent
# The program is checked, not its speed.
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
# Keys of a stage that leave the program of its step alone, and those whose numbers do.
OUTSIDE = {"name", "steps", "batch_size", "patch_size", "patience", "initial_weights", "discriminator_initial_weights"}
NUMBERS = {"weight", "learning_rate", "beta_1", "beta_2", "weight_decay", "instance_noise"}


def without_numbers(value):
    """The value with every number other than 0 as 1."""
    if isinstance(value, dict):
        return {key: without_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_numbers(item) for item in value]
    return int(bool(value)) if isinstance(value, int | float) else value


def program(value):
    """What the program of a step depends on, of a part of a stage."""
    if isinstance(value, dict):
        return {key: without_numbers(item) if key in NUMBERS else program(item) for key, item in value.items()}
    return [program(item) for item in value] if isinstance(value, list) else value


def distinct_steps() -> dict[str, list[tuple[Path, int]]]:
    """The stages of all experiments, as (file, index), under the programs of their steps."""
    found: dict[str, list[tuple[Path, int]]] = {}
    for path in FILES:
        raw = few(read_json(path))
        for index, stage in enumerate(raw["stages"]):
            inside = {key: value for key, value in stage.items() if key not in OUTSIDE}
            networks = [
                raw["scale"],
                raw.get("precision"),
                raw["generator"],
                stage.get("adversarial") and raw["discriminator"],
            ]
            key = json.dumps([networks, program(inside)], sort_keys=True)
            found.setdefault(key, []).append((path, index))
    return found


STEPS = list(distinct_steps().values())


def small(raw: dict) -> dict:
    """Batches of two small patches; a network or loss that needs more keeps the experiment's patches."""
    scale = raw["scale"]
    own = raw["data"].get("patch_size")
    for side in (16 * scale, 64 // scale * scale, own):
        raw["data"] |= {"batch_size": 2, "patch_size": side}
        for stage in raw["stages"]:
            stage.pop("batch_size", None)
            stage.pop("patch_size", None)
        try:
            experiment = parse_experiment(raw)
            networks = build_networks(experiment)
            for index in range(len(experiment.stages)):
                build_stage(experiment, index, networks)
        except InputError:
            if side == own:
                raise
            continue
        return raw
    raise AssertionError


def random_batch(raw: dict) -> tuple[tf.Tensor, tf.Tensor]:
    hr = np.random.default_rng(0).random((2, raw["data"]["patch_size"], raw["data"]["patch_size"], 3), "float32")
    return tf.constant(hr[:, :: raw["scale"], :: raw["scale"]]), tf.constant(hr)


def trained(path: Path) -> dict:
    """The experiment without what its validation alone needs."""
    raw = read_json(path)
    for key in ("validation_metrics", "best_metric"):
        raw.pop(key, None)
    return with_trunk_at_hand(raw)


def compile_and_run(path: Path, index: int) -> list[str]:
    """Compiles and runs one step of the stage; names of values that are not what they should be."""
    raw = small(few(trained(path)))
    raw["jit_compile"] = True
    experiment = parse_experiment(raw)
    trainer = build_stage(experiment, index, build_networks(experiment))
    trainer.make_train_function()
    logs = trainer.train_function(iter([random_batch(raw)]))
    return [name for name, value in logs.items() if not math.isfinite(value) or (name == "skipped_steps" and value)]


@pytest.fixture(name="quick_process", scope="module")
def _quick_process():
    """A process whose XLA does not optimize; XLA reads its flags once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", QUICK)
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, context, max_tasks_per_child=8) as pool:
            yield pool


@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "index"),
    [stages[0] for stages in STEPS],
    ids=lambda value: name_of(value) if isinstance(value, Path) else str(value),
)
def test_every_step_compiles(path, index, quick_process):
    trained(path)  # skips here, not in the other process
    assert quick_process.submit(compile_and_run, path, index).result() == []


def test_stages_with_one_program():
    """No stage is left out, and the long cosines of SPAN differ only in numbers."""
    stages = list(itertools.chain.from_iterable(STEPS))
    assert len(stages) == len(set(stages)) == sum(len(read_json(path)["stages"]) for path in FILES)
    assert len(STEPS) > len(FILES) / 2
    names = [{name_of(path) for path, _ in same} for same in STEPS]
    assert any({"small/span_x4_long.json", "small/span_x4_decay.json"} <= same for same in names)
    assert not any({"span_x4.json", "span_x2.json"} <= same for same in names)


@pytest.fixture(name="tool")
def _tool():
    return load_script("tools/kernel_counts.py")


def test_kernels_are_counted(tool):
    """A function whose fused form is known: two products and what stands between them."""

    def function(x):
        return tf.matmul(tf.tanh(tf.matmul(x, x) * 2.0 + 1.0), x)

    before, after = tool.kernel_counts(function, [tf.ones((64, 64))])
    assert before["dot"] == 2
    assert before["tanh"] == before["multiply"] == before["add"] == 1
    products = after.get("dot", 0) + after.get("custom-call", 0)
    assert products in (0, 2)  # a processor may fuse products, too
    assert sum(after.values()) < sum(before.values())
    assert "tanh" not in after


def test_the_body_of_a_loop_counts_as_its_kernels(tool):
    text = """HloModule m

%fused (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  ROOT %t = f32[4]{0} tanh(%p)
}

%body (b: (s32[], f32[4])) -> (s32[], f32[4]) {
  %b = (s32[], f32[4]{0}) parameter(0)
  %g = f32[4]{0} get-tuple-element(%b), index=1
  %f = f32[4]{0} fusion(%g), kind=kLoop, calls=%fused
  ROOT %r = (s32[], f32[4]{0}) tuple(%g, %f)
}

%cond (c: (s32[], f32[4])) -> pred[] {
  %c = (s32[], f32[4]{0}) parameter(0)
  ROOT %l = pred[] constant(true)
}

ENTRY %main (x: f32[4]) -> f32[4] {
  %x = f32[4]{0} parameter(0), sharding={replicated}
  %w = (s32[], f32[4]{0}) while(%x), condition=%cond, body=%body
  ROOT %o = f32[4]{0} add(%x, %x), metadata={op_name="tanh(a)"}
}
"""
    assert tool.counts(text) == {"while": 1, "fusion": 1, "add": 1}
