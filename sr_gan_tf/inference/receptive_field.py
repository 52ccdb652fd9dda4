"""Finds the receptive field of a network from its Keras graph, for exact tiling.

Every tensor of the graph carries a `Field`: its pixel number i depends on the input pixels from `i * stride + first`
to `i * stride + last`, in exact fractions of an input pixel. A layer has a footprint of the same
kind on its input; composing footprints along the graph gives the field of the network. Layers of this package declare
an attribute `footprint`, the triple (first, last, stride) in pixels of their input: (0, 0, 1) for a pixelwise layer,
(-1, 1, 1) for a 3x3 convolution, (-3/4, 0, 1/4) for a pixel shuffle by 4, infinite for a layer that sees the whole map.
A layer with outputs of several resolutions declares `footprints`, one triple per output.
`size_only_inputs` lists inputs of which a layer uses only the size.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import keras
from keras import layers

from sr_gan_tf.inference.enlarger import ReceptiveField

_PIXELWISE = (
    layers.InputLayer, layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Identity, layers.Rescaling,
    layers.BatchNormalization, layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise, layers.GaussianDropout,
    layers.Dense, layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum,
)  # fmt: skip
# Operations of keras.ops in a functional graph; all of these are pixelwise.
_PIXELWISE_OPERATIONS = {
    "Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum", "Negative", "Absolute", "Square",
    "Sqrt", "Exp", "Tanh", "Sigmoid", "Relu", "LeakyRelu", "Silu", "Gelu", "Softplus", "Clip", "Cast", "Mish",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Field:
    """Pixel i depends on input pixels i * stride + first ... i * stride + last; `why` names what sees the whole map."""

    first: Fraction = Fraction(0)
    last: Fraction = Fraction(0)
    stride: Fraction = Fraction(1)
    why: str = ""

    @property
    def finite(self) -> bool:
        return not self.why

    def through(self, first: Fraction, last: Fraction, stride: Fraction) -> "Field":
        """The field after a layer of this footprint."""
        return dataclasses.replace(
            self,
            first=self.first + first * self.stride,
            last=self.last + last * self.stride,
            stride=self.stride * stride,
        )

    def everywhere(self, why: str) -> "Field":
        return dataclasses.replace(self, why=self.why or why)

    def joined(self, other: "Field") -> "Field":
        """The field of a pixel that depends on both."""
        if self.stride != other.stride:
            # Broadcast against a map of another resolution: its origin is unknown.
            return self.everywhere("maps of different resolutions that meet")
        return Field(min(self.first, other.first), max(self.last, other.last), self.stride, self.why or other.why)


def receptive_field(network: keras.Model) -> ReceptiveField:
    """The receptive field of a functional network with one picture as input, from its graph.

    Height and width are treated equally: if a footprint differs between them, the larger one counts.
    """
    if not getattr(network, "inputs", None):
        return ReceptiveField(False, None, None, 1, f"{type(network).__name__}, which has no graph")
    strides = {Fraction(1)}
    field = _walk(network.outputs[:1], {id(tensor): Field() for tensor in network.inputs}, strides)[0]
    alignment = math.lcm(*(stride.numerator for stride in strides if stride.denominator == 1))
    if not field.finite:
        return ReceptiveField(False, None, None, alignment, field.why)
    size = math.floor(field.last - field.first) + 1
    # Input pixels y0 to y1 - 1 give outputs from y0 / stride to y1 / stride - 1,
    # which see input pixels from y0 + first to y1 - stride + last.
    halo = max(0, math.floor(-field.first), 1 + math.floor(field.last - min(field.stride, Fraction(1))))
    return ReceptiveField(True, size, halo, alignment)


def tensor_strides(network: keras.Model) -> dict[int, Fraction]:
    """Maps the id of each tensor in a functional network to its stride in input pixels; {} without a graph."""
    if not getattr(network, "inputs", None):
        return {}
    known = {id(tensor): Field() for tensor in network.inputs}
    _walk(network.outputs[:1], known, set())
    return {key: field.stride for key, field in known.items()}


def _walk(outputs: Sequence, known: dict[int, Field], strides: set[Fraction]) -> list[Field]:
    """Fields of `outputs`, following the graph back to the `known` tensors."""
    for operation, node in layer_calls(outputs, known):
        fields = [known[id(item)] for item in node.input_tensors]
        for item, field in zip(node.outputs, _through(operation, node, fields, strides), strict=True):
            known[id(item)] = field
            strides.add(field.stride)
    return [known[id(tensor)] for tensor in outputs]


def layer_calls(outputs: Sequence, known: Iterable[int]) -> Iterator[tuple[Any, Any]]:
    """Yields (operation, node) of the calls that lead to Keras tensors, each after those whose results it reads.

    Args:
        outputs: the tensors.
        known: ids of tensors at which the graph begins.
    """
    done, stack = set(known), list(outputs)
    while stack:  # Not recursion: deep networks have more layers than Python allows calls.
        if id(stack[-1]) in done:
            stack.pop()
            continue
        history = stack[-1]._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        missing = [item for item in node.input_tensors if id(item) not in done]
        if missing:
            stack.extend(reversed(missing))
            continue
        yield history.operation, node
        done.update(id(item) for item in node.outputs)


def _through(operation, node, fields: list[Field], strides: set[Fraction]) -> list[Field]:
    """Fields of an operation's outputs, from those of its inputs."""
    if isinstance(operation, keras.Model) and getattr(operation, "inputs", None):
        known = {id(tensor): field for tensor, field in zip(operation.inputs, fields, strict=True)}
        return _walk(operation.outputs, known, strides)
    if not fields:
        return [Field()] * len(node.outputs)
    size_only = getattr(operation, "size_only_inputs", ())
    field, *others = (field for index, field in enumerate(fields) if index not in size_only)
    for other in others:
        field = field.joined(other)
    if hasattr(operation, "footprints"):
        return [field.through(*map(_fraction, footprint)) for footprint in operation.footprints]
    footprint = _footprint(operation, node)
    if isinstance(footprint, str):
        field = field.everywhere(footprint)
    elif not all(map(math.isfinite, footprint)):
        # The stride is still known, and so is the alignment of tiles.
        field = field.through(Fraction(0), Fraction(0), _fraction(footprint[2]))
        field = field.everywhere(f"{type(operation).__name__} {operation.name!r}")
    else:
        field = field.through(*map(_fraction, footprint))
    return [field] * len(node.outputs)


def _fraction(value: float | Fraction) -> Fraction:
    """An exact fraction such as 1/3, which a layer may state as a float."""
    return Fraction(value).limit_denominator(4096)


def _footprint(layer, node) -> tuple[float | Fraction, float | Fraction, float | Fraction] | str:
    """(first, last, stride) of a layer on its input, or the name of what makes it see the whole map."""
    own = getattr(layer, "footprint", None)
    if own is not None:
        return tuple(own)
    if type(layer).__module__.partition(".")[0] not in ("keras", "sr_gan_tf"):
        # The computation of a subclass is unknown, whatever its base class.
        return f"{type(layer).__name__} {layer.name!r}, which declares no footprint"
    if isinstance(layer, layers.UpSampling2D):
        return enlarging_footprint(max(layer.size), layer.interpolation)
    if isinstance(layer, layers.Conv2DTranspose):
        return _transposed(layer)
    if isinstance(layer, (layers.ZeroPadding2D, layers.Cropping2D)):
        sides = layer.padding if isinstance(layer, layers.ZeroPadding2D) else layer.cropping
        before = [-side[0] if isinstance(layer, layers.ZeroPadding2D) else side[0] for side in sides]
        return min(before), max(before), 1
    if isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D)):
        return _window(layer.pool_size, layer.strides, (1, 1), layer.padding)
    if isinstance(layer, layers.PReLU):
        return (0, 0, 1) if set(layer.shared_axes or ()) >= {1, 2} else f"PReLU {layer.name!r} with a slope per pixel"
    if isinstance(layer, layers.Concatenate):
        return (0, 0, 1) if layer.axis in (-1, 3) else f"Concatenate {layer.name!r} over positions"
    if isinstance(layer, (layers.LayerNormalization, layers.RMSNormalization)):
        axis = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
        return (0, 0, 1) if set(axis) <= {-1, 3} else f"{type(layer).__name__} {layer.name!r} over positions"
    if isinstance(layer, _PIXELWISE):
        return 0, 0, 1
    if hasattr(layer, "kernel_size") and hasattr(layer, "strides"):
        dilation = getattr(layer, "dilation_rate", 1)
        return _window(layer.kernel_size, layer.strides, dilation, getattr(layer, "padding", "same"))
    if not isinstance(layer, layers.Layer) and type(layer).__name__ in _PIXELWISE_OPERATIONS:
        return 0, 0, 1
    return f"{type(layer).__name__} {layer.name!r}"


def enlarging_footprint(scale: int, interpolation: str = "nearest") -> tuple[Fraction, Fraction, Fraction]:
    """Footprint of an enlargement: pixel shuffle and nearest neighbor, bilinear or bicubic interpolation."""
    if interpolation == "nearest":
        return Fraction(1 - scale, scale), Fraction(0), Fraction(1, scale)
    # The center of output pixel i is at (i + 1/2) / scale - 1/2; neighbors within the reach of the kernel count.
    center = Fraction(1, 2 * scale) - Fraction(1, 2)
    reach = {"bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}[interpolation]
    return center - reach, center + reach, Fraction(1, scale)


def _window(kernel, strides, dilation, padding) -> tuple[float, float, float] | str:
    kernel, strides, dilation = (_pair(value) for value in (kernel, strides, dilation))
    if strides[0] != strides[1]:
        return "a stride that differs between height and width"
    first, last = 0, 0
    for size, step, dilate in zip(kernel, strides, dilation, strict=True):
        reach = (size - 1) * dilate
        if isinstance(padding, int):
            starts = [padding]
        elif padding == "valid":
            starts = [0]
        else:
            # TensorFlow's "same" puts half of the total padding before; the total depends on the remainder of the size.
            needs = range(max(0, reach + 1 - step), reach + 1) if step > 1 else (reach,)
            starts = [need // 2 for need in needs]
        first = min(first, *(-start for start in starts))
        last = max(last, *(reach - start for start in starts))
    return first, last, strides[0]


def _transposed(layer) -> tuple[Fraction, Fraction, Fraction] | str:
    """Output o = i * stride + tap - before: i runs from (o + before - kernel + 1) / stride to (o + before) / stride."""
    kernel, strides = _pair(layer.kernel_size), _pair(layer.strides)
    if strides[0] != strides[1]:
        return "a stride that differs between height and width"
    step, reach = (
        strides[0],
        max((size - 1) * rate for size, rate in zip(kernel, _pair(layer.dilation_rate), strict=True)),
    )
    spare = max(0, reach + 1 - step)
    before = [0] if layer.padding == "valid" else [spare // 2, -(-spare // 2)]
    return Fraction(min(before) - reach, step), Fraction(max(before), step), Fraction(1, step)


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
