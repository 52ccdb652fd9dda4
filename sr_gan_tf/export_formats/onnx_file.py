"""Writes a generator as an ONNX file for any picture size and batch size, checked with onnxruntime; needs `export`."""

import contextlib
import dataclasses
import importlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from sr_gan_tf.errors import InputError, Unavailable, Unsupported, one_line
from sr_gan_tf.export_formats import LAYOUTS, OPSET, SIGNATURES, verification
from sr_gan_tf.export_formats.network import IN_LAYOUT, network_function
from sr_gan_tf.files import replacing

# Supported by the converter and by all runtimes of recent years.
OPSETS = tuple(range(13, 19))
# In dB, for values in [0, 1]: lower values indicate a broken file, not rounding.
_LEAST_PSNR = {"float16": 40.0, "uint8": 50.0}


@dataclasses.dataclass(frozen=True)
class Graph:
    """Inputs and outputs of an ONNX or OpenVINO file.

    Args:
        layout: `"nchw"`, pictures (N, 3, H, W) named `input` and `output`, as most applications expect; `"nhwc"`,
            (N, H, W, 3) named `images` and `outputs`.
        signature: `"float"`, values in [0, 1], not clipped; `"uint8"`, integers from 0 to 255, rounded half to even.
        opset: version of ONNX's operator set.
        side: height and width of the single input picture, for runtimes that compile for one size; None for any size
            and number.
        float16_ends: with float16 weights, make input and output float16 as well.
    """

    layout: Literal["nchw", "nhwc"] = "nchw"
    signature: Literal["float", "uint8"] = "float"
    opset: int = OPSET
    side: int | None = None
    float16_ends: bool = False

    def __post_init__(self):
        if self.layout not in LAYOUTS:
            raise InputError(f"--layout {self.layout}: expected one of {', '.join(LAYOUTS)}")
        if self.signature not in SIGNATURES:
            raise InputError(f"--signature {self.signature}: expected one of {', '.join(SIGNATURES)}")
        if self.opset not in OPSETS:
            raise InputError(f"--opset {self.opset}: expected {OPSETS[0]} to {OPSETS[-1]}")
        verification.check_side(self.side)
        if self.float16_ends and self.signature == "uint8":
            raise InputError("--float16-ends has no effect on --signature uint8; remove one of them")

    @property
    def names(self) -> tuple[str, str]:
        """Names of input and output."""
        return IN_LAYOUT[self.layout]


def write_onnx(
    generator: keras.Model, path: Path, graph: Graph | None = None, half: bool = False, about: Mapping | None = None
) -> verification.Agreement:
    """Writes an `.onnx` file, runs it with onnxruntime and compares.

    Args:
        generator: (N, H, W, 3) to (N, scale*H, scale*W, 3).
        path: the file.
        graph: its inputs and outputs.
        half: compute in float16.
        about: metadata to store, e.g. name, scale, license and the halo of tiles.

    Raises:
        InputError: a package is missing, the network cannot be converted, or the file's output is wrong.
    """
    graph = Graph() if graph is None else graph
    check_packages()
    if graph.float16_ends and not half:
        raise InputError("--float16-ends has no effect without --half; add --half or remove it")
    model = onnx_model(generator, graph, half)
    model.producer_name = "sr_gan_tf"
    for key, value in (about or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    with replacing(path) as temporary:
        needed("onnx").save(model, str(temporary))
        return dataclasses.replace(verify(temporary, generator, graph, half), path=path)


def onnx_model(generator: keras.Model, graph: Graph, half: bool = False):
    """Converts a generator to an ONNX ModelProto."""
    tf2onnx = needed("tf2onnx")
    given, result = graph.names
    shape = (None, None, None) if graph.side is None else (1, graph.side, graph.side)
    function = network_function(generator, shape, given, result, graph.signature == "uint8")
    transposed = {"inputs_as_nchw": [given], "outputs_as_nchw": [result]} if graph.layout == "nchw" else {}
    with _quiet():
        try:
            model, _ = tf2onnx.convert.from_function(
                function, input_signature=function.input_signature, opset=graph.opset, **transposed
            )
            if half:
                float16 = importlib.import_module("onnxruntime.transformers.float16")
                model = float16.convert_float_to_float16(
                    model, keep_io_types=not graph.float16_ends, node_block_list=_of_sizes(model)
                )
        except Exception as error:  # the converters can raise anything
            raise Unsupported(f"{generator.name} cannot be converted to ONNX: {one_line(error)[:200]}") from error
    places = ("height", "width") if graph.layout == "nhwc" else ("", "height", "width")
    for value, prefix in ((model.graph.input[0], ""), (model.graph.output[0], "output_")):
        for dimension, place in zip(value.type.tensor_type.shape.dim, ("batch", *places), strict=False):
            if place and not dimension.dim_value:
                dimension.dim_param = place if place == "batch" else prefix + place
    return model


def _of_sizes(model) -> list[str]:
    """Names of nodes that compute sizes and positions; they stay in float32, because float16 counts only up to 2048."""
    known = {item.name for item in model.graph.initializer}
    known |= {name for node in model.graph.node if node.op_type == "Constant" for name in node.output}
    rest = [node for node in model.graph.node if node.op_type != "Constant"]
    sizes: set[str] = set()
    names: list[str] = []
    while True:  # the nodes are in no particular order
        found = []
        for node in rest:
            given = [name for name in node.input if name and name not in known]
            if node.op_type == "Shape" or sizes.issuperset(given):
                found.append(node)
        if not found:
            return names
        sizes.update(name for node in found for name in node.output)
        names += [node.name for node in found]
        taken = set(map(id, found))
        rest = [node for node in rest if id(node) not in taken]


def verify(path: Path, generator: keras.Model, graph: Graph, half: bool) -> verification.Agreement:
    """Runs the file on photographs and compares it with the Keras model."""
    name = f"onnx opset {graph.opset} {graph.layout}" + described(graph, half)
    agreement = verification.compare(
        name, path, runner(path, graph), generator, sizes_of(graph), clipped=graph.signature == "uint8"
    )
    return check_precision(agreement, generator, graph, half)


def sizes_of(graph: Graph) -> tuple[tuple[int, int, int], ...]:
    """(N, H, W) of the batches on which a file is compared."""
    return verification.SIZES if graph.side is None else ((1, graph.side, graph.side),)


def described(graph: Graph, half: bool) -> str:
    """Describes the file's options, for its name in tables."""
    parts = ["uint8"] * (graph.signature == "uint8") + ["float16"] * half
    parts += [f"{graph.side}x{graph.side}"] if graph.side else []
    return "".join(f" {part}" for part in parts)


def check_precision(
    agreement: verification.Agreement, generator: keras.Model, graph: Graph, half: bool
) -> verification.Agreement:
    """Returns the agreement, or raises InputError if it is worse than the file's precision explains."""
    if not half and graph.signature == "float":
        return verification.check(agreement, verification.largest_value(generator))
    least = _LEAST_PSNR["float16" if half else "uint8"]
    if not agreement.psnr >= least:
        raise InputError(
            f"{agreement.format}: {agreement.psnr:.1f} dB from the model, expected at least {least:g} dB; nothing was "
            "written; export it as float32"
        )
    return agreement


def runner(path: Path, graph: Graph | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the file as a function of (N, H, W, 3) float32 pictures in [0, 1], run by onnxruntime."""
    graph = Graph() if graph is None else graph
    session = needed("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given, result = graph.names
    return as_pictures(lambda values: session.run([result], {given: values})[0], graph)


def as_pictures(run: Callable[[np.ndarray], np.ndarray], graph: Graph) -> Callable[[np.ndarray], np.ndarray]:
    """Converts a function of the file's own tensors to one of (N, H, W, 3) float32 pictures in [0, 1]."""

    def pictures_to_pictures(pictures: np.ndarray) -> np.ndarray:
        values = pictures
        if graph.signature == "uint8":
            values = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
        elif graph.float16_ends:
            values = values.astype(np.float16)
        if graph.layout == "nchw":
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        output = run(values)
        output = output.transpose(0, 2, 3, 1) if graph.layout == "nchw" else output
        return output.astype(np.float32) / (255 if graph.signature == "uint8" else 1)

    return pictures_to_pictures


def check_packages(*more: str) -> None:
    """Raises InputError unless the converter, the runtime and `more` packages are installed."""
    for package in ("onnx", "tf2onnx", "onnxruntime", *more):
        needed(package)


def needed(package: str):
    """Imports a package of the extra `export`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(package)
    except ImportError as error:
        raise Unavailable(f"this format needs the package {package}: pip install 'sr_gan_tf[export]'") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the converter, which logs a traceback for each optimization that it skips."""
    logger = logging.getLogger("tf2onnx")
    names = [
        logger,
        *(logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("tf2onnx")),
    ]
    before = [one.level for one in names]
    try:
        for one in names:
            one.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(names, before, strict=True):
            one.setLevel(level)
