"""The experiment's seed and determinism, for as long as its networks are built and trained."""

import contextlib
import random
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state
from tensorflow.python.eager import context
from tensorflow.python.framework import config as determinism

# The parts of Keras's state that `keras.utils.set_random_seed` changes.
_OF_KERAS = ("global_random_seed", "global_seed_generator")


@contextlib.contextmanager
def seeded(seed: int, deterministic: bool = False) -> Iterator[None]:
    """Makes Python, NumPy, Keras and TensorFlow draw from `seed` in the block; afterward restores their states.

    Args:
        seed: for all random numbers without a separate seed.
        deterministic: make TensorFlow's operations return the same bits each time, at some cost.
    """
    tensorflow = context.context()
    global_seed = tensorflow._seed
    state = tensorflow._rng.getstate() if global_seed is not None else None
    python, numpy = random.getstate(), np.random.get_state()
    of_keras = {name: global_state.get_global_attribute(name) for name in _OF_KERAS}
    was_deterministic = determinism.is_op_determinism_enabled()
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        if not was_deterministic:
            determinism.disable_op_determinism()
        tf.random.set_seed(global_seed)
        if state is not None:
            tensorflow._rng.setstate(state)
        random.setstate(python)
        np.random.set_state(numpy)
        for name, value in of_keras.items():
            global_state.set_global_attribute(name, value)
