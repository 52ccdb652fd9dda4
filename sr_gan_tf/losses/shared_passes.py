"""Shared passes: a fixed network computes the features of a picture once per step, for all who read them.

The perceptual losses and a `FeatureDiscriminator` with the same trunk read the same features of the same two pictures.
Inside `shared_passes()`, the trunk computes each layer once per tensor, and one backward pass serves all readers.
"""

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf

Features = dict[tuple[str, bool], tf.Tensor]

# By network, picture and graph; a pass holds the first two, so that no other object gets their ids.
_passes: contextvars.ContextVar[dict | None] = contextvars.ContextVar("passes", default=None)


@contextlib.contextmanager
def shared_passes() -> Iterator[None]:
    """Inside, a network's features of one tensor are computed once.

    All readers must be recorded by the same gradient tapes with respect to the picture: a tape that is opened later
    does not contain the operations of the first reader.
    """
    token = _passes.set({})
    try:
        yield
    finally:
        _passes.reset(token)


def known_features(network: object, image: tf.Tensor) -> Features:
    """The features known so far of this picture, to be added to; empty outside `shared_passes()`."""
    passes = _passes.get()
    if passes is None:
        return {}
    # The tensors of a branch (tf.cond) or loop are not accessible outside it.
    key = id(network), id(image), id(tf.compat.v1.get_default_graph())
    return passes.setdefault(key, (network, image, {}))[2]
