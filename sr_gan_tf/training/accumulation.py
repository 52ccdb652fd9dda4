"""Gradient accumulation: a batch passes through the networks in parts, one after another, and gives one update.

Memory holds the feature maps of one part. If a loss is a mean over images, the mean of the gradients of equal parts is
the gradient of the whole batch. Batch statistics (batch normalization, relativistic losses) are those of a part.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from sr_gan_tf.training.replay import replayed
from sr_gan_tf.training.terms import Logs, log_names

if TYPE_CHECKING:
    from sr_gan_tf.training.gan import GAN


def in_parts(parts: int, function: Callable[..., tuple[Any, Any]], *batches: tf.Tensor) -> tuple[Any, Any]:
    """Runs `function` on equal parts of a batch, in order and never on two at once.

    Args:
        parts: number of parts; 1 calls `function` on the whole batch.
        function: maps tensors to two structures of tensors: the first is averaged over the parts, the second has one
            entry per image.
        batches: (N, ...) each; N must be a multiple of `parts`.

    Returns:
        The means, and the second structure for the whole batch.
    """
    if parts == 1:
        return function(*batches)
    count = tf.shape(batches[0])[0]
    multiple = f"accumulate: the batch cannot be split into {parts} equal parts; pass a multiple of {parts} images"
    tf.debugging.assert_equal(count % parts, 0, multiple)
    stacked = [_stacked(batch, parts, count) for batch in batches]
    if tf.executing_eagerly():
        results = [function(*(batch[number] for batch in stacked)) for number in range(parts)]
        means, joined = zip(*results, strict=True)
        return (
            tf.nest.map_structure(lambda *values: tf.add_n(values) / parts, *means),
            tf.nest.map_structure(lambda *values: tf.concat(values, 0), *joined),
        )
    specs = [tf.TensorSpec(batch.shape[1:], batch.dtype) for batch in stacked]
    one_part = tf.function(function, autograph=False).get_concrete_function(*specs)
    means, joined = one_part.structured_outputs
    zeros = tf.nest.map_structure(lambda value: tf.zeros(value.shape, value.dtype), means)
    empty = tf.nest.map_structure(lambda value: tf.TensorArray(value.dtype, parts, element_shape=value.shape), joined)

    def add_part(number, sums, arrays):
        means, joined = one_part(*(batch[number] for batch in stacked))
        sums = tf.nest.map_structure(tf.add, sums, means)
        return number + 1, sums, tf.nest.map_structure(lambda array, value: array.write(number, value), arrays, joined)

    _, sums, arrays = tf.while_loop(
        lambda number, *_: number < parts, add_part, (0, zeros, empty), parallel_iterations=1, maximum_iterations=parts
    )
    return (
        tf.nest.map_structure(lambda value: value / parts, sums),
        tf.nest.map_structure(lambda array: array.concat(), arrays),
    )


def _stacked(batch: tf.Tensor, parts: int, count: tf.Tensor) -> tf.Tensor:
    """(N, ...) to (parts, N / parts, ...)."""
    known = batch.shape[0]
    size = count // parts if known is None else known // parts
    if None in batch.shape[1:]:
        return tf.reshape(batch, tf.concat([[parts, size], tf.shape(batch)[1:]], 0))
    return tf.reshape(batch, [parts, size, *batch.shape[1:]])


def gan_step(trainer: "GAN", lr: tf.Tensor, hr: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, Logs]:
    """A train step of `GAN` whose batch passes through the networks in parts.

    The gradients of both networks are computed before either is updated. This is the same step, because the
    discriminator sees the images from before the generator's update in any case.

    Returns:
        Whether all updates were finite, the generated images, and the logs.
    """

    def discriminator_gradients(tape, lr, hr, fake, fake_lr, logs, verdict=None):
        """The discriminator's whole loss, with penalties, and its gradients."""
        network = trainer.discriminator
        with tape:
            trainer.watch(tape, network)
            loss, views = trainer.discriminator_terms(lr, hr, fake, fake_lr, logs, verdict)
            loss += trainer.historical_term("discriminator", logs) + trainer.penalty_terms(views, logs)
        return loss, trainer.gradients(network, tape, loss)

    def learn(lr, hr):
        logs: Logs = {}
        sr, loss, verdict, (tape, judging) = trainer.generator_pass(lr, hr, logs)
        if turn is True:
            gradients = trainer.gradients(trainer.generator, tape, loss)
        else:
            weights = trainer.generator.trainable_variables
            none = [tf.zeros(weight.shape, weight.dtype) for weight in weights]
            gradients = tf.cond(turn, lambda: trainer.gradients(trainer.generator, tape, loss), lambda: none)
            gradients = [tf.ensure_shape(one, weight.shape) for one, weight in zip(gradients, weights, strict=True)]
        fake, fake_lr = replayed(trainer.replay, tf.stop_gradient(sr), lr, trainer.discriminator.conditional)
        views = (lr, hr, fake, fake_lr)
        if trainer.verdict_stands:
            answer = discriminator_gradients(judging, *views, logs, verdict)
        else:
            answer = discriminator_gradients(tf.GradientTape(), *views, logs)
        return (logs, gradients, answer), (sr, fake, fake_lr)

    def judge(lr, hr, fake, fake_lr):
        logs: Logs = {}
        return (logs, discriminator_gradients(tf.GradientTape(), lr, hr, fake, fake_lr, logs)), ()

    def update(name, loss, gradients, turn, unknown):
        """As in a step without parts, a network that rests logs no gradients and has no faulty ones."""
        network, optimizer = getattr(trainer, name), getattr(trainer, f"{name}_optimizer")
        all_finite = trainer.update(network, optimizer, loss, gradients, logs, name, turn)
        for each in (*unknown, f"{name}_gradient_norm"):
            logs[each] = tf.where(turn, logs[each], 0.0)
        return all_finite | (tf.logical_not(turn) & tf.math.is_finite(loss))

    turn = trainer.turns.generator(trainer.stage_step)
    (logs, gradients, answer), (sr, fake, fake_lr) = in_parts(trainer.accumulate, learn, lr, hr)
    finite = update("generator", logs["loss"], gradients, turn, ())
    for number in range(trainer.balance.discriminator_steps):
        if number > 0:
            (terms, answer), _ = in_parts(trainer.accumulate, judge, lr, hr, fake, fake_lr)
            logs |= terms
        turn = trainer.turns.discriminator(trainer.stage_step, logs)
        finite &= update("discriminator", answer[0], answer[1], turn, log_names(trainer.penalties))
    return finite, sr, logs
