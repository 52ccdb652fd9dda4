"""Recomputation (gradient checkpointing, Chen et al. 2016, arXiv:1604.06174): less memory for one more forward pass.

The feature maps between a network's blocks are stored; those inside a block are recomputed for its gradients.
"""

import itertools
from collections.abc import Callable

import keras
import tensorflow as tf

from sr_gan_tf.networks import Generator


def recomputed(generator: Generator) -> Callable[[tf.Tensor], tf.Tensor]:
    """The generator in training, from LR to SR, as a function with the same gradients and less memory.

    It calls the generator's own layers, so weights, files and averages do not change. The generator's `block_names()`
    are the layers before the first block and at the end of each one. A block sees only the one before it; layers after
    the last block may also see the first of these, and LR.

    Raises:
        ValueError: the generator has no blocks.
    """
    if not hasattr(generator, "block_names"):
        raise ValueError(
            f"recompute: {generator.title} has no blocks to recompute, only RRDBNet does; remove recompute, and set "
            "accumulate or a smaller batch instead"
        )
    lr = generator.inputs[0]
    ends = [generator.get_layer(name).output for name in generator.block_names()]
    first = keras.Model(lr, ends[0])
    blocks = [keras.Model(start, end) for start, end in itertools.pairwise(ends)]
    # The layers after the blocks may also use the input of the first block, and LR.
    last = keras.Model([lr, ends[0], ends[-1]], generator.outputs[0])

    def enlarged(pictures: tf.Tensor) -> tf.Tensor:
        start = x = first(pictures, training=True)
        for block in blocks:
            x = tf.recompute_grad(lambda maps, block=block: block(maps, training=True))(x)
        return tf.recompute_grad(lambda *maps: last(list(maps), training=True))(pictures, start, x)

    return enlarged
