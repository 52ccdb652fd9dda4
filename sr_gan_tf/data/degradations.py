"""Degradations, which make an LR picture from its HR picture (realistic.py contains the realistic one).

Each degradation maps one uint8 picture (H, W, 3) to a uint8 LR picture, as in a file. It accepts NumPy arrays or
TensorFlow tensors, eagerly or inside tf.data, and always returns the same bits, because the arithmetic is the same
NumPy code.
"""

import abc
import dataclasses
import inspect
from typing import Literal

import numpy as np
import tensorflow as tf

from sr_gan_tf.data import kernels
from sr_gan_tf.data.noise import through_jpeg, to_bytes, with_gaussian_noise
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.resampling import imresize


class Degradation:
    """Maps HR to LR: (H, W, 3) or (N, H, W, 3) uint8 to (.., H/scale, W/scale, 3) uint8.

    `is_random`: LR varies, so it is made from each crop; otherwise it is made once from the whole picture and stored.
    `margin`: HR pixels around a crop that its LR depends on (a multiple of the scale).
    """

    scale: int
    is_random = False
    margin = 0

    @abc.abstractmethod
    def degrade(self, hr: np.ndarray, draws: Draws) -> np.ndarray:
        """The LR picture of one HR picture; `draws` provides the random numbers."""
        raise NotImplementedError

    def __call__(self, hr, seed=0):
        """LR of one picture, or of a batch, in which picture i uses (seed, i); `seed` may be a tensor."""
        if not tf.is_tensor(hr) or tf.executing_eagerly():
            return self._batch(np.asarray(hr), int(seed))
        lr = tf.numpy_function(self._batch, [hr, tf.cast(seed, tf.int64)], tf.uint8, stateful=False)
        sizes = [size and size // self.scale for size in hr.shape[-3:-1]] if hr.shape.rank else [None, None]
        return tf.ensure_shape(lr, [*hr.shape[:-3], *sizes, 3])

    def _batch(self, hr: np.ndarray, seed: int) -> np.ndarray:
        if hr.ndim == 3:
            return self.degrade(hr, Draws(seed, 0))
        return np.stack([self.degrade(one, Draws(seed, number)) for number, one in enumerate(hr)])

    def get_config(self) -> dict:
        names = inspect.signature(type(self).__init__).parameters
        values = {name: getattr(self, name) for name in names if name != "self"}
        return {
            name: dataclasses.asdict(value)
            if dataclasses.is_dataclass(value) and not isinstance(value, type)
            else value
            for name, value in values.items()
        }


class Bicubic(Degradation):
    """MATLAB's antialiased bicubic reduction, bit for bit.

    Args:
        scale: HR pixels per LR pixel.
        border: `replicate` as in published LR files, `symmetric` as in newer versions of MATLAB.
    """

    def __init__(self, scale: int, border: Literal["replicate", "symmetric"] = "replicate"):
        self.scale, self.border = scale, border

    def degrade(self, hr: np.ndarray, draws: Draws) -> np.ndarray:
        return imresize(hr, size=_reduced(hr, self.scale), border=self.border)


class Resize(Degradation):
    """Reduction with any kernel of `imresize`.

    Args:
        scale: HR pixels per LR pixel.
        kernel: the interpolation; `area` averages the pixels that an LR pixel covers.
        antialias: whether to widen the kernel by the scale (`nearest` and `area` do not change).
        border: `replicate` or `symmetric`.
    """

    def __init__(
        self,
        scale: int,
        kernel: Literal["bicubic", "bilinear", "area", "lanczos2", "lanczos3", "nearest", "box"],
        antialias: bool = True,
        border: Literal["replicate", "symmetric"] = "replicate",
    ):
        if kernel in ("nearest", "area") and not antialias:
            raise ValueError(f"antialias: has no effect with the kernel {kernel!r}; remove it")
        if kernel in ("nearest", "area", "box") and border != "replicate":
            raise ValueError(f"border: has no effect with the kernel {kernel!r}, which looks at none; remove it")
        self.scale, self.kernel, self.antialias, self.border = scale, kernel, antialias, border

    def degrade(self, hr: np.ndarray, draws: Draws) -> np.ndarray:
        return imresize(
            hr, size=_reduced(hr, self.scale), kernel=self.kernel, antialias=self.antialias, border=self.border
        )


class BlurResize(Degradation):
    """Gaussian blur of random width and reduction, in either order; mirrors the picture at its edges.

    The recipe of the CelebA SRGAN reduces first (256 to 64 pixels, bilinear) and blurs the LR picture with 25 taps.

    Args:
        scale: HR pixels per LR pixel.
        sigma: range of the Gaussian's standard deviation, in pixels of the blurred picture.
        taps: side of the kernel in pixels, odd.
        order: `resize_blur` blurs the LR picture, `blur_resize` the HR picture.
        kernel: kernel of the reduction, antialiased.
    """

    is_random = True

    def __init__(
        self,
        scale: int,
        sigma: tuple[float, float] = (0.1, 2.0),
        taps: int = 25,
        order: Literal["resize_blur", "blur_resize"] = "resize_blur",
        kernel: Literal["bicubic", "bilinear", "area", "lanczos2", "lanczos3"] = "bilinear",
    ):
        if not 0 < sigma[0] <= sigma[1]:
            raise ValueError(f"sigma: expected a range [low, high] above 0, found {list(sigma)}")
        if taps < 3 or taps % 2 == 0:
            raise ValueError(f"taps: expected an odd number from 3, found {taps}")
        self.scale, self.sigma, self.taps, self.order, self.kernel = scale, sigma, taps, order, kernel
        # Pixels beyond three standard deviations plus the kernel of the reduction have no effect.
        reach = min(taps // 2, int(np.ceil(3 * sigma[1]))) * (scale if order == "resize_blur" else 1) + 3 * scale
        self.margin = -(-reach // scale) * scale

    def degrade(self, hr: np.ndarray, draws: Draws) -> np.ndarray:
        sigma = draws.uniform(*self.sigma)
        blur = kernels.gaussian(self.taps, (sigma, sigma))
        image, size = hr.astype(np.float32) / np.float32(255), _reduced(hr, self.scale)
        if self.order == "blur_resize":
            return to_bytes(imresize(kernels.blurred(image, blur), size=size, kernel=self.kernel))
        return to_bytes(kernels.blurred(imresize(image, size=size, kernel=self.kernel), blur))


class NoiseJPEG(Degradation):
    """MATLAB's bicubic reduction (none at scale 1), then Gaussian noise and JPEG, e.g. to restore at the same size.

    Args:
        scale: HR pixels per LR pixel.
        sigma: range of the noise's standard deviation, gray levels of 255; (0, 0) for none.
        gray: probability that the noise is the same in all channels.
        jpeg: range of qualities, 1 to 100; None for no JPEG.
        margin: HR pixels around a crop that are degraded with it, so that the JPEG grid has any offset; rounded up to a
            multiple of the scale.
    """

    is_random = True

    def __init__(
        self,
        scale: int,
        sigma: tuple[float, float] = (0.0, 15.0),
        gray: float = 0.4,
        jpeg: tuple[int, int] | None = (30, 95),
        margin: int = 16,
    ):
        if not 0 <= sigma[0] <= sigma[1]:
            raise ValueError(f"sigma: expected a range [low, high] of 0 or more, found {list(sigma)}")
        if jpeg and not 1 <= jpeg[0] <= jpeg[1] <= 100:
            raise ValueError(f"jpeg: expected a range of qualities within 1 and 100, found {list(jpeg)}")
        if not 0 <= gray <= 1 or margin < 0:
            raise ValueError(f"expected gray in [0, 1] and margin of 0 or more, found {gray}, {margin}")
        if not sigma[1] and not jpeg:
            raise ValueError("sigma is 0 and jpeg is none, so neither is added; use Bicubic")
        if not sigma[1] and gray != 0.4:
            raise ValueError("gray: has no effect, since sigma is 0; remove it")
        self.scale, self.sigma, self.gray, self.jpeg = scale, sigma, gray, jpeg
        self.margin = -(-margin // scale) * scale

    def degrade(self, hr: np.ndarray, draws: Draws) -> np.ndarray:
        image = imresize(hr, size=_reduced(hr, self.scale)).astype(np.float32) / np.float32(255)
        sigma, is_gray = draws.uniform(*self.sigma), draws.chance(self.gray)
        if sigma > 0:
            image = with_gaussian_noise(image, sigma, is_gray, draws.generator())
        if self.jpeg:
            quality = self.jpeg[0] + draws.integer(self.jpeg[1] - self.jpeg[0] + 1)
            image = through_jpeg(image, quality, (draws.integer(8), draws.integer(8)))
        return to_bytes(image)


def _reduced(hr: np.ndarray, scale: int) -> tuple[int, int]:
    return hr.shape[0] // scale, hr.shape[1] // scale
