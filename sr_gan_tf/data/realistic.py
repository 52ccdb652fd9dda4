"""The second-order degradation of Real-ESRGAN (arXiv:2107.10833): simulates pictures from the web.

Two rounds of blur, resize, noise and JPEG with random strengths, then a last resize to the LR size with a sinc filter,
before or after the second JPEG. The defaults are those of the published x4 configuration. Differences: a real JPEG
encoder (the published code uses a differentiable approximation) with any offset of its 8x8 grid, and no picture is
resized below 4 pixels.
"""

import dataclasses
import math

import numpy as np
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from sr_gan_tf.data import kernels
from sr_gan_tf.data.degradations import Degradation
from sr_gan_tf.data.noise import through_jpeg, to_bytes, with_gaussian_noise, with_poisson_noise
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.resampling import imresize

Range = tuple[float, float]

_SHAPES = {
    "iso": 0.45, "aniso": 0.25, "generalized_iso": 0.12, "generalized_aniso": 0.03, "plateau_iso": 0.12,
    "plateau_aniso": 0.03,
}  # fmt: skip
_RESIZERS = ["area", "bilinear", "bicubic"]
_LEAST = 4


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Round:
    """One round of blur, resize, noise and JPEG. Ranges are uniform, probabilities in [0, 1].

    Args:
        blur: probability of blurring.
        shapes: weights of the kernel shapes.
        sinc: probability of a sinc filter instead of them.
        kernel_size: range of the side of the kernel in pixels, odd.
        sigma: range of the standard deviation in pixels; anisotropic kernels draw twice.
        generalized_beta, plateau_beta: ranges of exponents; if a range contains 1, half of the draws are below 1 and
            half above. Half of the published plateaus, with the range 1 to 2, therefore have exactly 1.
        up, down, keep: weights of the resize directions.
        resize: range of factors; below 1 for `down`, above 1 for `up`.
        gaussian: probability of Gaussian noise; otherwise Poisson noise.
        gaussian_sigma: range of the standard deviation in gray levels of 255.
        poisson_scale: range of factors of the noise of a sensor with as many levels as the picture.
        gray: probability that the noise is the same in all channels.
        jpeg: range of qualities, 1 to 100; None for no JPEG.
    """

    blur: float = 1.0
    shapes: dict[str, float] = dataclasses.field(default_factory=lambda: dict(_SHAPES))
    sinc: float = 0.1
    kernel_size: tuple[int, int] = (7, 21)
    sigma: Range = (0.2, 3.0)
    generalized_beta: Range = (0.5, 4.0)
    plateau_beta: Range = (1.0, 2.0)
    up: float = 0.2
    down: float = 0.7
    keep: float = 0.1
    resize: Range = (0.15, 1.5)
    gaussian: float = 0.5
    gaussian_sigma: Range = (1.0, 30.0)
    poisson_scale: Range = (0.05, 3.0)
    gray: float = 0.4
    jpeg: tuple[int, int] | None = (30, 95)

    def __post_init__(self):
        unknown = set(self.shapes) - set(_SHAPES)
        if unknown or min(self.shapes.values(), default=0) < 0 or sum(self.shapes.values()) <= 0:
            raise ValueError(f"shapes: expected weights of {', '.join(_SHAPES)}, found {self.shapes}")
        for name in ("blur", "sinc", "gaussian", "gray"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: expected a probability in [0, 1], found {getattr(self, name)}")
        if min(self.up, self.down, self.keep) < 0 or self.up + self.down + self.keep <= 0:
            raise ValueError("up, down, keep: expected at least one weight above 0")
        lows = {"sigma": 0.05, "generalized_beta": 0.05, "plateau_beta": 0.05, "resize": 0.01, "gaussian_sigma": 0.0}
        for name, low in {**lows, "poisson_scale": 0.0, "kernel_size": 3, "jpeg": 1}.items():
            limits = getattr(self, name)
            if limits is not None and not low <= limits[0] <= limits[1]:
                raise ValueError(f"{name}: expected a range [low, high] of {low} or more, found {list(limits)}")
        if self.jpeg and self.jpeg[1] > 100:
            raise ValueError(f"jpeg: expected qualities of 100 or less, found {list(self.jpeg)}")
        if not any(size % 2 for size in range(self.kernel_size[0], self.kernel_size[1] + 1)):
            raise ValueError(f"kernel_size: expected a range with an odd number, found {list(self.kernel_size)}")
        self._refuse_idle()

    def _refuse_idle(self) -> None:
        """Raises ValueError for a setting that another one leaves without effect."""
        betas = ("generalized_beta", "plateau_beta")
        drawn = {name for name, weight in self.shapes.items() if weight}
        idle = [
            (not self.blur, "blur is 0", ("shapes", "sinc", "kernel_size", "sigma", *betas)),
            (self.sinc == 1, "sinc is 1", ("shapes", "sigma", *betas)),
            (not any(name.startswith("generalized") for name in drawn), "no shape is generalized", betas[:1]),
            (not any(name.startswith("plateau") for name in drawn), "no shape is a plateau", betas[1:]),
            (not self.gaussian, "gaussian is 0", ("gaussian_sigma",)),
            (self.gaussian == 1, "gaussian is 1", ("poisson_scale",)),
            (not self.up + self.down, "up and down are 0", ("resize",)),
        ]
        for field in dataclasses.fields(self):
            factory = field.default_factory
            default = field.default if factory is dataclasses.MISSING else factory()
            for is_so, reason, names in idle:
                if is_so and field.name in names and getattr(self, field.name) != default:
                    raise ValueError(f"{field.name}: has no effect, since {reason}; remove it")

    def kernel(self, draws: Draws) -> np.ndarray:
        """A random blur kernel."""
        size = odd_size(self.kernel_size, draws)
        if draws.chance(self.sinc):
            return kernels.sinc(size, draws.uniform(math.pi / (3 if size < 13 else 5), math.pi))
        shape = draws.choice(list(self.shapes), list(self.shapes.values()))
        sigma = draws.uniform(*self.sigma)
        sigmas = (sigma, sigma)
        angle = 0.0
        if shape.endswith("aniso"):
            sigmas, angle = (sigma, draws.uniform(*self.sigma)), draws.uniform(-math.pi, math.pi)
        if shape.startswith("generalized"):
            return kernels.gaussian(size, sigmas, angle, _beta(self.generalized_beta, draws))
        if shape.startswith("plateau"):
            return kernels.plateau(size, sigmas, angle, _beta(self.plateau_beta, draws))
        return kernels.gaussian(size, sigmas, angle)

    def factor(self, draws: Draws) -> float:
        """A random resize factor."""
        what = draws.choice(["up", "down", "keep"], [self.up, self.down, self.keep])
        low, high = self.resize
        return {
            "up": lambda: draws.uniform(max(1.0, low), max(1.0, high)),
            "down": lambda: draws.uniform(min(1.0, low), min(1.0, high)),
            "keep": lambda: 1.0,
        }[what]()

    def noisy(self, image: np.ndarray, draws: Draws) -> np.ndarray:
        is_gaussian, is_gray = draws.chance(self.gaussian), draws.chance(self.gray)
        if is_gaussian:
            return with_gaussian_noise(image, draws.uniform(*self.gaussian_sigma), is_gray, draws.generator())
        return with_poisson_noise(image, draws.uniform(*self.poisson_scale), is_gray, draws.generator())

    def compressed(self, image: np.ndarray, draws: Draws) -> np.ndarray:
        if self.jpeg is None:
            return image
        quality = self.jpeg[0] + draws.integer(self.jpeg[1] - self.jpeg[0] + 1)
        return through_jpeg(image, quality, (draws.integer(8), draws.integer(8)))


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class SecondRound(Round):
    """The second round, milder by default; its resize factors are relative to the LR size."""

    blur: float = 0.8
    sigma: Range = (0.2, 1.5)
    up: float = 0.3
    down: float = 0.4
    keep: float = 0.3
    resize: Range = (0.3, 1.2)
    gaussian_sigma: Range = (1.0, 25.0)
    poisson_scale: Range = (0.05, 2.5)


class Realistic(Degradation):
    """Random blur, resizing, noise and JPEG in two rounds, drawn anew for each crop.

    Args:
        scale: HR pixels per LR pixel.
        first, second: the ranges of the two rounds; None for the published ones.
        final_sinc: probability of the last sinc filter.
        final_kernel_size: range of the side of its kernel in pixels, odd.
        resizers: interpolations with equal probability, without antialiasing as in the published code.
        margin: HR pixels around a crop that are degraded with it and then cropped, to reduce the effect of mirrored
            borders; rounded up to a multiple of the scale. A larger margin costs time.
        clean: probability that a crop is only reduced (bicubic, antialiased), so that a network learns to preserve
            clean pictures; 0 in the published code.
    """

    is_random = True

    def __init__(
        self,
        scale: int,
        first: Round | None = None,
        second: SecondRound | None = None,
        final_sinc: float = 0.8,
        final_kernel_size: tuple[int, int] = (7, 21),
        resizers: list[str] = _RESIZERS,
        margin: int = 16,
        clean: float = 0.0,
    ):
        if not resizers or set(resizers) - set(_RESIZERS):
            raise ValueError(f"resizers: expected some of {', '.join(_RESIZERS)}, found {resizers}")
        if not 0 <= final_sinc <= 1 or margin < 0:
            raise ValueError(f"expected final_sinc in [0, 1] and margin of 0 or more, found {final_sinc}, {margin}")
        if not 0 <= clean <= 1:
            raise ValueError(f"clean: expected a probability in [0, 1], found {clean}")
        if not final_sinc and tuple(final_kernel_size) != (7, 21):
            raise ValueError("final_kernel_size: has no effect, since final_sinc is 0; remove it")
        rest = (final_sinc, tuple(final_kernel_size), resizers, margin)
        if clean == 1 and (first or second or rest != (0.8, (7, 21), _RESIZERS, 16)):
            raise ValueError("clean: 1 leaves the other arguments without effect; lower it, or remove them")
        self.clean = clean
        self.scale, self.first, self.second = scale, first or Round(), second or SecondRound()
        self.final_sinc, self.final_kernel_size, self.resizers = final_sinc, final_kernel_size, resizers
        self.margin = -(-margin // scale) * scale

    def degrade(self, hr: np.ndarray, draws: Draws) -> np.ndarray:
        if self.clean and draws.chance(self.clean):
            return imresize(hr, 1 / self.scale)
        image = hr.astype(np.float32) / np.float32(255)
        size = hr.shape[0] // self.scale, hr.shape[1] // self.scale
        if draws.chance(self.first.blur):
            image = kernels.blurred(image, self.first.kernel(draws))
        image = self._resized(image, hr.shape[:2], self.first.factor(draws), draws)
        image = self.first.noisy(image, draws)
        image = self.first.compressed(image, draws)

        if draws.chance(self.second.blur):
            image = kernels.blurred(image, self.second.kernel(draws))
        image = self._resized(image, size, self.second.factor(draws), draws)
        image = self.second.noisy(image, draws)
        # The last picture comes from a JPEG file, or from a resize of one.
        if draws.chance(0.5):
            image = self.second.compressed(self._final(image, size, draws), draws)
        else:
            image = self._final(self.second.compressed(image, draws), size, draws)
        return to_bytes(image)

    def _resized(self, image: np.ndarray, size: tuple[int, int], factor: float, draws: Draws) -> np.ndarray:
        target = [max(_LEAST, round(length * factor)) for length in size]
        resizer = self.resizers[draws.integer(len(self.resizers))]
        if list(image.shape[:2]) == target:
            return image
        return np.clip(imresize(image, size=target, kernel=resizer, antialias=False), 0, 1)

    def _final(self, image: np.ndarray, size: tuple[int, int], draws: Draws) -> np.ndarray:
        resizer = self.resizers[draws.integer(len(self.resizers))]
        if image.shape[:2] != size:
            image = imresize(image, size=size, kernel=resizer, antialias=False)
        if draws.chance(self.final_sinc):
            kernel_size = odd_size(self.final_kernel_size, draws)
            image = kernels.blurred(image, kernels.sinc(kernel_size, draws.uniform(math.pi / 3, math.pi)))
        return np.clip(image, 0, 1)


def odd_size(limits: tuple[int, int], draws: Draws) -> int:
    """An odd number within the limits, inclusive."""
    first = limits[0] | 1
    return first + 2 * draws.integer((limits[1] - first) // 2 + 1)


def _beta(limits: Range, draws: Draws) -> float:
    low, high = limits
    if low <= 1 <= high:
        return draws.uniform(low, 1.0) if draws.chance(0.5) else draws.uniform(1.0, high)
    return draws.uniform(low, high)
