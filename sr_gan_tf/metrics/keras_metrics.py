"""PSNR and SSIM as Keras metrics over float batches: the same protocol as psnr_ssim.py, in TensorFlow operations.

They work inside `fit`, `evaluate`, tf.function and XLA. The pictures of a batch count individually, so that the result
is the mean of the pictures' values, as in all published tables.
"""

import keras
import tensorflow as tf

from sr_gan_tf.metrics.names import protocol_name

_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def eight_bits(images, channels: str, crop: int) -> tf.Tensor:
    """Converts (N, H, W, 3) in [0, 1] to the compared float64 values, 0..255: RGB, or luma (`y` rounded, `yfloat`)."""
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    images = images[:, crop : height - crop, crop : width - crop]
    images = tf.floor(tf.clip_by_value(tf.cast(images, tf.float64), 0.0, 1.0) * 255.0 + 0.5)
    if channels == "rgb":
        return images
    y = 16.0 + tf.reduce_sum(images * tf.constant(_LUMA, tf.float64), axis=-1, keepdims=True)
    return tf.floor(y + 0.5) if channels == "y" else y


def batch_psnr(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """(N,) PSNR in dB of pictures of 0..255; infinite for equal ones."""
    error = tf.reduce_mean(tf.math.squared_difference(hr, sr), axis=(1, 2, 3))
    return 10.0 * (tf.math.log(255.0**2 / error) / tf.math.log(tf.constant(10.0, tf.float64)))


def batch_ssim(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """(N,) SSIM of one-channel pictures (N, H, W, 1) of 0..255, at least 11 pixels per side."""
    x = tf.range(-5, 6, dtype=tf.float64)
    taps = tf.exp(-0.5 * tf.square(x / 1.5))
    taps = tf.reshape(taps / tf.reduce_sum(taps), (11, 1, 1, 1))
    count = tf.shape(hr)[0]
    planes = tf.concat([hr, sr, hr * sr, tf.square(hr) + tf.square(sr)], axis=0)
    planes = tf.nn.conv2d(planes, taps, 1, "VALID")
    planes = tf.nn.conv2d(planes, tf.transpose(taps, (1, 0, 2, 3)), 1, "VALID")
    mean_hr, mean_sr, product, squares = (planes[i * count : (i + 1) * count] for i in range(4))
    means, mean_squares = mean_hr * mean_sr, tf.square(mean_hr) + tf.square(mean_sr)
    contrast = (2.0 * (product - means) + _C2) / (squares - mean_squares + _C2)
    return tf.reduce_mean(contrast * (2.0 * means + _C1) / (mean_squares + _C1), axis=(1, 2, 3))


@keras.saving.register_keras_serializable("sr_gan_tf")
class PSNR(keras.metrics.Mean):
    """Mean PSNR in dB of a batch's pictures, (N, H, W, 3) in [0, 1] both.

    Args:
        crop: pixels cut from each border; the published protocol cuts `scale`.
        channels: `y` rounded luma, `yfloat` unrounded luma, `rgb` all three channels.
        name: default: the protocol's, e.g. `psnr_y_crop4`.
    """

    def __init__(self, crop: int, channels: str = "y", name: str | None = None):
        _check(crop, channels, ("y", "yfloat", "rgb"))
        super().__init__(name=name or protocol_name(f"psnr_{channels}", crop))
        self._direction = "up"  # read by Keras's callbacks
        self.crop, self.channels = crop, channels

    def update_state(self, y_true, y_pred, sample_weight=None):
        hr, sr = (eight_bits(images, self.channels, self.crop) for images in (y_true, y_pred))
        return super().update_state(batch_psnr(hr, sr), sample_weight)

    def get_config(self) -> dict:
        return {"crop": self.crop, "channels": self.channels, "name": self.name}


@keras.saving.register_keras_serializable("sr_gan_tf")
class SSIM(keras.metrics.Mean):
    """Mean SSIM of the luma of a batch's pictures, (N, H, W, 3) in [0, 1] both.

    Args:
        crop: pixels cut from each border; the published protocol cuts `scale`.
        channels: `y` rounded luma, `yfloat` unrounded luma.
        name: default: the protocol's, e.g. `ssim_y_crop4`.
    """

    def __init__(self, crop: int, channels: str = "y", name: str | None = None):
        _check(crop, channels, ("y", "yfloat"))
        super().__init__(name=name or protocol_name(f"ssim_{channels}", crop))
        self._direction = "up"  # read by Keras's callbacks
        self.crop, self.channels = crop, channels

    def update_state(self, y_true, y_pred, sample_weight=None):
        hr, sr = (eight_bits(images, self.channels, self.crop) for images in (y_true, y_pred))
        return super().update_state(batch_ssim(hr, sr), sample_weight)

    def get_config(self) -> dict:
        return {"crop": self.crop, "channels": self.channels, "name": self.name}


def _check(crop: int, channels: str, known: tuple[str, ...]) -> None:
    if channels not in known:
        raise ValueError(f"no channels {channels!r}; expected one of {', '.join(known)}")
    if crop < 0:
        raise ValueError(f"crop is {crop} pixels; expected 0 or more")
