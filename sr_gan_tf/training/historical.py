"""HistoricalAverage: a penalty on a network's distance from the average of its own past weights.

Salimans et al. 2016, arXiv:1606.03498, section 3.3: ||theta - mean over the past of theta||^2, which damps the orbits
that adversarial training can fall into. The average counts every step equally. As in the paper, squares are summed over
all parameters, so only small weights (1e-4 and below) are useful.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf


class HistoricalAverage:
    """The running mean of variables, in non-trainable variables, and the distance from it.

    A checkpoint must contain `variables` (the means and the number of updates).

    Args:
        watched: the network's trainable variables; the mean starts at their current values.
    """

    def __init__(self, watched: Sequence[keras.Variable]):
        self.watched = list(watched)
        # Replicas of a distribution strategy have equal weights, so the mean of the first one is valid for all.
        kept = {"trainable": False, "aggregation": "only_first_replica"}
        self.means = [
            # A copy: Keras would adopt a passed tf.Variable, and the mean would be the weight itself.
            keras.Variable(keras.ops.convert_to_numpy(variable), dtype="float32", name="historical_mean", **kept)
            for variable in self.watched
        ]
        self.count = keras.Variable(0, dtype="int32", name="historical_count", **kept)

    @property
    def variables(self) -> list[keras.Variable]:
        return [*self.means, self.count]

    def update(self) -> None:
        """Adds the current weights to the mean; call it once at the end of each step."""
        count = tf.convert_to_tensor(self.count) + 1
        for mean, variable in zip(self.means, self.watched, strict=True):
            # mean_t = mean_{t-1} + (theta - mean_{t-1}) / t
            mean.assign_add((_value(variable) - _value(mean)) / tf.cast(count, tf.float32))
        self.count.assign(count)

    def penalty(self) -> tf.Tensor:
        """||theta - mean||^2 over all watched variables, a float32 scalar; 0 before the first update."""
        pairs = zip(self.watched, self.means, strict=True)
        return tf.add_n([tf.reduce_sum(tf.square(_value(v) - tf.stop_gradient(_value(mean)))) for v, mean in pairs])


def _value(variable: keras.Variable) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(variable.value), tf.float32)
