"""ReplayBuffer: a history of generated pictures; half of each batch of fakes is drawn from it.

Shrivastava et al. 2017, arXiv:1612.07828: a discriminator that sees only the newest generator forgets older ones.
Half of the batch consists of the newest pictures. The other half comes from the history, where newest pictures replace
them. Until the history is full, pictures are added to it and the batch passes unchanged.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("sr_gan_tf")
class ReplayBuffer(keras.layers.Layer):
    """Maps the newest pictures (N, H, W, C) to (N, H, W, C), half of them from the history.

    Half of an odd batch is alternately rounded up and down, so a batch of one comes from the history every other time.
    The layer runs inside the graph, also under XLA. All of its state is in non-trainable weights: a checkpoint contains
    the history, and the choice of pictures depends only on the seed and the number of batches.

    Args:
        capacity: number of pictures to keep, at least half a batch, rounded up.
        image_shape: (H, W, C) of a picture; memory is capacity * H * W * C * 4 bytes.
        seed: seed of the random choice.
        condition_shape: (h, w, c) of the LR picture to keep with each picture, for a conditional discriminator.
        name: name of the layer.
    """

    def __init__(
        self,
        capacity: int,
        image_shape: tuple[int, int, int],
        seed: int = 1234,
        condition_shape: tuple[int, int, int] | None = None,
        name: str = "replay_buffer",
    ):
        # The history keeps pictures in full precision, regardless of the precision policy.
        super().__init__(trainable=False, dtype="float32", name=name)
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1 picture, found {capacity!r}")
        self.capacity = capacity
        self.image_shape = tuple(image_shape)
        self.seed = seed
        self.condition_shape = None if condition_shape is None else tuple(condition_shape)

    def build(self, input_shape):
        batch = input_shape[0]
        if batch is not None and self.capacity < (batch + 1) // 2:
            raise ValueError(f"a replay buffer of {self.capacity} pictures cannot supply half of a batch of {batch}")
        # Replicas of a distribution strategy share the history of the first one.
        self.history = self._state((self.capacity, *self.image_shape), "float32", "history")
        self.conditions = None
        if self.condition_shape is not None:
            self.conditions = self._state((self.capacity, *self.condition_shape), "float32", "conditions")
        self.filled = self._state((), "int32", "filled")
        self.calls = self._state((), "int32", "calls")
        super().build(input_shape)

    def call(self, images, conditions=None):
        """Returns the mixed pictures; with `condition_shape`, (pictures, conditions) that belong together."""
        count = tf.shape(images)[0]
        most = (count + 1) // 2  # a constant for XLA; an odd batch uses one position fewer every other time
        filled, calls = tf.convert_to_tensor(self.filled), tf.convert_to_tensor(self.calls)
        half = (count + 1 - calls % 2) // 2
        is_used = tf.range(most) < half  # (N/2,)
        full = filled >= self.capacity
        # Batch and history are shuffled by sorting random numbers.
        seed = tf.stack([tf.constant(self.seed, tf.int32), calls])
        order = tf.argsort(tf.random.stateless_uniform(tf.shape(images)[:1], seed))  # (N,)
        chosen = tf.argsort(tf.random.stateless_uniform((self.capacity,), seed + 1))[:most]  # (N/2,)
        places = tf.where(full, chosen, (filled + tf.range(most)) % self.capacity)  # (N/2,)
        # Pictures of a diverged step pass, so that the step is detected and skipped, but are not stored.
        finite = tf.reduce_all(tf.math.is_finite(images))
        exchanged = [(self.history, images)]
        if self.conditions is not None:
            exchanged.append((self.conditions, conditions))
        mixed = []
        for variable, batch in exchanged:
            history = tf.convert_to_tensor(variable)
            newest, staying = tf.gather(batch, order[:most]), tf.gather(batch, order[most:])
            kept = tf.gather(history, places)
            goes_in = _each(is_used & finite, batch)
            variable.assign(tf.tensor_scatter_nd_update(history, places[:, None], tf.where(goes_in, newest, kept)))
            leaving = tf.where(_each(is_used, batch), kept, newest)
            mixed.append(tf.stop_gradient(tf.where(full & finite, tf.concat([leaving, staying], axis=0), batch)))
        self.filled.assign(tf.minimum(filled + tf.where(finite, half, 0), self.capacity))
        self.calls.assign(calls + 1)
        return mixed[0] if self.conditions is None else tuple(mixed)

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
            "condition_shape": None if self.condition_shape is None else list(self.condition_shape),
            "name": self.name,
        }


def _each(flags: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Reshapes (N,) flags to the rank of a batch."""
    return tf.reshape(flags, [-1] + [1] * (len(batch.shape) - 1))


def replay_for(
    capacity: int, picture_shape: tuple[int, int, int, int] | None, discriminator: keras.Model, scale: int
) -> ReplayBuffer | None:
    """Builds a buffer for the discriminator's inputs; None for a capacity of 0.

    Args:
        capacity: number of pictures to keep.
        picture_shape: (batch, H, W, 3) of hr.
        discriminator: for a conditional one, the buffer also stores LR pictures.
        scale: the generator's enlargement.

    Raises:
        ValueError: the shape is missing.
    """
    if not capacity:
        return None
    if picture_shape is None:
        raise ValueError("compile: a replay buffer needs picture_shape, the (batch, H, W, 3) of hr; add it")
    conditional = getattr(discriminator, "conditional", False)
    height, width = (side // scale for side in picture_shape[1:3])
    condition_shape = (height, width, 3) if conditional else None
    buffer = ReplayBuffer(capacity, picture_shape[1:], condition_shape=condition_shape)
    buffer.build(picture_shape)
    return buffer


def replayed(replay, fake: tf.Tensor, lr: tf.Tensor, conditional: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """The discriminator's fake pictures and their LR; with a buffer, some are from earlier steps."""
    if replay is None:
        return fake, lr
    return replay(fake, lr) if conditional else (replay(fake), lr)
