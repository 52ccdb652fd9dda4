"""Blur kernels of cameras and resizers, as in Real-ESRGAN (arXiv:2107.10833), and convolution with them.

Gaussian, generalized Gaussian (exp(-q^b / 2)) and plateau (1 / (1 + q^b)) shapes of the quadratic form
q = (x, y) C^-1 (x, y)^T, isotropic or anisotropic along an angle; and the circular low-pass filter ("2D sinc") that
causes ringing, w J1(w r) / (2 pi r). All are (size, size) float32 with sum 1.
"""

import math

import numpy as np
import scipy.fft
import scipy.special


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    line = np.arange(size, dtype=np.float64) - (size - 1) / 2
    return line[None, :], line[:, None]


def _form(size: int, sigma: tuple[float, float], angle: float) -> np.ndarray:
    x, y = _grid(size)
    along = (x * math.cos(angle) + y * math.sin(angle)) / sigma[0]
    across = (-x * math.sin(angle) + y * math.cos(angle)) / sigma[1]
    return along**2 + across**2


def gaussian(size: int, sigma: tuple[float, float], angle: float = 0.0, beta: float = 1.0) -> np.ndarray:
    """Generalized Gaussian; `beta` 1 is the Gaussian. `sigma`: pixels along the angle (radians) and across it."""
    return _normalized(np.exp(-0.5 * _form(size, sigma, angle) ** beta))


def plateau(size: int, sigma: tuple[float, float], angle: float = 0.0, beta: float = 1.0) -> np.ndarray:
    """A kernel with a flat top and long tails."""
    return _normalized(1.0 / (1.0 + _form(size, sigma, angle) ** beta))


def sinc(size: int, cutoff: float) -> np.ndarray:
    """The circular low-pass filter that keeps frequencies below `cutoff` (radians per pixel, up to pi)."""
    x, y = _grid(size)
    radius = np.hypot(x, y)
    at_center = radius == 0
    radius[at_center] = 1.0
    kernel = cutoff * scipy.special.j1(cutoff * radius) / (2 * math.pi * radius)
    kernel[at_center] = cutoff**2 / (4 * math.pi)
    return _normalized(kernel)


def _normalized(kernel: np.ndarray) -> np.ndarray:
    return (kernel / kernel.sum()).astype(np.float32)


def blurred(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolves float32 (H, W, C) with a kernel of odd size by FFT; mirrors the picture at its edges."""
    edge = kernel.shape[0] // 2
    padded = np.pad(image, ((edge, edge), (edge, edge), (0, 0)), "reflect")
    # The padding is as wide as the kernel and absorbs the wrap-around, so no second padding is needed.
    size = [scipy.fft.next_fast_len(length, real=True) for length in padded.shape[:2]]
    spectrum = scipy.fft.rfft2(padded, size, axes=(0, 1))
    spectrum *= scipy.fft.rfft2(kernel, size)[..., None]
    full = scipy.fft.irfft2(spectrum, size, axes=(0, 1))
    return full[2 * edge : 2 * edge + image.shape[0], 2 * edge : 2 * edge + image.shape[1]]
