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


def test_milliseconds_are_of_the_processor(tool):
    def busy():
        return sum(range(200_000))

    assert 0.1 < tool.processor_milliseconds(busy, 5) < 1000
