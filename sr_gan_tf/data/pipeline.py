"""Batches of (lr, hr) for training, from the stores on disk, and whole pictures for validation."""

import atexit
import dataclasses
import threading
import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from sr_gan_tf import config
from sr_gan_tf.data.catalog import build_degradation, build_sources, check_degradation
from sr_gan_tf.data.degradations import Degradation
from sr_gan_tf.data.sampler import Sampler
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.data.sources import Example, Source
from sr_gan_tf.data.store_key import store_key
from sr_gan_tf.data.store_writer import say_skipped
from sr_gan_tf.data.threads import in_order
from sr_gan_tf.devices import processors
from sr_gan_tf.errors import InputError


def training_batches(
    data: config.Data, scale: int, seed: int, first_sample: int = 0, shard: tuple[int, int] = (0, 1)
) -> tf.data.Dataset:
    """Endless batches (lr, hr), float32 in [0, 1]; creates missing stores.

    Args:
        data: the experiment's `data`; `batch_size` is the size of the returned batches.
        scale: HR pixels per LR pixel.
        seed: equal seeds give equal samples.
        first_sample: number of the first sample, over all workers: `step * batch_size * workers` when resuming.
        shard: (worker, workers). Each step's `batch_size * workers` consecutive samples are distributed among the
            workers, so that no two receive the same one.

    Raises:
        InputError: a source or setting cannot be used.
    """
    return batches_of(Sampler(data, scale, seed), data.batch_size, first_sample, shard)


def picture_keys(data: config.Data, scale: int, part: Literal["train", "validation"]) -> list[str]:
    """One key per source, which changes when pictures are deleted, replaced or added."""
    degradation = build_degradation(data, scale)
    return [store_key(source, degradation) for source in build_sources(getattr(data, part), f"data.{part}", scale)]


def batches_of(sampler: Sampler, batch: int, first_sample: int = 0, shard: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
    """`training_batches` of an existing sampler."""
    (worker, workers), scale, patch = shard, sampler.scale, sampler.patch

    def produce(first):
        with _calls as is_open:
            return sampler.batch(int(first), batch) if is_open else sampler.nothing(batch)

    @tf.autograph.experimental.do_not_convert
    def read(number):
        first = first_sample + (number * workers + worker) * batch
        lr, hr = tf.numpy_function(produce, [first], [tf.uint8, tf.uint8])
        lr = tf.ensure_shape(lr, (batch, patch // scale, patch // scale, 3))
        hr = tf.ensure_shape(hr, (batch, patch, patch, 3))
        return tf.image.convert_image_dtype(lr, tf.float32), tf.image.convert_image_dtype(hr, tf.float32)

    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # Nothing needs tuning, and the tuning thread may miss the end of its iterator: TensorFlow notifies it before it
    # marks the cancellation as done. The thread then continues to sleep for up to a minute, and the iterator waits for
    # it.
    options.autotune.enabled = False
    numbers = tf.data.Dataset.range(np.iinfo(np.int64).max)
    return numbers.map(read, num_parallel_calls=2, deterministic=True).prefetch(4).with_options(options)


class _Calls:
    """Lets the interpreter exit while an iterator still reads ahead.

    A TensorFlow thread that calls Python while the interpreter shuts down aborts the process. At exit, batches are
    therefore no longer created, and the interpreter continues when the buffers are full, that is, when there were no
    calls for some time.
    """

    _QUIET = 0.25

    def __init__(self):
        self._lock, self._is_open = threading.Lock(), True
        self._running, self._last = 0, 0.0
        atexit.register(self._close)

    def __enter__(self) -> bool:
        with self._lock:
            self._running += 1
            return self._is_open

    def __exit__(self, kind, value, trace) -> None:
        with self._lock:
            self._running -= 1
            self._last = time.monotonic()

    def _close(self) -> None:
        with self._lock:
            self._is_open = False
        while self._running or time.monotonic() - self._last < self._QUIET:
            time.sleep(0.01)


_calls = _Calls()


@dataclasses.dataclass(frozen=True)
class ValidationPicture:
    """One whole picture, read on demand; `lr, hr = picture.pair()` reads it once."""

    name: str
    source: Source
    index: int
    degradation: Degradation

    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (lr, hr), with hr (H, W) if its file has one channel; LR from the source, or made from all of HR."""
        example = self.source[self.index]
        hr, lr = example.read(self.degradation.scale)
        # A random degradation treats a picture the same way in every validation.
        lr = self.degradation.degrade(hr, Draws(self.index)) if lr is None else lr
        # Decoded an additional time only if it may be gray.
        gray = (hr[..., 0] == hr[..., 1]).all() and (hr[..., 0] == hr[..., 2]).all() and example.is_gray()
        return lr, hr[..., 0] if gray else hr

    @property
    def lr(self) -> np.ndarray:
        """uint8 (H / scale, W / scale, 3)."""
        return self.pair()[0]

    @property
    def hr(self) -> np.ndarray:
        """uint8 (H, W, 3), cropped to a multiple of the scale."""
        return self.source[self.index].read(self.degradation.scale)[0]


def validation_pictures(data: config.Data, scale: int) -> Sequence[ValidationPicture]:
    """The validation pictures of all sources in order, at most `validation_limit`.

    With `on_bad_file` "skip", each is read once as a check; unreadable ones are listed and skipped.
    """
    degradation = build_degradation(data, scale)
    pictures: list = []
    sources = build_sources(data.validation, "data.validation", scale)
    for spec, source in zip(data.validation, sources, strict=True):
        check_degradation(data.degradation, spec, source, "validation")
        wanted = len(source) if data.validation_limit is None else data.validation_limit - len(pictures)
        numbers = range(min(len(source), wanted)) if data.on_bad_file == "error" else _readable(source, scale, wanted)
        pictures += [ValidationPicture(source.name_of(number), source, number, degradation) for number in numbers]
    return pictures


def _readable(source: Source, scale: int, wanted: int) -> list[int]:
    """Numbers of the first pictures that can be read."""

    def problem(example: Example) -> str | None:
        try:
            example.read(scale)
        except InputError as error:
            return str(error)
        return None

    numbers: list[int] = []
    reasons: list[str] = []
    for number, reason in enumerate(in_order(problem, source.examples(), processors())):
        if len(numbers) == wanted:
            break
        if reason is None:
            numbers.append(number)
        else:
            reasons.append(reason)
    say_skipped(source, reasons)
    return numbers
