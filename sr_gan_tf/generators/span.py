"""SPAN, the swift parameter-free attention network (Wan et al. 2023, arXiv:2311.12770).

Our choices where the paper and its code differ or are silent: the published in-place SiLU overwrites the first
convolution of the last block, so the concatenated tensor is the one after the activation; there is no global residual
unless `nearest_skip`; the output is the picture itself, without undoing the input's normalization. The mean is DIV2K's.
"""

import math
from typing import ClassVar

import keras
from keras import layers

from sr_gan_tf.arguments import at_least
from sr_gan_tf.layers.conv3xc import Conv3XC
from sr_gan_tf.layers.gate import SiLU, SymmetricGate
from sr_gan_tf.layers.icnr import ICNR
from sr_gan_tf.layers.pixel_shuffle import PixelShuffle
from sr_gan_tf.networks import Generator, computing


@keras.saving.register_keras_serializable("sr_gan_tf")
class SPAN(Generator):
    """Parameter-free attention generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), both in [0, 1].

    The defaults are those that train from scratch; `SPAN.published()` is the paper's network, which ends 8 dB or more
    below bicubic after the same few hundred steps. Converted checkpoints use the published one.

    Args:
        scale: enlargement, 1 or more.
        filters: channels of the body; published with 48, 52 and 32.
        num_blocks: attention blocks; published with 6.
        merged: plain 3x3 convolutions (426,288 parameters instead of 1,840,488 at x4); `for_inference()` converts.
        published_graph: train through the published chain of convolutions; the same function at a third of the speed.
        input_mean: subtracted from the LR picture's channels, in [0, 1] units.
        input_gain: factor on the difference; published with 255, or with 1 and no mean.
        initial_gain: factor on the initial kernels of the body (of each Conv3XC's last kernel and skip); published: 1.
        initial_output_gain: factor on the initial kernel of the last convolution; published: 1. Default: 0 with
            `nearest_skip`, so that a fresh network is nearest neighbor, else 1.
        initial_gate: initial bias of each block's third convolution. At 3 or more all gates start open, so that the
            signal reaches every block; around 0, as published, deep blocks vanish in the first hundred steps and stay
            dead.
        nearest_skip: add the LR picture enlarged by nearest neighbor to the output; the published network has none.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    PUBLISHED: ClassVar = {
        "input_gain": 255.0,
        "initial_gain": 1.0,
        "initial_output_gain": 1.0,
        "initial_gate": 0.0,
        "nearest_skip": False,
    }

    def __init__(
        self,
        scale: int = 4,
        filters: int = 48,
        num_blocks: int = 6,
        merged: bool = False,
        published_graph: bool = False,
        input_mean: tuple[float, float, float] = (0.4488, 0.4371, 0.4040),
        input_gain: float = 5.0,
        initial_gain: float = 2.5,
        initial_output_gain: float | None = None,
        initial_gate: float = 4.0,
        nearest_skip: bool = True,
        name: str | None = "span",
    ):
        at_least(1, scale=scale, filters=filters, num_blocks=num_blocks)
        for gain, value in {"input_gain": input_gain, "initial_gain": initial_gain}.items():
            if value <= 0:
                raise ValueError(f"{gain}: {value} leaves nothing of the picture; expected a number above 0")
        if merged and published_graph:
            raise ValueError("published_graph: a merged network has no chain of convolutions; leave one of them out")
        if initial_output_gain is None:
            initial_output_gain = 0.0 if nearest_skip else 1.0

        def conv3(x, name, dtype=None, input_mean=0.0, initial_bias=0.0):
            if merged:
                start, bias = _uniform(initial_gain), keras.initializers.Constant(initial_bias)
                return layers.Conv2D(
                    filters, 3, padding="same", kernel_initializer=start, bias_initializer=bias, dtype=dtype, name=name
                )(x)
            return Conv3XC(
                filters,
                initial_gain=initial_gain,
                initial_bias=initial_bias,
                input_mean=input_mean,
                published_graph=published_graph,
                dtype=dtype,
                name=name,
            )(x)

        # What an open gate adds to the block's output, and therefore the value around which the outputs lie.
        opened = 0.5 * math.tanh(initial_gate / 2)
        means = [0.0]
        for _ in range(num_blocks):
            means.append(opened * (initial_gate + means[-1]))

        inputs = keras.Input((None, None, 3), name="lr")
        x = layers.Rescaling(
            input_gain, offset=[-input_gain * mean for mean in input_mean], dtype="float32", name="normalize"
        )(inputs)
        # In float32, because bfloat16 keeps only 8 bits of a picture.
        shallow = x = conv3(x, "first", dtype="float32")  # (N, H, W, filters)
        for index in range(1, num_blocks + 1):
            activated = SiLU(name=f"block{index}_silu1")(conv3(x, f"block{index}_conv1", input_mean=means[index - 1]))
            y = SiLU(name=f"block{index}_silu2")(conv3(activated, f"block{index}_conv2"))
            y = conv3(y, f"block{index}_conv3", initial_bias=initial_gate)
            x = SymmetricGate(name=f"block{index}")([y, x])
            if index == 1:
                first_block = x
        x = layers.Concatenate(name="all_depths")(
            [shallow, conv3(x, "body", input_mean=means[-1]), first_block, activated]
        )
        if not merged and initial_gate:
            offset = [0.0] * 2 * filters + [-means[1]] * filters + [0.0] * filters
            x = layers.Rescaling(1.0, offset, name="centered")(x)
        x = layers.Conv2D(filters, 1, kernel_initializer=_uniform(), name="fuse")(x)
        x = layers.Conv2D(
            3 * scale**2,
            3,
            padding="same",
            kernel_initializer=ICNR(scale, _uniform(initial_output_gain)),
            # bfloat16 is exact enough for a small residual, but not for a whole picture.
            dtype=None if nearest_skip else "float32",
            name="last",
        )(x)
        if scale > 1:
            x = PixelShuffle(scale, dtype="float32", name="shuffle")(x)  # (N, scale*H, scale*W, 3)
        if nearest_skip:
            enlarged = layers.UpSampling2D(scale, dtype="float32", name="nearest")(inputs)
            x = layers.Add(dtype="float32", name="residual")([x, enlarged])
        super().__init__(inputs, x, name=name)
        self.scale = scale
        self.filters = filters
        self.num_blocks = num_blocks
        self.merged = merged
        self.published_graph = published_graph
        self.input_mean = input_mean
        self.input_gain = input_gain
        self.initial_gain = initial_gain
        self.initial_output_gain = initial_output_gain
        self.initial_gate = initial_gate
        self.nearest_skip = nearest_skip

    def for_inference(self) -> "SPAN":
        """Returns the merged network of plain 3x3 convolutions (outputs agree to 1e-5), or itself if already merged."""
        if self.merged:
            return self
        with computing(self.dtype_policy):
            network = SPAN(**{**self.get_config(), "merged": True, "published_graph": False})
        for layer in self.layers:
            if layer.weights:
                weights = layer.merged() if isinstance(layer, Conv3XC) else layer.get_weights()
                network.get_layer(layer.name).set_weights(weights)
        if self.initial_gate:
            kernel, bias = self.get_layer("fuse").get_weights()
            network.get_layer("fuse").set_weights([kernel, bias + self.get_layer("centered").offset @ kernel[0, 0]])
        return network


def _uniform(gain: float = 1.0):
    """PyTorch's default for convolutions: uniform within 1 / sqrt(fan_in), times `gain`."""
    if gain == 0:
        return keras.initializers.Zeros()
    return keras.initializers.VarianceScaling(gain**2 / 3, mode="fan_in", distribution="uniform")
