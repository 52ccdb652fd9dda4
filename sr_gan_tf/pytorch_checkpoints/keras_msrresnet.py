"""MSRResNet in BasicSR's layout, with a bicubic skip folded into the published weights.

The published network adds its output to a bilinear enlargement; a bicubic skip adds it to a bicubic one. Fifty-two
additional channels hold the difference: the first convolution copies the picture and a channel of ones, the first block
adds the views described in keras_views.py, and the first enlarging convolution computes the difference for all output
pixels, which the later convolutions move into place. An offset keeps the values positive, so activations don't alter
them.
"""

import numpy as np

from sr_gan_tf.errors import Unsupported
from sr_gan_tf.networks import Network
from sr_gan_tf.pytorch_checkpoints import keras_views as views
from sr_gan_tf.pytorch_checkpoints.keras_layouts import conv_state, shuffled_conv_state
from sr_gan_tf.pytorch_checkpoints.layouts import State

_FACTORS = {2: [2], 3: [3], 4: [2, 2]}
# The views, the picture, and the channel of ones.
_EXTRA = views.COUNT + 4
# A bicubic enlargement of values in [0, 1] is never lower than the bilinear one by this much.
_OFFSET = 2.0


def msrresnet(network: Network, weights: State) -> State:
    """Converts to BasicSR's `MSRResNet`, which enlarges by 2, 3 or 4.

    Raises:
        Unsupported: the scale is another, or there is a bicubic skip but no block to hold it.
    """
    factors = _FACTORS.get(network.scale)
    if factors is None:
        raise Unsupported(f"MSRResNet: scale {network.scale}, but the published network has 2, 3 and 4 only")
    if network.bicubic_skip:
        if network.num_blocks < 1:
            raise Unsupported(
                "MSRResNet: num_blocks is 0, too few blocks to fold bicubic_skip into; train with bicubic_skip false"
            )
        weights = _with_bicubic(weights, network.scale, factors)
    state = conv_state(weights, "first_conv", "conv_first")
    for block in range(network.num_blocks):
        for part in (1, 2):
            state |= conv_state(weights, f"block{block + 1}_conv{part}", f"body.{block}.conv{part}")
    for stage, factor in enumerate(factors, start=1):
        state |= shuffled_conv_state(weights, f"up{stage}_conv", f"upconv{stage}", factor)
    return state | conv_state(weights, "hr_conv", "conv_hr") | conv_state(weights, "last_conv", "conv_last")


def _with_bicubic(weights: State, scale: int, factors: list[int]) -> State:
    """Adds the channels, whose weights are zero unless set below."""
    filters = weights["first_conv/bias"].size
    wide: State = {}
    for path in [path for path in weights if path.endswith("/kernel")]:
        name, stage = path.removesuffix("/kernel"), path.removeprefix("up").partition("_")[0]
        blocks = factors[int(stage) - 1] ** 2 if path.startswith("up") else 1
        more = 0 if name == "last_conv" else _EXTRA
        inputs = 0 if name == "first_conv" else _EXTRA
        kernel, bias = weights[path], weights[f"{name}/bias"]
        kernel = kernel.reshape(*kernel.shape[:3], blocks, -1)  # (3, 3, in, pixels of a block, out)
        wide[path] = np.pad(kernel, [(0, 0), (0, 0), (0, inputs), (0, 0), (0, more)])
        wide[f"{name}/bias"] = np.pad(bias.reshape(blocks, -1), [(0, 0), (0, more)])
    picture = filters + views.COUNT
    for color in range(3):
        wide["first_conv/kernel"][1, 1, color, 0, picture + color] = 1
    wide["first_conv/bias"][0, picture + 3] = 1
    wide["block1_conv1/kernel"][:, :, picture:, 0, filters:picture] = views.viewing()[0]
    wide["block1_conv2/kernel"][1, 1, filters:picture, 0, filters:picture] = np.eye(views.COUNT)
    first, rest = factors[0], scale // factors[0]
    # From the output pixels of an LR pixel to those of the first stage, each with the pixels that it later becomes.
    enlarging = views.enlarging(scale, views.bilinear_rows(scale))
    enlarging = enlarging.reshape(3, 3, views.COUNT, first, rest, first, rest, 3).transpose(0, 1, 2, 3, 5, 4, 6, 7)
    count = 3 * rest**2
    wide["up1_conv/kernel"][:, :, filters:picture, :, filters : filters + count] = enlarging.reshape(
        3, 3, views.COUNT, first**2, count
    )
    wide["up1_conv/bias"][:, filters : filters + count] = _OFFSET
    for color in range(3):
        for pixel in range(rest**2 if rest > 1 else 0):
            wide["up2_conv/kernel"][1, 1, filters + 3 * pixel + color, pixel, filters + color] = 1
        wide["hr_conv/kernel"][1, 1, filters + color, 0, filters + color] = 1
        wide["last_conv/kernel"][1, 1, filters + color, 0, color] = 1
    wide["last_conv/bias"] -= _OFFSET
    return {
        path: value.reshape(*value.shape[:3], -1) if path.endswith("/kernel") else value.reshape(-1)
        for path, value in wide.items()
    }
