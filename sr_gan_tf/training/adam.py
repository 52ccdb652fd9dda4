"""Adam in one operation per update."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("sr_gan_tf")
class Adam(keras.optimizers.Adam):
    """Keras's Adam, with one operation per update of a plain float32 variable.

    Keras's implementation makes about fifteen passes over all weights; a discriminator with dense layers has many.
    """

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        handles = [_handle(each) for each in (variable, self._momentums[index], self._velocities[index])]
        if self.amsgrad or None in handles:
            super().update_step(gradient, variable, learning_rate)
            return
        weight, first, second = handles
        step = tf.cast(tf.convert_to_tensor(self.iterations), tf.float32) + 1
        tf.raw_ops.ResourceApplyAdam(
            var=weight, m=first, v=second, beta1_power=self.beta_1**step, beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, tf.float32), beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )  # fmt: skip


def _handle(variable) -> tf.Tensor | None:
    """The handle for raw operations; None for a variable that is distributed over replicas or not float32."""
    value = variable.value if isinstance(variable, keras.Variable) else variable
    plain = isinstance(value, tf.Variable) and not isinstance(value, tf.distribute.DistributedValues)
    return value.handle if plain and value.dtype == tf.float32 else None
