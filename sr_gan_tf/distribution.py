"""Training on more than one device or machine: `"distribution"` in an experiment, on tf.distribute.

`"mirrored"`: the GPUs of one machine (or the logical CPU devices of one process). `"multi_worker"`: the processes that
TF_CONFIG lists, each with its devices; all are started with the same command on a run folder that all can read, and
only the chief (worker 0 if none has that name) writes to it.

Every replica holds its own copy of all variables and does the same arithmetic on them. Replicas exchange only means: of
the gradients and losses, of batch normalization's moments, and of anything else that depends on the whole batch.
Therefore a step on N replicas equals the step of one process on their joint batch, and a train step needs no second
version: its conditional updates, averages and counters act on the replica's own copy, which tf.distribute's mirrored
variables do not allow inside a condition.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import re
import socket
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import keras
import numpy as np
import tensorflow as tf
from keras.src.optimizers.base_optimizer import BaseOptimizer

from sr_gan_tf.config import Experiment, Stage, batch_size, to_json
from sr_gan_tf.errors import InputError, one_line

_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError,
         tf.errors.DeadlineExceededError)  # fmt: skip


_FAREWELL = 30.0  # seconds that the chief waits for the others to leave


class Crew:
    """The replicas that train an experiment; usually one device without a strategy.

    Args:
        experiment: its `distribution` selects them; for `"multi_worker"` the environment variable TF_CONFIG defines the
            cluster, and this must come before any other use of TensorFlow in the process.

    Raises:
        InputError: the distribution is not available, or the experiment has parts that cannot be distributed.
    """

    def __init__(self, experiment: Experiment):
        self.strategy: tf.distribute.Strategy | None = None
        self.workers, self.worker = 1, 0
        self.addresses: list[str] = []
        if experiment.distribution is None:
            return
        _refuse(experiment)
        if experiment.distribution == "mirrored":
            devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            self.strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        else:
            self.addresses, self.worker = _cluster()
            self.workers = len(self.addresses)
            try:
                self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
            except tf.errors.OpError as error:
                raise InputError(
                    f"TF_CONFIG: worker {self.worker} cannot begin at {self.addresses[self.worker]} "
                    f"({one_line(error)}); use an address of this machine and an unused port"
                ) from error
        for index, stage in enumerate(experiment.stages):
            _check_batch(experiment, stage, index, self.replicas)

    @property
    def replicas(self) -> int:
        """Number of devices that share each batch."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run folder."""
        return self.worker == 0

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """The scope in which networks, optimizers and trainers are created: each replica gets its own copy."""
        if self.strategy is None:
            yield
            return
        with self.strategy.scope(), tf.variable_creator_scope(_own_copy):
            yield

    def batches(self, make: Callable[[int, tuple[int, int]], tf.data.Dataset], batch_size: int):
        """The training batches of all replicas.

        Args:
            make: (batch size, (worker, workers)) to a dataset.
            batch_size: pictures per step, over all replicas.
        """
        if self.strategy is None:
            return make(batch_size, (0, 1))
        share = batch_size // self.replicas
        return self.strategy.distribute_datasets_from_function(
            lambda context: make(share, (context.input_pipeline_id, context.num_input_pipelines))
        )

    def agree(self, *flags: bool) -> list[bool]:
        """Returns, for each flag, whether any worker has set it; every worker must call this at the same point."""
        if self.workers == 1:
            return list(flags)
        return [bool(raised) for raised in np.any(self._gather(flags), axis=0).reshape(-1)]

    def check_same(self, experiment: Experiment, step: int) -> None:
        """Raises InputError if the workers have different experiments or checkpoints."""
        if self.workers == 1:
            return
        # The locations of custom parts, cached pictures and notes may differ between machines.
        data = dataclasses.replace(experiment.data, cache_dir=None)
        same = dataclasses.replace(experiment, imports=(), note="", data=data)
        digest = hashlib.sha256(to_json(same).encode()).digest()
        seen = self._gather((int.from_bytes(digest[:7]), step))
        for name, values in zip(("their experiments", "the step of their checkpoints"), seen.T, strict=True):
            if len(set(values)) > 1:
                raise InputError(
                    f"the workers differ in {name}; start all of them with the same command, on a run folder that all "
                    "can read"
                )

    def leave(self) -> None:
        """Ends the collaboration; every worker must call it, and the chief leaves last.

        TensorFlow's workers wait up to 100 seconds at exit for a chief that has already left.
        """
        if self.workers == 1:
            return
        self.agree(True)
        deadline = time.monotonic() + _FAREWELL
        for address in self.addresses[1:] if self.is_chief else ():
            host, _, port = address.rpartition(":")
            with contextlib.suppress(OSError):
                while time.monotonic() < deadline:
                    socket.create_connection((host, int(port)), timeout=1).close()
                    time.sleep(0.1)

    @contextlib.contextmanager
    def talking(self) -> Iterator[None]:
        """Converts the loss of another worker to one line."""
        try:
            yield
        except _LOST as error:
            if self.workers == 1:
                raise
            raise InputError(
                f"another worker was lost ({type(error).__name__}); start all workers again with the same command; "
                "the run resumes from its last checkpoint"
            ) from error

    def _gather(self, values: Sequence[int]) -> np.ndarray:
        """(replicas, len(values)): the values of each replica."""
        with self.talking():
            return self._everyone(tf.constant(values, tf.int64)[None]).numpy()

    @functools.cached_property
    def _everyone(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Traced once, because it is needed at each step."""
        strategy = cast(tf.distribute.Strategy, self.strategy)

        def gather(own):
            return tf.distribute.get_replica_context().all_gather(tf.identity(own), axis=0)

        everyone = lambda own: strategy.experimental_local_results(strategy.run(gather, (own,)))[0]  # noqa: E731
        return tf.function(everyone, autograph=False)


def replicas() -> int:
    """Number of replicas that share the current step; 1 outside of a step."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def mean(values):
    """Averages tensors (any nest of them) over the replicas, inside a train step; gradients pass through.

    With one replica, or outside a step, returns the values unchanged.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    # The identity is on the replica's own device; only tensors on one device are packed into one message.
    values = tf.nest.map_structure(tf.identity, values)
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)


def own_part(draw: Callable[[tf.Tensor], tf.Tensor], count: tf.Tensor) -> tf.Tensor:
    """Draws random numbers for the joint batch with `draw`, and returns this replica's part for `count` pictures."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return draw(count)
    first = context.replica_id_in_sync_group * count
    return draw(count * context.num_replicas_in_sync)[first : first + count]


def prepare_network(network: keras.Model) -> None:
    """Makes batch normalization see the joint batch of all replicas."""
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def prepare_optimizer(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes each replica update its own copy: its gradients are already means over the replicas."""
    for name in (
        "_backend_update_step",
        "_apply_weight_decay",
        "_backend_increment_gradient_accumulators",
        "_overwrite_model_variables_with_average_value",
    ):
        # Keras's TensorFlow optimizers override these to sum gradients and to leave the replica's context, which is not
        # allowed in a condition inside the step; the base class's methods are plain arithmetic.
        setattr(optimizer, name, types.MethodType(getattr(BaseOptimizer, name), optimizer))


def _own_copy(next_creator, **arguments):
    """Lets each replica read and write its own copy of a variable; elsewhere the first replica's is read."""
    arguments["synchronization"] = tf.VariableSynchronization.ON_READ
    arguments["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
    # TensorFlow allows no trainable variables of this kind; Keras keeps its own list of trainable variables.
    arguments["trainable"] = False
    return next_creator(**arguments)


def _cluster() -> tuple[list[str], int]:
    """Reads (addresses of the workers, number of this one) from TF_CONFIG; the chief is number 0."""
    form = (
        'TF_CONFIG: expected {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}, '
        "with another index for each process"
    )
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        cluster, task = config["cluster"], config["task"]
        addresses = [*cluster.get("chief", ()), *cluster.get("worker", ())]
        place = task["index"] + (len(cluster.get("chief", ())) if task["type"] == "worker" else 0)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f'distribution: "multi_worker" needs the environment variable {form}') from error
    if task["type"] not in ("chief", "worker") or not 0 <= place < len(addresses):
        raise InputError(f"{form}; found task {task}")
    for address in addresses:
        if not re.fullmatch(r".+:\d{1,5}", str(address)):
            raise InputError(f"{form}; found the address {address!r}")
    return addresses, place


def _check_batch(experiment: Experiment, stage: Stage, index: int, replicas: int) -> None:
    size = batch_size(experiment, stage)
    if size % replicas:
        where = f"stages.{index}.batch_size" if stage.batch_size else "data.batch_size"
        below, above = size // replicas * replicas, -(-size // replicas) * replicas
        near = f"{below} and {above}" if below else f"{above}"
        raise InputError(
            f"{where}: {size} pictures cannot be split evenly among {replicas} replicas; the nearest: {near}"
        )


def _refuse(experiment: Experiment) -> None:
    """Rejects settings that need the whole batch on one device, or cannot be compiled."""
    place = f'has no effect with "distribution": "{experiment.distribution}"'
    if experiment.jit_compile is True:
        raise InputError(f'jit_compile: {place}; use "auto" or false')
    if experiment.discriminator is not None and experiment.discriminator.config.get("ending") is not None:
        raise InputError(
            f"discriminator.config.ending: {place}, because it compares all pictures of a batch; remove it"
        )
    for index, stage in enumerate(experiment.stages):
        if stage.balance.replay_buffer:
            raise InputError(
                f"stages.{index}.balance.replay_buffer: {place}, because its history belongs to one process; remove it"
            )
