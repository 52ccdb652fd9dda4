"""Adam in one operation a variable is Keras's Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.training.optimizers import Adam, build_optimizer, build_schedule


def stepper(optimizer, variable, compiled: bool):
    def step(gradient):
        optimizer.apply([gradient], [variable])

    return tf.function(step, jit_compile=True) if compiled else step


@pytest.mark.parametrize("settings", [{}, {"beta_1": 0.5, "epsilon": 1e-3, "global_clipnorm": 0.5}, {"amsgrad": True}])
@pytest.mark.parametrize("compiled", [False, True])
def test_adam_is_kerass(settings, compiled):
    random = np.random.default_rng(0)
    start = random.normal(size=(7, 5)).astype("float32")
    pairs = []
    for family in (Adam, keras.optimizers.Adam):
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.01])
        optimizer, variable = family(rate, **settings), keras.Variable(start)
        optimizer.build([variable])
        pairs.append((variable, optimizer, stepper(optimizer, variable, compiled)))
    for _ in range(4):
        gradient = tf.constant(random.normal(size=(7, 5)), tf.float32)
        for *_, step in pairs:
            step(gradient)
    (own, mine, _), (other, theirs, _) = pairs
    np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-6)
    assert [v.shape for v in mine.variables] == [v.shape for v in theirs.variables]
    for first, second in zip(mine.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-7)


def test_adam_takes_one_operation_a_variable():
    optimizer = build_optimizer(Spec("Adam", {"learning_rate": 0.1}), "here")
    variables = [keras.Variable(np.zeros(3, "float32")) for _ in range(2)]
    optimizer.build(variables)
    graph = tf.function(lambda: optimizer.apply([tf.ones(3)] * 2, variables)).get_concrete_function().graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 2
    assert "Sqrt" not in kinds


def test_a_cosine_continues_where_an_earlier_run_was():
    config = {"initial_learning_rate": 1e-5, "warmup_target": 1e-3, "warmup_steps": 10, "decay_steps": 90}
    whole = build_schedule(Spec("CosineDecay", config), "rate")
    rest = build_schedule(Spec("CosineDecay", {**config, "first_step": 40}), "rate")
    assert [float(rest(step)) for step in range(60)] == [float(whole(step + 40)) for step in range(60)]
    with pytest.raises(InputError, match="first_step: -1 is too small"):
        build_schedule(Spec("CosineDecay", {**config, "first_step": -1}), "rate")
