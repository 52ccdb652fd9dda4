"""ReplayBuffer: a history of generated pictures, half of each batch of fakes is drawn from it.

Shrivastava et al. 2017, arXiv:1612.07828: the discriminator that sees only the newest generator forgets what it knew
of older ones. Half of the batch is the newest pictures; the other half comes out of the history, where newest pictures
take their places. Until the history is full, pictures are put in and the batch passes as it is.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("sr_gan_tf")
class ReplayBuffer(keras.layers.Layer):
    """(N, H, W, C) newest pictures to (N, H, W, C), half of them (rounded down) from the history.

    Runs inside the graph, under XLA too, and its whole state is non-trainable weights: a checkpoint holds the history,
    and the choice of pictures depends on the seed and the number of batches only.

    Args:
        capacity: pictures kept, at least half a batch.
        image_shape: (H, W, C) of a picture; memory is capacity * H * W * C * 4 bytes.
        seed: of the random choice.
    """

    def __init__(self, capacity: int, image_shape: tuple[int, int, int], seed: int = 1234, name: str = "replay_buffer"):
        # The history keeps pictures as they were, whatever the precision policy.
        super().__init__(trainable=False, dtype="float32", name=name)
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1 picture, found {capacity!r}")
        self.capacity = capacity
        self.image_shape = tuple(image_shape)
        self.seed = seed

    def build(self, input_shape):
        batch = input_shape[0]
        if batch is not None and self.capacity < batch // 2:
            raise ValueError(f"a replay buffer of {self.capacity} pictures cannot give half of a batch of {batch}")
        # Replicas of a distribution strategy share one history: the first one's.
        self.history = self._state((self.capacity, *self.image_shape), "float32", "history")
        self.filled = self._state((), "int32", "filled")
        self.calls = self._state((), "int32", "calls")
        super().build(input_shape)

    def call(self, images):
        half = tf.shape(images)[0] // 2
        history, filled, calls = (tf.convert_to_tensor(v) for v in (self.history, self.filled, self.calls))
        full = filled >= self.capacity
        # Batch and history are shuffled by sorting random numbers.
        seed = tf.stack([tf.constant(self.seed, tf.int32), calls])
        order = tf.argsort(tf.random.stateless_uniform(tf.shape(images)[:1], seed))  # (N,)
        chosen = tf.argsort(tf.random.stateless_uniform((self.capacity,), seed + 1))[:half]  # (N/2,)
        places = tf.where(full, chosen, (filled + tf.range(half)) % self.capacity)  # (N/2,)
        entering, staying = tf.gather(images, order[:half]), tf.gather(images, order[half:])
        leaving = tf.gather(history, places)
        # A diverged step's pictures pass, so that the step is seen and skipped, but are not remembered.
        finite = tf.reduce_all(tf.math.is_finite(images))
        entering, full = tf.where(finite, entering, leaving), full & finite
        self.history.assign(tf.tensor_scatter_nd_update(history, places[:, None], entering))
        self.filled.assign(tf.minimum(filled + tf.where(finite, half, 0), self.capacity))
        self.calls.assign(calls + 1)
        return tf.stop_gradient(tf.where(full, tf.concat([leaving, staying], axis=0), images))

    def _state(self, shape: tuple[int, ...], dtype: str, name: str) -> keras.Variable:
        return self.add_weight(
            shape=shape,
            dtype=dtype,
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def get_config(self):
        return {
            "capacity": self.capacity,
            "image_shape": list(self.image_shape),
            "seed": self.seed,
            "name": self.name,
        }
