"""A generator as a function of pictures: one compilation for every size, integers in and out, symmetries averaged."""

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import DTypeLike

from sr_gan_tf.inference.memory import bytes_per_pixel
from sr_gan_tf.inference.receptive_field import ReceptiveField, receptive_field

# A picture is continued beyond its edges by this many mirrored pixels, which are cut off again after the network. The
# zeros that convolutions pad with would show as a frame, off by up to 35 levels on flat saturated colors; after 8
# mirrored pixels the shipped networks have 0.1 level left of that. The edge pixel itself is repeated ("symmetric"):
# shrinking a picture mirrored in this way gives the mirrored small picture, which is what networks are trained on.
BORDER = 8


class Enlarger:
    """Runs a generator over windows of pictures, through one compiled function a kind of samples.

    Args:
        generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), float32 in [0, 1].
        ensemble: mean over the eight flips and turns of the picture.
    """

    def __init__(self, generator: keras.Model, ensemble: bool = False):
        self.generator = generator
        self.ensemble = ensemble
        self.scale = int(generator.scale)
        self.field: ReceptiveField = receptive_field(generator)
        self.border = _border(generator, self.field)
        self.bytes_per_pixel = bytes_per_pixel(generator)
        self.traces = 0
        self.measured: tuple[int, float] | None = None  # a halo and its error, once halo.py has measured them
        self._functions: dict[tuple[str, int, bool], tf.types.experimental.PolymorphicFunction] = {}

    def __call__(self, window: np.ndarray, rounded: bool = True) -> np.ndarray:
        """(H, W, C) to (scale*H, scale*W, C).

        uint8 and uint16 are rounded and clipped to the same type, or left as float32 on [0, 1] unless `rounded`;
        floats are neither rounded nor clipped. One channel is given to the network three times and the mean of its
        answer taken.
        """
        window = np.ascontiguousarray(window)
        if self.ensemble:
            result = self._mean_of_symmetries(window)
            return as_samples(result, window.dtype) if rounded else result
        return self._run(window, rounded)

    def _mean_of_symmetries(self, window: np.ndarray) -> np.ndarray:
        """Mean over the eight symmetries of the square, each undone after the network."""
        height, width, channels = window.shape
        total = np.zeros((height * self.scale, width * self.scale, channels), np.float32)
        for turned in (False, True):
            for rows, columns in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                x = window.swapaxes(0, 1) if turned else window
                x = self._run(np.ascontiguousarray(x[::rows, ::columns]), rounded=False)[::rows, ::columns]
                total += x.swapaxes(0, 1) if turned else x
        return total / np.float32(8)

    def _run(self, window: np.ndarray, rounded: bool) -> np.ndarray:
        key = (window.dtype.name, window.shape[2], rounded)
        if key not in self._functions:
            self._functions[key] = self._compiled(tf.as_dtype(window.dtype), window.shape[2], rounded)
        return self._functions[key](tf.convert_to_tensor(window)).numpy()

    def _compiled(self, dtype: tf.DType, channels: int, rounded: bool):
        peak = dtype.max if dtype.is_integer else None

        # One function for windows of every size: a picture must not cost a compilation.
        @tf.function(input_signature=[tf.TensorSpec((None, None, channels), dtype)])
        def enlarge(window):
            self.traces += 1
            image = tf.cast(window, tf.float32)
            if peak is not None:
                image /= peak
            if channels == 1:
                image = tf.repeat(image, 3, axis=2)
            result = tf.cast(self.generator(image[None], training=False)[0], tf.float32)
            if channels == 1:
                result = tf.reduce_mean(result, axis=2, keepdims=True)
            if peak is None or not rounded:
                return result
            return tf.cast(tf.round(tf.clip_by_value(result * peak, 0, peak)), dtype)

        return enlarge


def _border(generator: keras.Model, field: ReceptiveField) -> int:
    """Pixels by which pictures are continued beyond their edges for this network; see `BORDER`."""
    # An exported model does so itself. A network that looks at the whole picture would see its edges twice; one with
    # large strides would see the picture off its grid, or get several times as much to do.
    if getattr(generator, "continues_edges", False) or field.halo is None or field.alignment > BORDER:
        return 0
    return -(-min(BORDER, field.halo) // field.alignment) * field.alignment


def enlarger_of(generator: keras.Model) -> Enlarger:
    """The generator's Enlarger; made once for each generator, so that its function is compiled once."""
    # Through vars(), since Keras's own attributes become parts of the model.
    if "_enlarger" not in vars(generator):
        vars(generator)["_enlarger"] = Enlarger(generator)
    return vars(generator)["_enlarger"]


def as_samples(values: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """float32 on [0, 1] rounded and clipped to uint8 or uint16; floats as they are."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return values
    peak = np.iinfo(dtype).max
    return np.rint(np.clip(values * peak, 0, peak)).astype(dtype)
