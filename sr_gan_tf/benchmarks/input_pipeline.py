"""Measures the data pipeline: speed compared with the train step and with plain decoding, and memory."""

import dataclasses
import io
import itertools
import json
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import tensorflow as tf
from PIL import Image

from sr_gan_tf import config
from sr_gan_tf.benchmarks.peak_memory import process_status
from sr_gan_tf.data.catalog import build_sources
from sr_gan_tf.data.pipeline import batches_of, training_batches
from sr_gan_tf.data.sampler import Sampler
from sr_gan_tf.data.store import FORMAT, Layout, TileStore
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.resampling import imresize_tf
from sr_gan_tf.training.assembly import build_networks, build_stage
from sr_gan_tf.training.run import on_device, stage_data


@dataclasses.dataclass(frozen=True)
class InputProfile:
    """Measurements of a number of batches.

    Attributes:
        milliseconds: median time between batches.
        processor_milliseconds: mean processor time of all threads per batch.
        images: images per second.
        megabytes: MB of float32 batches per second.
        waiting: share of the time that steps waited for batches; 1 without a step.
        peak_memory: peak resident memory of the process in bytes.
    """

    milliseconds: float
    processor_milliseconds: float
    images: float
    megabytes: float
    waiting: float
    peak_memory: int

    def __str__(self) -> str:
        return (
            f"{self.images:,.0f} images/s, {self.megabytes:,.0f} MB/s, {self.milliseconds:.1f} ms per batch "
            f"({self.processor_milliseconds:.1f} ms of processor time), {self.waiting:.1%} of the time spent waiting, "
            f"peak memory {self.peak_memory / 1e6:,.0f} MB"
        )


def profile_input(
    batches: tf.data.Dataset, step: Callable[[tf.Tensor, tf.Tensor], Any] | None = None, count: int = 100
) -> InputProfile:
    """Fetches `count` batches, with a train step after each or without.

    Args:
        batches: (lr, hr) as returned by `training_batches`.
        step: called with each batch; must return only when its work is done.
        count: number of batches to measure, after 5 for warm-up.
    """
    iterator = iter(batches)
    for _ in range(5):
        lr, hr = next(iterator)
        if step:
            step(lr, hr)
    waits, totals = [], []
    processor = time.process_time()
    for _ in range(count):
        start = time.perf_counter()
        lr, hr = next(iterator)
        waits.append(time.perf_counter() - start)
        if step:
            step(lr, hr)
        totals.append(time.perf_counter() - start)
    processor = time.process_time() - processor
    size = 4 * (np.prod(lr.shape) + np.prod(hr.shape))
    seconds = sum(totals)
    return InputProfile(
        milliseconds=1e3 * statistics.median(totals),
        processor_milliseconds=1e3 * processor / count,
        images=len(hr) * count / seconds,
        megabytes=float(size) * count / seconds / 1e6,
        waiting=sum(waits) / seconds,
        peak_memory=peak_memory(),
    )


def profile_data(experiment: config.Experiment, count: int = 50) -> str:
    """Profiles each stage's input pipeline with its real train step: images/s, MB/s, waiting share, peak memory."""
    networks = build_networks(experiment)
    lines = []
    for index, stage in enumerate(experiment.stages):
        trainer = build_stage(experiment, index, networks)
        step = tf.function(
            lambda lr, hr, trainer=trainer: trainer.train_step((lr, hr)),
            autograph=False,
            jit_compile=trainer.jit_compile,
        )
        batches = on_device(training_batches(stage_data(experiment, stage), experiment.scale, experiment.seed))
        lines.append(f"stage {stage.name}: {profile_input(batches, step, count)}")
    return "\n".join(lines)


def peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    return process_status("VmHWM") or psutil.Process().memory_info().rss


def anonymous_memory() -> int:
    """Bytes of this process that no file backs, so that it cannot release them; 0 if the system does not report it."""
    return process_status("RssAnon") or 0


def benchmark(experiment: config.Experiment, count: int = 100, rounds: int = 3, steps: int = 5) -> str:
    """Compares the pipeline with decoding a PNG for every sample, and with SRResNet's train step.

    The three take turns, so that other work on the machine affects them equally; medians of the rounds.
    """
    data, scale = experiment.data, experiment.scale
    with tempfile.TemporaryDirectory() as folder:
        pipeline = training_batches(data, scale, experiment.seed)
        plain = plain_batches(data, scale, Path(folder))
        step, ours, theirs, paces = _srresnet_step(scale), [], [], []
        lr, hr = next(iter(pipeline))
        for _ in range(2):
            step(lr, hr)
        for _ in range(rounds):
            ours.append(profile_input(pipeline, None, count))
            theirs.append(profile_input(plain, None, max(5, count // 10)))
            for _ in range(steps):
                start, processor = time.perf_counter(), time.process_time()
                step(lr, hr)
                paces.append((time.perf_counter() - start, time.process_time() - processor))
    batch = f"{data.batch_size} patches of {data.patch_size} x {data.patch_size}"
    lines = [f"a batch is {batch}, x{scale}, {data.degradation.class_name}"]
    rows = {
        "pipeline": [(data.batch_size / one.images, one.processor_milliseconds / 1e3) for one in ours],
        "plain tf.data, a PNG decoded for every sample": [
            (data.batch_size / one.images, one.processor_milliseconds / 1e3) for one in theirs
        ],
        "a train step of SRResNet (mean squared error, Adam)": paces,
    }
    seconds = []
    for name, found in rows.items():
        wall, processor = (statistics.median(column) for column in zip(*found, strict=True))
        seconds.append((wall, processor))
        lines.append(f"{name}: {1e3 * wall:.1f} ms ({1e3 * processor:.1f} ms of processor time)")
    (own, own_processor), (plain, plain_processor), (training, training_processor) = seconds
    lines.append(
        f"the pipeline is {training / own:.0f} times as fast as the train step "
        f"({training_processor / own_processor:.0f} times in processor time), "
        f"{plain / own:.0f} times as fast as plain tf.data ({plain_processor / own_processor:.0f} times)"
    )
    return "\n".join(lines)


def plain_batches(data: config.Data, scale: int, folder: Path, pictures: int = 60) -> tf.data.Dataset:
    """A typical tutorial pipeline: shuffled PNG files, decoded, cropped, flipped, LR made by MATLAB's bicubic."""
    sources = build_sources(data.train, "data.train", scale)
    examples = itertools.islice(itertools.chain.from_iterable(source.examples() for source in sources), pictures)
    for number, example in enumerate(examples):
        Image.fromarray(example.read(scale)[0]).save(folder / f"{number}.png")
    patch = data.patch_size

    def sample(path):
        hr = tf.io.decode_png(tf.io.read_file(path), channels=3)
        hr = tf.image.random_flip_left_right(tf.image.random_crop(hr, (patch, patch, 3)))
        lr = imresize_tf(hr, size=(patch // scale, patch // scale))
        return tf.image.convert_image_dtype(lr, tf.float32), tf.image.convert_image_dtype(hr, tf.float32)

    files = tf.data.Dataset.list_files(str(folder / "*.png"), shuffle=True).repeat()
    return files.map(sample, tf.data.AUTOTUNE).batch(data.batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _srresnet_step(scale: int) -> Callable:
    generator = GENERATORS["SRResNet"](scale=scale)
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(generator.trainable_variables)

    @tf.function(autograph=False)
    def update(lr, hr):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(generator(lr, training=True) - hr))
        optimizer.apply(tape.gradient(loss, generator.trainable_variables), generator.trainable_variables)
        return loss

    return lambda lr, hr: float(update(lr, hr))


def memory(folder: Path, gigabytes: float = 40.0, count: int = 2000) -> str:
    """Measures anonymous memory while batches are drawn from a store of the given size.

    The store is synthetic and sparse: all tiles are black and need no disk space.
    """
    start = anonymous_memory()
    if not start:
        raise InputError("this system does not report anonymous memory (/proc/self/status); run the command on Linux")
    store = synthetic_store(folder, gigabytes)
    data = config.Data(train=(config.SourceSpec("SamplePhotographs", {"split": "train"}),))
    sampler = Sampler(data, store.layout.scale, 1, [store])
    used = 0
    for number, _ in enumerate(batches_of(sampler, data.batch_size).take(count)):
        if number % 50 == 0:
            used = max(used, anonymous_memory())
    used = max(used, anonymous_memory())
    size = (folder / "tiles.bin").stat().st_size / 1e9
    return (
        f"{count} batches of {data.batch_size} from a store of {size:.1f} GB ({len(store):,} images)\n"
        f"anonymous memory: {start / 1e6:.0f} MB after TensorFlow's start, at most {used / 1e6:.0f} MB afterward, "
        f"{(used - start) / 1e6:.0f} MB more"
    )


def synthetic_store(folder: Path, gigabytes: float, scale: int = 4, side: int = 480) -> TileStore:
    """A complete store of black images, as a sparse file."""
    layout = Layout(side // 2, scale, True)
    count = max(1, round(gigabytes * 1e9 / (4 * layout.record)))
    index = io.BytesIO()
    np.savez(
        index,
        heights=np.full(count, side, np.int32),
        widths=np.full(count, side, np.int32),
        details=np.zeros(4 * count, np.float32),
        checksums=np.zeros(count, np.uint32),
    )
    with open(folder / "tiles.bin", "wb") as file:
        file.truncate(4 * count * layout.record)
    (folder / "index.npz").write_bytes(index.getvalue())
    about = {"format": FORMAT, **dataclasses.asdict(layout), "tiles": 4 * count, "skipped": {}}
    (folder / "store.json").write_text(json.dumps({**about, "index_crc": zlib.crc32(index.getvalue())}))
    return TileStore(folder)
