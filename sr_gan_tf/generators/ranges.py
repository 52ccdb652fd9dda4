"""How a generator's last values become a picture in [0, 1]."""

from collections.abc import Sequence

from keras import layers

from sr_gan_tf.networks import leave_range


def leave_network(x, bounded: bool, value_range: Sequence[float]):
    """The last convolution's values to float32 in [0, 1]; `bounded` squeezes them into it by a tanh first."""
    if bounded:
        x = layers.Activation("tanh", dtype="float32", name="bound")(x)
        value_range = (-1.0, 1.0)
    return leave_range(x, value_range)
