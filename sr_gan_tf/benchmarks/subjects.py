"""Subjects: the built and traced call of a job, with properties from its graph."""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import cast

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.benchmarks.tasks import CATALOG, Task
from sr_gan_tf.build import build
from sr_gan_tf.config import Experiment, Spec, parse_experiment
from sr_gan_tf.data.pipeline import training_batches
from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluation.costs import graph_bytes, graph_multiply_adds
from sr_gan_tf.networks import Generator, Network
from sr_gan_tf.training.assembly import build_networks, build_stage
from sr_gan_tf.training.graph_memory import peak_bytes, step_function
from sr_gan_tf.training.run import stage_data
from sr_gan_tf.training.session import update_size


@dataclasses.dataclass
class Subject:
    """A call to measure repeatedly.

    Args:
        call: runs it once and returns when its work is done.
        parameters: number of trainable parameters.
        multiply_adds: multiply-adds per call.
        product_bytes: bytes read and written by convolutions and matrix products per call.
        predicted_memory: peak bytes of live tensors, from the graph.
        tracing_seconds: time to trace the graph.
        waits: seconds that each call waited for data, if a pipeline feeds it.
    """

    call: Callable[[], object]
    parameters: int
    multiply_adds: int | None
    product_bytes: int | None
    predicted_memory: int | None
    tracing_seconds: float
    waits: list[float] = dataclasses.field(default_factory=list)


def build_subject(job: Task) -> Subject:
    """Builds the subject of a job under the current precision policy."""
    keras.utils.set_random_seed(1)
    return _step(job) if job.mode == "step" else _network(job)


def build_network(job: Task) -> Network:
    """Builds the job's network for its image size.

    Raises:
        InputError: invalid arguments, or an unsuitable size.
    """
    network = build(cast(Spec, job.network), CATALOG, "--networks", image_size=job.shape[1])
    channels = network.inputs[0].shape[-1]
    if job.shape[3] != channels:
        raise InputError(f"--shape {_text(job.shape)}: {job.label} expects {channels} channels, found {job.shape[3]}")
    network.check_size(*job.shape[1:3])
    return network


def _network(job: Task) -> Subject:
    network = build_network(job)
    if job.mode == "inference" and isinstance(network, Generator):
        network = network.for_inference()
    variables = network.trainable_variables
    function = forward(network) if job.mode == "inference" else forward_and_backward(network)
    pictures = tf.constant(np.random.default_rng(0).random(job.shape, np.float32))
    begin = time.perf_counter()
    graph = tf.function(function, jit_compile=job.compiler == "xla", autograph=False).get_concrete_function(pictures)
    tracing = time.perf_counter() - begin
    run = function if job.compiler == "eager" else graph
    return Subject(
        call=lambda: finished(run(pictures)),
        parameters=sum(math.prod(variable.shape) for variable in variables),
        multiply_adds=graph_multiply_adds(graph),
        product_bytes=graph_bytes(graph),
        predicted_memory=peak_bytes(graph),
        tracing_seconds=tracing,
    )


def forward(network: Network) -> Callable[[tf.Tensor], tf.Tensor]:
    """The forward pass: images to the network's output."""
    return lambda pictures: network(pictures, training=False)


def forward_and_backward(network: Network) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """The forward and backward pass: images to the gradients of all weights, for a loss of negligible cost."""
    variables = [variable.value for variable in network.trainable_variables]

    def gradients(pictures):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softplus(tf.cast(network(pictures, training=True), tf.float32)))
        return tape.gradient(loss, variables)

    return gradients


def _step(job: Task) -> Subject:
    experiment = parse_experiment(json.loads(job.experiment))
    networks = build_networks(experiment)
    trainer = build_stage(experiment, 0, networks)
    trainer.run_eagerly = job.compiler == "eager"
    lr, hr = shapes = batch_shapes(experiment)
    graph = step_function(trainer, shapes)
    batches = iter(_real(experiment, job.device) if job.real_data else _constant(lr, hr))
    # Same call as in `fit`, including the fetch of the batch, with the waiting time measured.
    trainer.make_train_function()
    step = trainer.train_function
    waits: list[float] = []

    def call():
        logs = step(batches)
        if job.real_data:
            waits.append(logs["data_wait"])
        finished(logs)

    trained = [*networks.generator.trainable_variables]
    if networks.discriminator is not None:
        trained += networks.discriminator.trainable_variables
    return Subject(
        call=call,
        parameters=sum(math.prod(variable.shape) for variable in trained),
        multiply_adds=graph_multiply_adds(graph),
        product_bytes=graph_bytes(graph),
        predicted_memory=peak_bytes(graph),
        tracing_seconds=0.0,  # `make_train_function` traces in the first call
        waits=waits,
    )


def batch_shapes(experiment: Experiment) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of lr and hr."""
    batch, side = update_size(experiment, experiment.stages[0]), experiment.data.patch_size
    small = side // experiment.scale
    return (batch, small, small, 3), (batch, side, side, 3)


def _real(experiment: Experiment, device: str) -> tf.data.Dataset:
    batches = training_batches(stage_data(experiment, experiment.stages[0]), experiment.scale, experiment.seed)
    if device == "cpu":
        return batches
    # As in `fit`: the next batches are copied while the current one is processed.
    return batches.apply(tf.data.experimental.prefetch_to_device(f"/{device.upper()}", buffer_size=2))


def _constant(lr: tuple[int, ...], hr: tuple[int, ...]) -> Iterator:
    generator = np.random.default_rng(0)
    batch = tuple(tf.constant(generator.random(shape, np.float32)) for shape in (lr, hr))
    while True:
        yield batch


def finished(result):
    """Waits until the device has finished, and returns the result."""
    if tf.config.list_logical_devices("GPU"):
        tf.test.experimental.sync_devices()
    return result


def _text(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))
