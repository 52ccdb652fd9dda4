"""MATLAB's imresize, implemented twice: in NumPy for files of any size, in TensorFlow for graphs.

The published LR pictures were made with it, and equal figures require equal pictures: bicubic with a = -0.5, the kernel
widened by the scale when shrinking (antialiasing), edges replicated, the axis that shrinks most first (the vertical one
if both shrink equally), and integer pictures rounded between the two passes. Newer releases of MATLAB mirror the edges
instead (`border="symmetric"`); the public benchmark files were made with replicated ones.

Sums run in float64. A value that is exactly halfway is rounded up regardless of the order of summation, because both
versions add 1e-9 before they round; for scales 2, 4 and 8 the weights are dyadic and the sums exact.
"""

import importlib
from typing import TYPE_CHECKING, Any

from sr_gan_tf.resampling.arrays import PRODUCT, imresize, imresize_rows
from sr_gan_tf.resampling.taps import KERNELS, Border

if TYPE_CHECKING:
    from sr_gan_tf.resampling.tensors import imresize_tf

__all__ = ["KERNELS", "PRODUCT", "Border", "imresize", "imresize_rows", "imresize_tf"]


def __getattr__(name: str) -> Any:
    if name == "imresize_tf":  # resizing arrays doesn't require TensorFlow
        return importlib.import_module("sr_gan_tf.resampling.tensors").imresize_tf
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
