"""Teacher: a content term toward the output of a trained network (distillation).

Hinton et al. 2015, arXiv:1503.02531, for outputs; Gao et al. 2018 for super-resolution: a small network that imitates a
large one learns from reachable targets in addition to the real pictures.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras.src.models.functional import Functional

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.losses.base import ImageLoss
from sr_gan_tf.models import load
from sr_gan_tf.registry.parts import register
from sr_gan_tf.training.logits import as_list
from sr_gan_tf.training.nested import content_loss_from


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

    Raises:
        InputError: the model does not exist, its scale differs, or the distance cannot be built.

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
    ):
        self.model = model
        self.distance = distance
        self.features = features
        self.feature_weight = feature_weight
        self.turns = turns
        if turns and features:
            raise InputError("turns: has no effect on hidden layers, which features compares; remove one of the two")
        if not features and (features is not None or feature_weight != 1.0):
            given = "feature_weight" if features is None else "features"
            raise InputError(f"{given}: has no effect without the names of layers in features; add some, or remove it")
        self._network = load(model, allow_saved_model=False)
        if hasattr(self._network, "for_inference"):
            self._network = self._network.for_inference()
        self._teacher = _with_hidden(self._network, list(features)) if features else None
        self._student: Any = None
        self._student_changes = False
        self.scale = self._network.scale
        if scale not in (None, self.scale):
            raise InputError(
                f"model: {model} has scale {self.scale}, but the experiment has {scale}; choose another teacher"
            )
        self._distance = content_loss_from(distance or {"class_name": "MeanAbsoluteError"}, "distance")
        self.smallest_size = getattr(self._distance, "smallest_size", 1)

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
            target = tf.stop_gradient(tf.cast(self._answer(lr), tf.float32))
            return self._distance(target, sr, lr)
        if self._student is None:
            raise ValueError("Teacher needs the generator for its features; call attach(generator) first")
        *theirs, target = (tf.stop_gradient(tf.cast(item, tf.float32)) for item in self._teacher(lr, training=False))
        ours = self._look(lr)
        pairs = zip(self.features.items(), theirs, ours, strict=True)
        distances = [_attention_distance(*item) for item in pairs]
        return self._distance(target, sr, lr) + self.feature_weight * tf.add_n(distances) / len(distances)

    def _answer(self, lr: tf.Tensor) -> tf.Tensor:
        """The teacher's picture of (N, h, w, C), with `turns` by way of one of the eight flips and rotations."""
        if not self.turns:
            return self._network(lr, training=False)
        total = tf.reduce_sum(tf.cast(lr, tf.float32))
        seed = tf.stack([tf.bitcast(total, tf.int32), 0])
        turns = tf.unstack(tf.random.stateless_uniform((3,), seed, 0, 2, tf.int32) > 0)
        return _turned(self._network(_turned(lr, turns), training=False), turns, back=True)

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
        return super().get_config() | {"model": str(Path(self.model))}


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
