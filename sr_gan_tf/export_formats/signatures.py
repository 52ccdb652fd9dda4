"""The module from which a SavedModel is written: a generator with the signatures of a model server.

`serving_default` and `float` take tensors, `encoded` takes the bytes of picture files, each of any size: the loop over
tiles is part of the graph (graph_tiles.py). Only stock operations of TensorFlow are used, so that a model server
without Python can run it.
"""

from pathlib import Path

import keras
import tensorflow as tf

from sr_gan_tf.export_formats.decoding import Decoder
from sr_gan_tf.export_formats.graph_tiles import GraphTiles, rounded
from sr_gan_tf.export_formats.transparency import extended_colors_tf
from sr_gan_tf.inference.tiling import Tiling
from sr_gan_tf.resampling import imresize_tf

# The fastest level: the default one takes longer than a small model's network.
_COMPRESSION = 1
# Bicubic interpolation reads this many LR pixels around an output pixel.
_BICUBIC = Tiling(halo=3, exact=True, tile=(512, 512))


class Served:
    """A generator with its signatures; `write` saves them as a SavedModel.

    Args:
        generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), merged.
        tiling: how pictures are cut; see `graph_tiles.fixed_tiling`.
        max_megapixels: larger encoded pictures are refused.
    """

    def __init__(self, generator: keras.Model, tiling: Tiling, max_megapixels: float):
        self.generator = generator
        self.scale = int(generator.scale)
        self.tiling = tiling
        self.decode = Decoder(max_megapixels)
        # All signatures call this one function, so that the file contains the network only once.
        self.network = tf.function(
            self._network, autograph=False, input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)]
        )
        self.enlarge = {
            dtype: tf.function(
                lambda images, is_gray, dtype=dtype: self._enlarge(images, is_gray, dtype),
                autograph=False,
                input_signature=[tf.TensorSpec((None, None, None, 3), dtype), tf.TensorSpec((), tf.bool)],
            )
            for dtype in (tf.uint8, tf.uint16, tf.float32)
        }

    def signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Maps the name of each signature to its function."""

        def tensors(dtype):
            @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, None, None, 3), dtype, name="images")])
            def serve(images):
                with tf.control_dependencies([_three_channels(images)]):
                    images = tf.identity(images)
                return {"outputs": self.enlarge[dtype](images, False)}

            return serve

        @tf.function(autograph=False, input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
        def encoded(image_bytes):
            output_bytes, status = tf.map_fn(
                self._encoded,
                image_bytes,
                fn_output_signature=(tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.string)),
                parallel_iterations=1,
            )
            return {"output_bytes": output_bytes, "status": status}

        return {"serving_default": tensors(tf.uint8), "float": tensors(tf.float32), "encoded": encoded}

    def write(self, folder: str | Path) -> None:
        """Writes the SavedModel; the folder may exist."""
        # Keras's own objects are left out: the SavedModel contains the variables and the graphs.
        module = tf.Module(name="super_resolution")
        module.weights = [variable.value for variable in self.generator.variables]
        logger = tf.get_logger()
        before = logger.level
        logger.setLevel("ERROR")  # the location of its files is reported elsewhere, in fewer words
        try:
            tf.saved_model.save(module, str(folder), signatures=self.signatures())
        finally:
            logger.setLevel(before)

    def _network(self, images: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.generator(images, training=False), tf.float32)

    def _enlarge(self, images: tf.Tensor, is_gray: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        def function(window):
            values = tf.cast(window, tf.float32)
            values = self.network(values if dtype.is_floating else values / dtype.max)

            def gray():
                return tf.broadcast_to(tf.reduce_mean(values, axis=-1, keepdims=True), tf.shape(values))

            return tf.cond(is_gray, gray, lambda: values)

        return GraphTiles(function, rounded(dtype), 3, self.scale, self.tiling)(images)

    def _encoded(self, contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Enlarges one file's bytes; returns PNG bytes and the status."""
        eight, sixteen, status = self.decode(contents)
        output = tf.cond(
            tf.size(sixteen) > 0,
            lambda: self._png(sixteen),
            lambda: tf.cond(tf.size(eight) > 0, lambda: self._png(eight), lambda: tf.constant("")),
        )
        return output, status

    def _png(self, picture: tf.Tensor) -> tf.Tensor:
        """Enlarges pixels (H, W, 1 to 4) and encodes a PNG; gray stays gray, alpha is enlarged bicubically."""
        channels = tf.shape(picture)[2]
        is_gray, has_alpha = channels <= 2, tf.equal(channels % 2, 0)
        colors = picture[..., : channels - tf.cast(has_alpha, tf.int32)]
        alpha = picture[..., -1:]
        colors = tf.cond(has_alpha, lambda: extended_colors_tf(colors, alpha[..., 0]), lambda: colors)
        colors = tf.cond(is_gray, lambda: tf.concat([colors[..., :1]] * 3, axis=2), lambda: colors)
        colors = tf.ensure_shape(colors, (None, None, 3))
        enlarged = self.enlarge[picture.dtype](colors[None], is_gray)[0]
        enlarged = tf.cond(is_gray, lambda: enlarged[..., :1], lambda: enlarged)
        enlarged = tf.cond(
            has_alpha, lambda: tf.concat([enlarged, self._enlarged_alpha(alpha[None])[0]], axis=2), lambda: enlarged
        )
        return tf.io.encode_png(tf.ensure_shape(enlarged, (None, None, None)), compression=_COMPRESSION)

    def _enlarged_alpha(self, alpha: tf.Tensor) -> tf.Tensor:
        def bicubic(window):
            return tf.cast(imresize_tf(window, float(self.scale)), tf.float32)

        return GraphTiles(bicubic, lambda values: tf.cast(values, alpha.dtype), 1, self.scale, _BICUBIC)(alpha)


def _three_channels(images: tf.Tensor) -> tf.Operation:
    """Reports the expected shape: a model server passes tensors of any shape, and a convolution's error is obscure."""
    # A placeholder hides the shape: from a declared shape, the optimizer would conclude that the check is needless.
    shape = tf.shape(tf.raw_ops.PlaceholderWithDefault(input=images, shape=tf.TensorShape(None)))
    message = tf.strings.format(
        "images: expected shape (N, H, W, 3), found {}; drop the alpha channel, repeat a gray one", shape
    )
    fits = tf.logical_and(tf.equal(tf.size(shape), 4), tf.equal(shape[-1], 3))
    return tf.debugging.Assert(fits, [message])
