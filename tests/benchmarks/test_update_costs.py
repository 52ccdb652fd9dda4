"""`tools/update_costs.py`: the other ways that it times compute the same."""

import numpy as np
import pytest
import tensorflow as tf
from scripts import load_script

from sr_gan_tf.training.muon import orthogonalized


@pytest.fixture(name="tool", scope="module")
def _tool():
    return load_script("tools/update_costs.py")


def test_a_batch_is_orthogonalized_like_its_matrices(tool):
    matrices = tf.random.stateless_normal((3, 4, 9), (1, 2))
    expected = [orthogonalized(matrix) for matrix in matrices]
    np.testing.assert_allclose(tool.iterated(matrices), expected, atol=1e-5)


def test_both_forms_of_the_update_see_the_same_gradients(tool):
    calls = tool.updates(merged=True)
    assert list(calls) == ["update, merged, by variable", "update, merged, one vector"]
    separate, flat = (call() for call in calls.values())
    assert min(abs(float(value) / float(flat[0]) - 1) for value in separate) < 1e-4  # the gradient norm is one of them
    assert sum(int(tf.size(part)) for part in flat[1:]) == 426_288  # SPAN x4, merged


def test_gradients_of_kernels_by_matrix_products(tool, monkeypatch):
    monkeypatch.setattr(tool, "MAPS", (2, 5, 6, 4))
    calls = tool.convolutions("float32")
    found = {name: call() for name, call in calls.items()}
    for side, count in (3, 3), (1, 2):
        values = [value for name, value in found.items() if name.startswith(f"{side}x{side}")]
        assert len(values) == count
        for value in values[1:]:
            np.testing.assert_allclose(value, values[0], atol=1e-4)


def test_the_gradient_by_tanh_is_that_of_silu(tool, monkeypatch):
    monkeypatch.setattr(tool, "MAPS", (1, 4, 5, 3))
    calls = tool.pixelwise("float32")
    expected = calls["SiLU's gradient, float32"]()
    np.testing.assert_allclose(calls["SiLU's gradient by tanh, float32"](), expected, atol=1e-5)
    np.testing.assert_allclose(calls["gate of upscaling, float32"](), calls["gate, float32"](), atol=1e-5)


def test_milliseconds_are_of_the_processor(tool):
    def busy():
        return sum(range(200_000))

    assert 0.1 < tool.processor_milliseconds(busy, 5) < 1000
