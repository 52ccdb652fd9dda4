"""`--compiler xla`: XLA compiles the whole train step of every stage of every shipped experiment, with small shapes."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from test_experiments import FILES, few, name_of, with_trunk_at_hand

from sr_gan_tf.config import parse_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.json_files import read_json
from sr_gan_tf.training.assembly import build_networks, build_stage

ROOT = Path(__file__).resolve().parent.parent


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


@pytest.mark.long
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_step_compiles(path):
    raw = small(few(with_trunk_at_hand(read_json(path))))
    raw["jit_compile"] = True
    experiment = parse_experiment(raw)
    networks = build_networks(experiment)
    for index, stage in enumerate(experiment.stages):
        trainer = build_stage(experiment, index, networks)
        trainer.make_train_function()
        logs = trainer.train_function(iter([random_batch(raw)]))
        wrong = [name for name, value in logs.items() if not math.isfinite(value)]
        assert not wrong, f"{stage.name}: {wrong}"
        assert logs["skipped_steps"] == 0


@pytest.fixture(name="tool")
def _tool():
    spec = importlib.util.spec_from_file_location("kernel_counts", ROOT / "tools" / "kernel_counts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
