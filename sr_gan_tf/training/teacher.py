"""Teacher: a content term toward the output of a trained network (distillation).

Hinton et al. 2015, arXiv:1503.02531, for outputs; Gao et al. 2018 for super-resolution: a small network that imitates a
large one learns from reachable targets in addition to the real pictures.

With `base`, the target lies between two networks, or beyond the teacher. Between a network trained for PSNR and its
adversarial successor, Wang et al. 2018 (ESRGAN, arXiv:1809.00219, section 3.4) interpolate with one factor; here the
factor depends on how much the teacher adds around each pixel.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.models.functional import Functional

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.losses.base import ImageLoss
from sr_gan_tf.losses.low_pass import with_band_gains
from sr_gan_tf.losses.structural import blur
from sr_gan_tf.models import load
from sr_gan_tf.registry.parts import register
from sr_gan_tf.training.logits import as_list
from sr_gan_tf.training.nested import content_loss_from

# Of the window that measures what a teacher adds: a Gaussian, cut at 3 deviations or more.
_DEVIATION = 4.0
_WINDOW = 25
# Between the four bands of `gain`, in cycles per pixel.
_BANDS = (0.2, 0.3, 0.4)


@register
@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class Teacher(ImageLoss):
    """Distance between the outputs of the generator and a trained network, which runs once per batch.

    The teacher is not trained and not written into checkpoints or `.keras` files.

    Args:
        model: a shipped name (`"span_x4"`), a run folder, a `.keras` file or a SavedModel folder.
        distance: a content loss as in an experiment, `{"class_name": ..., "config": {...}}`. A feature loss, e.g.
            `VGGFeatures`, compares the features of the two pictures; the default, the mean absolute error, compares
            pixels.
        scale: the scale of the experiment, which must equal that of the teacher; default: that of the teacher.
        turns: whether the teacher sees each batch flipped and rotated, one way in eight, with its output turned back.
            The values of the batch decide which way, so a resumed run repeats it. Over many batches, the student
            learns from the average over all eight, which `upscale --ensemble` computes, at the price of one.
        base: a second network, usually the teacher before its adversarial training. What the teacher adds to it,
            r = teacher - base, is then multiplied by gain / (1 + s / limit), where s is the root mean square of r
            around each pixel (over the channels and a Gaussian window with a standard deviation of 4 HR pixels).
        gain: factor on small differences, or a list of four for the bands below 0.2, from 0.2 to 0.3, from 0.3 to 0.4,
            and above 0.4 cycles per pixel. One factor must be above 0, none below. `tools/band_gains.py` measures what
            each band does.
        limit: the s, in gray levels of 255, that halves the difference, above 0; default: no limit.

    Raises:
        InputError: a model does not exist, the scales differ, the distance cannot be built, or an argument has no
            effect.

    Example:
        `{"class_name": "Teacher", "config": {"model": "span_x4", "features": {"block6": "activation8"}}}`
    """

    def __init__(
        self,
        model: str,
        distance: dict | None = None,
        scale: int | None = None,
        features: dict[str, str] | None = None,
        feature_weight: float = 1.0,
        turns: bool = False,
        base: str | None = None,
        gain: float | Sequence[float] = 1.0,
        limit: float | None = None,
    ):
        self.model = model
        self.distance = distance
        self.features = features
        self.feature_weight = feature_weight
        self.turns = turns
        self.base = base
        self.gain = gain
        self.limit = limit
        if not _usable(gain):
            raise InputError(
                f"gain: {gain!r} leaves no target; expected a number above 0, or four numbers, 0 or more and not all 0"
            )
        if limit is not None and not 0 < limit < float("inf"):
            raise InputError(f"limit: {limit!r} leaves no target; expected a number above 0")
        if base is None and (gain != 1.0 or limit is not None):
            given = "limit" if gain == 1.0 else "gain"
            raise InputError(f"{given}: has no effect without base, the network that it is relative to; add base")
        if base is not None and limit is None and np.all(np.equal(gain, 1)):
            raise InputError("base: has no effect with gain 1 and without limit; set one of them, or remove base")
        if turns and features:
            raise InputError("turns: has no effect on hidden layers, which features compares; remove one of the two")
        if not features and (features is not None or feature_weight != 1.0):
            given = "feature_weight" if features is None else "features"
            raise InputError(f"{given}: has no effect without the names of layers in features; add some, or remove it")
        self._network = _for_inference(model)
        self._base = None if base is None else _for_inference(base)
        self._teacher = _with_hidden(self._network, list(features)) if features else None
        self._student: Any = None
        self._student_changes = False
        self.scale = self._network.scale
        if scale not in (None, self.scale):
            raise InputError(
                f"model: {model} has scale {self.scale}, but the experiment has {scale}; choose another teacher"
            )
        if self._base is not None and self._base.scale != self.scale:
            raise InputError(
                f"base: {base} has scale {self._base.scale}, but {model} has {self.scale}; choose another base"
            )
        self._distance = content_loss_from(distance or {"class_name": "MeanAbsoluteError"}, "distance")
        self.smallest_size = getattr(self._distance, "smallest_size", 1)
        if limit is not None:
            self.smallest_size = max(self.smallest_size, _WINDOW // 2 + 1)

    def attach(self, student: keras.Model) -> None:
        """Sets the generator that learns; trainers call this in `compile`.

        Raises:
            InputError: the generator has no such hidden layers.
        """
        if not self.features:
            return
        whole = _with_hidden(student, list(self.features.values()))
        self._student = keras.Model(whole.inputs[0], whole.outputs[:-1], name=whole.name)
        layers = self._student._flatten_layers()
        self._student_changes = any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)

    def compute(self, hr: tf.Tensor, sr: tf.Tensor, lr: tf.Tensor | None) -> tf.Tensor:
        if lr is None:
            raise ValueError("Teacher needs the LR pictures; call it as loss(hr, sr, lr)")
        if self._teacher is None or not self.features:
            return self._distance(tf.stop_gradient(self._answer(lr)), sr, lr)
        if self._student is None:
            raise ValueError("Teacher needs the generator for its features; call attach(generator) first")
        *theirs, answer = (tf.cast(item, tf.float32) for item in self._teacher(lr, training=False))
        theirs, target = [tf.stop_gradient(item) for item in theirs], tf.stop_gradient(self._relative(answer, lr))
        ours = self._look(lr)
        pairs = zip(self.features.items(), theirs, ours, strict=True)
        distances = [_attention_distance(*item) for item in pairs]
        return self._distance(target, sr, lr) + self.feature_weight * tf.add_n(distances) / len(distances)

    def _answer(self, lr: tf.Tensor) -> tf.Tensor:
        """What the student should output for (N, h, w, C), with `turns` one of the eight flips and rotations of it."""
        if not self.turns:
            return self._straight(lr)
        total = tf.reduce_sum(tf.cast(lr, tf.float32))
        seed = tf.stack([tf.bitcast(total, tf.int32), 0])
        turns = tf.unstack(tf.random.stateless_uniform((3,), seed, 0, 2, tf.int32) > 0)
        return _turned(self._straight(_turned(lr, turns)), turns, back=True)

    def _straight(self, lr: tf.Tensor) -> tf.Tensor:
        """The target for (N, h, w, C) without `turns`."""
        return self._relative(tf.cast(self._network(lr, training=False), tf.float32), lr)

    def _relative(self, answer: tf.Tensor, lr: tf.Tensor) -> tf.Tensor:
        """The teacher's picture, (N, H, W, C) float32, with its difference from the base multiplied."""
        if self._base is None:
            return answer
        start = tf.cast(self._base(lr, training=False), tf.float32)
        return start + multiplied(answer - start, self.gain, self.limit)

    def _look(self, lr: tf.Tensor) -> Sequence[tf.Tensor]:
        """Returns the student's outputs; the statistics of its normalization do not change."""
        if not self._student_changes:
            return as_list(self._student(lr, training=False))
        trainable, others = (
            [variable.value for variable in variables]
            for variables in (self._student.trainable_variables, self._student.non_trainable_variables)
        )
        return as_list(self._student.stateless_call(trainable, others, lr, training=True)[0])

    def get_config(self) -> dict:
        base = None if self.base is None else str(Path(self.base))
        return super().get_config() | {"model": str(Path(self.model)), "base": base}


def multiplied(difference: tf.Tensor, gain: float | Sequence[float] = 1.0, limit: float | None = None) -> tf.Tensor:
    """`difference` (N, H, W, C), of pictures in [0, 1], times gain / (1 + s / limit).

    s is its root mean square around each pixel, in gray levels: over the channels, and over a Gaussian window with a
    standard deviation of 4 pixels. Four gains are for four bands of frequencies.
    """
    changed = gain * difference if isinstance(gain, (int, float)) else with_band_gains(difference, gain, _BANDS)
    if limit is None:
        return changed
    power = tf.reduce_mean(tf.square(difference), axis=-1, keepdims=True)
    local = 255 * tf.sqrt(tf.maximum(blur(power, _WINDOW, _DEVIATION, mirror=True), 0))
    return changed / (1 + local / limit)


def _usable(gain: float | Sequence[float]) -> bool:
    if isinstance(gain, (int, float)):
        return 0 < gain < float("inf")
    return len(gain) == len(_BANDS) + 1 and all(0 <= one < float("inf") for one in gain) and any(gain)


def _for_inference(model: str) -> keras.Model:
    network = load(model, allow_saved_model=False)
    return network.for_inference() if hasattr(network, "for_inference") else network


def _turned(batch: tf.Tensor, turns: Sequence[tf.Tensor], back: bool = False) -> tf.Tensor:
    """Flips (N, H, W, C) along both axes, then transposes, each if its scalar of `turns` says so; `back` undoes it."""
    down, across, transposed = turns
    steps = [
        lambda x: tf.cond(down, lambda: tf.reverse(x, [1]), lambda: x),
        lambda x: tf.cond(across, lambda: tf.reverse(x, [2]), lambda: x),
        lambda x: tf.cond(transposed, lambda: tf.transpose(x, (0, 2, 1, 3)), lambda: x),
    ]
    for step in reversed(steps) if back else steps:
        batch = step(batch)
    return batch


def _with_hidden(network: keras.Model, names: Sequence[str]) -> keras.Model:
    """Pictures to [output of each named layer, ..., the network's own output]; the weights are shared.

    Raises:
        InputError: there is no such layer, or no graph to look into.
    """
    graph = getattr(network, "model", network)  # of a wrapper around the user's own
    title = getattr(network, "title", network.name)
    if not isinstance(graph, Functional):
        raise InputError(f"features: {title} is no functional model, so its hidden layers cannot be reached; remove it")
    known = [layer.name for layer in graph.layers[1:]]
    nodes = [node for depth in graph._nodes_by_depth.values() for node in depth]
    outputs = []
    for name in names:
        if name not in known:
            raise InputError(f"features: {title} has no layer {name!r}{suggest(name, known)}")
        uses = [node for node in nodes if node.operation is graph.get_layer(name)]
        if len(uses) > 1:
            raise InputError(f"features: {title} uses its layer {name!r} more than once; choose another")
        outputs.append(uses[0].outputs[0])
    return keras.Model(graph.inputs[0], [*outputs, graph.outputs[0]], name=f"{network.name}_features")


def _attention_distance(names: tuple[str, str], theirs: tf.Tensor, ours: tf.Tensor) -> tf.Tensor:
    """Squared distance of two attention maps, mean over the batch; of features (N, H, W, C) with any C."""
    theirs, ours = tf.cast(theirs, tf.float32), tf.cast(ours, tf.float32)
    shapes = [tuple(item.shape) for item in (theirs, ours)]
    if any(len(shape) != 4 for shape in shapes) or shapes[0][1:3] != shapes[1][1:3]:
        raise InputError(
            f"features: {names[0]} gives {shapes[0]} and {names[1]} {shapes[1]}; expected (N, H, W, C) of the same "
            "height and width, choose other layers"
        )
    maps = [tf.reshape(tf.reduce_mean(tf.square(item), axis=-1), (tf.shape(item)[0], -1)) for item in (theirs, ours)]
    first, second = (tf.math.l2_normalize(item, axis=-1) for item in maps)
    return tf.reduce_mean(tf.reduce_sum(tf.square(first - second), axis=-1))
