"""Translates Keras layers to ncnn: lines of the `.param` file and their weights.

A line is `Type name inputs outputs blob ... key=value ...`; the keys are those of ncnn's operator table. Maps are (C,
H, W) in ncnn; kernels are (out, in, H, W), preceded by a tag: 0 for float32, or that of float16.
"""

import itertools
import struct
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from sr_gan_tf.errors import InputError, Unsupported
from sr_gan_tf.layers.bicubic import BicubicEnlargement
from sr_gan_tf.layers.bilinear import BilinearEnlargement
from sr_gan_tf.layers.channel_affine import ChannelAffine
from sr_gan_tf.layers.gate import SiLU, SymmetricGate
from sr_gan_tf.layers.pixel_shuffle import PixelShuffle
from sr_gan_tf.pytorch_checkpoints.keras_layouts import channels_first, conv

_FLOAT16 = 0x01306B47
_ADD, _SUBTRACT, _MULTIPLY = 0, 1, 2
_NEAREST, _BILINEAR = 1, 2
Line = tuple[str, bytes]


class Blob:
    """A result and the names under which its readers take it, one each."""

    def __init__(self, name: str, readers: int = 1):
        self.names = [name] if readers < 2 else [f"{name}_split{index}" for index in range(readers)]
        self._left = iter(self.names)

    def next(self) -> str:
        return next(self._left)


def lines_of(operation, given: Sequence[str], name: str, readers: Sequence, half: bool) -> list[Line]:
    """Returns the lines of a layer; the last one writes the blob `name`.

    Args:
        operation: the Keras layer.
        given: names of its input blobs.
        name: name of its output blob.
        readers: the layers that read its result.
        half: store kernels as float16.

    Raises:
        Unsupported: the layer has no counterpart.
    """
    if isinstance(operation, (layers.Conv2D, layers.Conv2DTranspose)):
        return [_convolution(operation, given, name, readers, half)]
    if isinstance(operation, layers.Identity) or _is_linear(operation):
        return [_line("Noop", given, name)]
    if isinstance(operation, PixelShuffle):
        # If possible, the preceding convolution already has its channels in ncnn's order.
        return [_line("PixelShuffle", given, name, {0: operation.scale, 1: int(not _is_reordered(operation))})]
    for kind, writer in _WRITERS.items():
        if isinstance(operation, kind):
            return writer(operation, given, name)
    kind = type(operation).__name__
    raise Unsupported(f"layer {operation.name} ({kind}) has no counterpart in ncnn; use --format onnx")


def _line(kind: str, given: Sequence[str], name: str, values: dict | None = None) -> Line:
    """Returns the line of a layer without weights."""
    said = " ".join(
        f"{key}={value:.9e}" if isinstance(value, float) else f"{key}={value}" for key, value in (values or {}).items()
    )
    return f"{kind} {name} {len(given)} 1 {' '.join(given)} {name} {said}".rstrip(), b""


def _plain(values) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def _kernel(kernel: np.ndarray, half: bool) -> bytes:
    """Returns a kernel with its tag; float16 is padded to a multiple of four bytes."""
    if not half:
        return struct.pack("<I", 0) + _plain(kernel)
    if np.abs(kernel).max(initial=0) > np.finfo(np.float16).max:
        raise InputError("--half: a kernel has values beyond float16's range of 65504; remove --half")
    content = np.ascontiguousarray(kernel, "<f2").tobytes()
    return struct.pack("<I", _FLOAT16) + content + b"\0" * (-len(content) % 4)


def _convolution(layer, given: Sequence[str], name: str, readers: Sequence, half: bool) -> Line:
    simple = (
        isinstance(layer, layers.Conv2D)
        and not isinstance(layer, layers.DepthwiseConv2D)
        and (layer.padding == "same" or set(layer.kernel_size) == {1})
        and set(layer.strides) == {1}
        and layer.groups == 1
        and layer.kernel_size[0] % 2 == layer.kernel_size[1] % 2 == 1
        and layer.activation in (None, keras.activations.linear)
    )
    if not simple:
        raise Unsupported(
            f"layer {layer.name} ({type(layer).__name__}) is no plain convolution with stride 1; use --format onnx"
        )
    kernel = conv(layer.kernel.numpy())
    bias = layer.bias.numpy() if layer.use_bias else None
    shuffles = [reader for reader in readers if isinstance(reader, PixelShuffle)]
    if shuffles and _is_reordered(shuffles[0]):
        kernel = channels_first(kernel, shuffles[0].scale)
        bias = None if bias is None else channels_first(bias, shuffles[0].scale)
    (height, width), (down, across) = layer.kernel_size, layer.dilation_rate
    values = {0: len(kernel), 1: width, 11: height, 2: across, 12: down, 3: 1, 4: across * (width - 1) // 2}
    values |= {14: down * (height - 1) // 2, 5: int(layer.use_bias), 6: kernel.size}
    line, _ = _line("Convolution", given, name, values)
    return line, _kernel(kernel, half) + (b"" if bias is None else _plain(bias))


def _is_reordered(shuffle: PixelShuffle) -> bool:
    """Whether a pixel shuffle reads only a convolution that nothing else reads; that one then writes ncnn's order."""
    if len(shuffle._inbound_nodes) != 1:
        return False
    history = shuffle._inbound_nodes[0].input_tensors[0]._keras_history
    source = history.operation
    return isinstance(source, layers.Conv2D) and len(source._inbound_nodes) == len(source._outbound_nodes) == 1


def _is_linear(operation) -> bool:
    return isinstance(operation, layers.Activation) and operation.activation is keras.activations.linear


def _gate(_layer, given: Sequence[str], name: str) -> list[Line]:
    """(o + x) * (sigmoid(o) - 0.5)."""
    values, skip = given
    return [
        (f"Split {name}_values 1 2 {values} {name}_values0 {name}_values1", b""),
        _line("BinaryOp", [f"{name}_values0", skip], f"{name}_sum", {0: _ADD}),
        _line("Sigmoid", [f"{name}_values1"], f"{name}_sigmoid"),
        _line("BinaryOp", [f"{name}_sigmoid"], f"{name}_centered", {0: _SUBTRACT, 1: 1, 2: 0.5}),
        _line("BinaryOp", [f"{name}_sum", f"{name}_centered"], name, {0: _MULTIPLY}),
    ]


def _chain(operator: int):
    """A sum or product of two or more blobs."""

    def write(_layer, given: Sequence[str], name: str) -> list[Line]:
        names = [f"{name}_part{index}" for index in range(1, len(given) - 1)] + [name]
        firsts = [given[0], *names]
        return [
            _line("BinaryOp", [first, second], result, {0: operator})
            for first, second, result in zip(firsts, given[1:], names, strict=False)
        ]

    return write


def _rescaling(layer: layers.Rescaling, given: Sequence[str], name: str) -> list[Line]:
    scale, offset = np.asarray(layer.scale, np.float32), np.asarray(layer.offset, np.float32)
    if scale.ndim == offset.ndim == 0:
        steps = [(_MULTIPLY, float(scale))] if scale != 1 else []
        steps += [(_ADD, float(offset))] if offset != 0 or not steps else []
        names = [f"{name}_scaled", name][-len(steps) :]
        blobs = itertools.pairwise([given[0], *names])
        return [
            _line("BinaryOp", [source], result, {0: operator, 1: 1, 2: value})
            for (operator, value), (source, result) in zip(steps, blobs, strict=True)
        ]
    scales, offsets = np.broadcast_arrays(scale, offset)
    return [_affine(given, name, scales, offsets)]


def _affine(given: Sequence[str], name: str, scales: np.ndarray, offsets: np.ndarray) -> Line:
    """A factor and an offset per channel."""
    line, _ = _line("Scale", given, name, {0: scales.size, 1: 1})
    return line, _plain(scales) + _plain(offsets)


def _batch_norm(layer: layers.BatchNormalization, given: Sequence[str], name: str) -> list[Line]:
    scales = 1 / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
    scales = scales * layer.gamma.numpy() if layer.scale else scales
    offsets = -layer.moving_mean.numpy() * scales
    return [_affine(given, name, scales, offsets + layer.beta.numpy() if layer.center else offsets)]


def _prelu(layer: layers.PReLU, given: Sequence[str], name: str) -> list[Line]:
    slopes = layer.alpha.numpy().reshape(-1)
    line, _ = _line("PReLU", given, name, {0: slopes.size})
    return [(line, _plain(slopes))]


def _activation(layer: layers.Activation, given: Sequence[str], name: str) -> list[Line]:
    kinds = {"tanh": "TanH", "sigmoid": "Sigmoid", "relu": "ReLU", "silu": "Swish"}
    kind = getattr(layer.activation, "__name__", "")
    if kind not in kinds:
        raise Unsupported(f"layer {layer.name} (activation {kind}) has no counterpart in ncnn; use --format onnx")
    return [_line(kinds[kind], given, name)]


def _enlargement(layer: layers.UpSampling2D, given: Sequence[str], name: str) -> list[Line]:
    kinds = {"nearest": _NEAREST, "bilinear": _BILINEAR}
    if layer.interpolation not in kinds:
        raise Unsupported(f"layer {layer.name} ({layer.interpolation} interpolation) has no counterpart in ncnn")
    height, width = map(float, layer.size)
    return [_line("Interp", given, name, {0: kinds[layer.interpolation], 1: height, 2: width})]


def _bilinear(layer: BilinearEnlargement, given: Sequence[str], name: str) -> list[Line]:
    return [_line("Interp", given, name, {0: _BILINEAR, 1: float(layer.scale), 2: float(layer.scale)})]


def _bicubic(layer: BicubicEnlargement, given: Sequence[str], name: str) -> list[Line]:
    """Replicates the edges, applies a convolution that computes the pixels of a block, and shuffles."""
    if layer.scale == 1:
        return [_line("Noop", given, name)]
    kernel = channels_first(conv(layer._kernel(3)), layer.scale)
    size = kernel.shape[-1]
    sides = dict.fromkeys(range(4), size // 2)
    values = {0: len(kernel), 1: size, 11: size, 2: 1, 12: 1, 3: 1, 4: 0, 14: 0, 5: 0, 6: kernel.size}
    line, _ = _line("Convolution", [f"{name}_padded"], f"{name}_block", values)
    return [
        _line("Padding", given, f"{name}_padded", {**sides, 4: 1}),
        (line, _kernel(kernel, half=False)),
        _line("PixelShuffle", [f"{name}_block"], name, {0: layer.scale, 1: 0}),
    ]


def _affine_layer(layer: ChannelAffine, given: Sequence[str], name: str) -> list[Line]:
    return [_affine(given, name, *(weight.numpy() for weight in layer.weights))]


_WRITERS = {
    SiLU: lambda layer, given, name: [_line("Swish", given, name)],
    SymmetricGate: _gate,
    layers.Add: _chain(_ADD),
    layers.Multiply: _chain(_MULTIPLY),
    layers.Concatenate: lambda layer, given, name: [_line("Concat", given, name, {0: 0})],
    layers.Rescaling: _rescaling,
    layers.BatchNormalization: _batch_norm,
    ChannelAffine: _affine_layer,
    layers.PReLU: _prelu,
    layers.ReLU: lambda layer, given, name: [_line("ReLU", given, name)],
    layers.LeakyReLU: lambda layer, given, name: [_line("ReLU", given, name, {0: float(layer.negative_slope)})],
    layers.Activation: _activation,
    layers.UpSampling2D: _enlargement,
    BilinearEnlargement: _bilinear,
    BicubicEnlargement: _bicubic,
}
