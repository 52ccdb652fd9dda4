"""Runs a Keras generator on pictures with one compilation for all sizes."""

import hashlib

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.inference import ready_graphs
from sr_gan_tf.inference.enlarger import BORDER, Enlarger, ReceptiveField
from sr_gan_tf.inference.receptive_field import receptive_field, tensor_strides

# The executor frees some maps after their last use, and convolutions have separate workspaces.
_OVERHEAD = 1.5
_UNKNOWN_NETWORK = 16 * 1024.0  # bytes; assumes 64 channels at four times the size if the graph is unknown


class KerasEnlarger(Enlarger):
    """Runs a generator through one compiled function per kind of samples.

    Args:
        generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), float32 in [0, 1].
        ensemble: whether to average over the eight flips and rotations of the picture.
        kept_as: name and precision of a shipped network whose graphs are saved for later processes.
    """

    def __init__(self, generator: keras.Model, ensemble: bool = False, kept_as: tuple[str, str] | None = None):
        field = receptive_field(generator)
        super().__init__(int(generator.scale), field, _border(generator, field), bytes_per_pixel(generator), ensemble)
        self.generator = generator
        self.kept_as = kept_as
        self.traces = 0
        self._functions: dict[tuple[str, int, bool], tf.types.experimental.PolymorphicFunction] = {}

    @property
    def identity(self) -> str:
        """SHA-256 of the weights."""
        digest = hashlib.sha256()
        for value in self.generator.get_weights():
            digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()

    def _run(self, window: np.ndarray, rounded: bool) -> np.ndarray:
        key = (window.dtype.name, window.shape[2], rounded)
        if key not in self._functions:
            self._functions[key] = self._compiled(tf.as_dtype(window.dtype), window.shape[2], rounded)
            if self.kept_as and not ready_graphs.is_kept(*self.kept_as, key):
                graph, ends = _frozen(self._functions[key])
                ready_graphs.keep(self, *self.kept_as, key, graph, ends)
        try:
            return self._functions[key](tf.convert_to_tensor(window)).numpy()
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError(str(error)) from error

    def _compiled(self, dtype: tf.DType, channels: int, rounded: bool):
        peak = dtype.max if dtype.is_integer else None

        # One function for windows of all sizes, so that a new picture size needs no compilation. Keras does not convert
        # layers by AutoGraph either, which would leave files in the temporary folder.
        @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, None, channels), dtype)])
        def enlarge(window):
            self.traces += 1
            image = tf.cast(window, tf.float32)
            if peak is not None:
                image /= peak
            if channels == 1:
                image = tf.repeat(image, 3, axis=2)
            result = tf.cast(self.generator(image[None], training=False)[0], tf.float32)
            if channels == 1:
                result = tf.reduce_mean(result, axis=2, keepdims=True)
            if peak is None or not rounded:
                return result
            return tf.cast(tf.round(tf.clip_by_value(result * peak, 0, peak)), dtype)

        return enlarge


def _border(generator: keras.Model, field: ReceptiveField) -> int:
    """Pixels by which pictures are extended beyond their edges for this network; see `enlarger.BORDER`."""
    # An exported model does so itself. A network that sees the whole picture would see its edges twice; for one with
    # large strides, the picture would be off the grid, or the work would multiply.
    if getattr(generator, "continues_edges", False) or field.halo is None or field.alignment > BORDER:
        return 0
    return -(-min(BORDER, field.halo) // field.alignment) * field.alignment


def enlarger_of(generator: keras.Model) -> KerasEnlarger:
    """Returns the generator's enlarger, created once per generator, so that its function is compiled once."""
    # Through vars(), because Keras turns regular attributes into parts of the model.
    if "_enlarger" not in vars(generator):
        vars(generator)["_enlarger"] = KerasEnlarger(generator)
    return vars(generator)["_enlarger"]


def _frozen(function) -> tuple[bytes, tuple[str, str]]:
    """Returns a function's serialized graph including its weights, and the names of its input and output."""
    # Not part of TensorFlow's public API, but its own guides use it.
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    names = frozen.inputs[0].op.name, frozen.outputs[0].op.name
    return frozen.graph.as_graph_def().SerializeToString(), names


def bytes_per_pixel(network: keras.Model) -> float:
    """Bytes of simultaneously live feature maps per input pixel, at the peak of a forward pass."""
    strides = tensor_strides(network)
    if not strides or any(isinstance(layer, keras.layers.TFSMLayer) for layer in network.layers):
        return _UNKNOWN_NETWORK
    nodes = [node for operation in network.operations for node in operation._inbound_nodes]
    waiting: dict[int, int] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            waiting[id(tensor)] = waiting.get(id(tensor), 0) + 1
    alive: dict[int, float] = {}
    peak = 0.0
    for node in nodes:
        for tensor in node.outputs:
            if id(tensor) in strides:
                size = keras.backend.standardize_dtype(tensor.dtype)
                itemsize = 2 if size in ("bfloat16", "float16") else 4
                alive[id(tensor)] = (tensor.shape[-1] or 64) * itemsize / float(strides[id(tensor)]) ** 2
        peak = max(peak, sum(alive.values()))
        for tensor in node.input_tensors:
            waiting[id(tensor)] -= 1
            if not waiting[id(tensor)]:
                alive.pop(id(tensor), None)
    return peak * _OVERHEAD
