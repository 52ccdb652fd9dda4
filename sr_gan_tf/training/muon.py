"""Muon for convolutions (Jordan et al. 2024): steps whose directions all have the same size.

A kernel (height, width, in, out) is a matrix of height * width * in rows and out columns. Its momentum is replaced by
the nearest matrix with orthonormal rows or columns, which a Newton-Schulz iteration approximates. Biases and other
vectors are updated by Adam. Step sizes follow Liu et al. 2025, arXiv:2502.16982, so that learning rates of Adam fit.
Keras's own Muon updates two-dimensional weights only; all kernels of convolutions get its Adam.
"""

import math
from typing import Any

import keras
import tensorflow as tf

from sr_gan_tf.arguments import at_least
from sr_gan_tf.training.adam import Adam

# Coefficients of the fifth-order Newton-Schulz iteration, from Jordan's post.
_LINEAR, _CUBIC, _QUINTIC = 3.4445, -4.7750, 2.0315


@keras.saving.register_keras_serializable("sr_gan_tf")
class Muon(Adam):
    """Muon for kernels, Adam for vectors.

    Args:
        learning_rate: of both parts; a number or a schedule.
        momentum: fraction of the previous momentum that is kept for kernels, from 0 to below 1.
        newton_schulz_steps: iterations of the orthogonalization, 1 or more.
        rms: root mean square of a kernel's step per unit of learning rate, above 0; that of Adam is 0.2 to 0.4.
        beta_1: Adam's decay of the mean, for vectors.
        beta_2: Adam's decay of the squared mean, for vectors.
        epsilon: Adam's, for vectors.
        weight_decay: fraction of the learning rate by which all weights shrink per step.
        clipnorm: maximum norm of each gradient.
        clipvalue: maximum absolute value of a gradient.
        global_clipnorm: maximum norm of all gradients together.
        use_ema: see Keras; so are the two following ones.
        ema_momentum: see Keras.
        ema_overwrite_frequency: see Keras.
        loss_scale_factor: see Keras.
        gradient_accumulation_steps: steps whose gradients are averaged for one update.
        name: name of the optimizer.

    Raises:
        ValueError: for an argument outside these ranges.
    """

    def __init__(
        self,
        learning_rate=0.001,
        momentum: float = 0.95,
        newton_schulz_steps: int = 5,
        rms: float = 0.2,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "muon",
    ):
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum: expected a number from 0 to below 1, found {momentum}")
        at_least(1, newton_schulz_steps=newton_schulz_steps)
        if not rms > 0:
            raise ValueError(f"rms: expected a number above 0, found {rms}")
        super().__init__(
            learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, weight_decay=weight_decay,
            clipnorm=clipnorm, clipvalue=clipvalue, global_clipnorm=global_clipnorm, use_ema=use_ema,
            ema_momentum=ema_momentum, ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor, gradient_accumulation_steps=gradient_accumulation_steps, name=name,
        )  # fmt: skip
        self.momentum = momentum
        self.newton_schulz_steps = newton_schulz_steps
        self.rms = rms

    def update_step(self, gradient, variable, learning_rate):
        if len(variable.shape) < 2:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[self._get_variable_index(variable)]
        gradient = tf.cast(gradient, tf.float32)
        self.assign(momentum, self.momentum * momentum + gradient)
        ahead = gradient + self.momentum * tf.convert_to_tensor(momentum)  # Nesterov's
        columns = variable.shape[-1]
        matrix = tf.reshape(ahead, (-1, columns))
        rows = math.prod(variable.shape[:-1])
        # An orthogonal matrix of this shape has the root mean square 1 / sqrt(max(rows, columns)).
        size = self.rms * math.sqrt(max(rows, columns)) * tf.cast(learning_rate, tf.float32)
        step = size * orthogonalized(matrix, self.newton_schulz_steps)
        self.assign_sub(variable, tf.cast(tf.reshape(step, variable.shape), variable.dtype))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("amsgrad")
        return {
            **config,
            "momentum": self.momentum,
            "newton_schulz_steps": self.newton_schulz_steps,
            "rms": self.rms,
        }


def orthogonalized(matrix: tf.Tensor, steps: int = 5) -> tf.Tensor:
    """The matrix with all singular values moved close to 1 (about 0.7 to 1.2 after five steps).

    Args:
        matrix: (M, N) float32.
        steps: Newton-Schulz iterations.

    Returns:
        (M, N) float32; zeros for zeros.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = tf.transpose(matrix) if tall else matrix
    x /= tf.norm(x) + 1e-12
    for _ in range(steps):
        gram = tf.matmul(x, x, transpose_b=True)
        x = _LINEAR * x + tf.matmul(_CUBIC * gram + _QUINTIC * tf.matmul(gram, gram), x)
    return tf.transpose(x) if tall else x
