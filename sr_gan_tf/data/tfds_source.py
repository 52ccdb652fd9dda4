"""Pictures from TensorFlow Datasets: any data set with an image feature, by name and split.

Nothing happens until the first picture is requested; then the data set is downloaded and prepared if necessary.
Records are read in order and passed on encoded, so that decoding runs in parallel elsewhere.
"""

import contextlib
import functools
import itertools
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sr_gan_tf.data.sources import Example, Source
from sr_gan_tf.errors import InputError, Unavailable, one_line


class TFDS(Source):
    """A split of a data set of TensorFlow Datasets.

    Args:
        name: e.g. `div2k/bicubic_x4`, `celeb_a`, `tf_flowers`.
        split: `train`, `validation`, `test`, or a part such as `train[:90%]`.
        data_dir: location of data sets; default: that of TFDS.
        feature: the image feature for HR; default: `hr`, or the only image feature.
        use_lr: whether to use LR from the data set if it has a feature `lr` (with the experiment's scale).
        squash: (height, width) to which each picture is resized, regardless of its aspect ratio (LR is then made).

    Raises:
        Unavailable: the data set cannot be downloaded or prepared; the message states how to use a folder instead.
        InputError: the data set, split or image feature does not exist.
    """

    def __init__(
        self,
        name: str,
        split: str = "train",
        data_dir: str | None = None,
        feature: str | None = None,
        use_lr: bool = True,
        squash: tuple[int, int] | None = None,
    ):
        self.name, self.split, self.data_dir = name, split, data_dir
        self.feature, self.use_lr, self.squash = feature, use_lr, squash
        self._position = 0
        self._iterator: Iterator[Example] | None = None

    def __str__(self) -> str:
        return f"TFDS {self.name} {self.split}"

    def __len__(self) -> int:
        return self._opened[1]

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(index)
        # Pictures are usually read in order, so that the records are read once.
        if self._iterator is None or index != self._position:
            self._iterator = self._records(index)
        self._position = index + 1
        return next(self._iterator)

    def name_of(self, index: int) -> str:
        return f"{self}[{index}]"

    def examples(self, first: int = 0) -> Iterator[Example]:
        return self._records(first)

    @property
    def has_lr(self) -> bool:  # type: ignore[override]
        return self._features[1] is not None

    def fingerprint(self) -> list:
        builder = self._builder
        about = Path(str(builder.data_dir)) / "dataset_info.json"
        state = [about.stat().st_size, about.stat().st_mtime_ns] if about.is_file() else []
        features = list(self._features)
        return ["TFDS", builder.info.full_name, self.split, str(builder.data_dir), state, features, self.squash]

    def sizes(self, limit: int) -> list[tuple[int, int]]:
        # Records are sequential, so the first ones represent all.
        if self.squash:
            return [self.squash]
        result = []
        for example in itertools.islice(self.examples(), min(limit, 16)):
            with contextlib.suppress(InputError):  # unreadable files are reported on reading
                result.append(example.size())
        return result

    @property
    def is_here(self) -> bool:  # type: ignore[override]
        return self._found.is_prepared()

    @functools.cached_property
    def _found(self) -> Any:
        if ":" in self.name:
            raise InputError(
                f"{self.where}: {self.name} is a data set of a community, whose code TFDS would fetch and run; "
                "download its pictures and name their folder"
            )
        try:
            with _features_of_tfds_only():
                return _tfds().builder(self.name, data_dir=self.data_dir)
        except Exception as error:  # TFDS raises any kind of error, also if a server does not respond
            raise InputError(f"{self.where}: TFDS has no data set {self.name!r}: {_first_line(error)}") from error

    @functools.cached_property
    def _builder(self) -> Any:
        try:
            with _few_retries():
                self._found.download_and_prepare()
        except Exception as error:
            folder = json.dumps({"class_name": "Folder", "config": {"path": "FOLDER"}})
            raise Unavailable(
                f"{self.where}: TFDS cannot prepare {self.name} on this machine "
                f"({_first_line(error)}); to use a folder of "
                f"pictures instead: --set '{self.where}={folder}'"
            ) from error
        return self._found

    @functools.cached_property
    def _features(self) -> tuple[str, str | None]:
        """Names of the HR and LR features."""
        tfds, features = _tfds(), self._builder.info.features
        images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
        hr = self.feature or ("hr" if "hr" in images else images[0] if len(images) == 1 else None)
        if hr is None or hr not in images:
            remedy = f"set config.feature to one of {', '.join(images)}" if images else "use a data set of pictures"
            raise InputError(f"{self.where}: {self.name} has no image feature {self.feature or ''!r}; {remedy}")
        uses_lr = self.use_lr and not self.squash and hr == "hr" and "lr" in images
        return hr, "lr" if uses_lr else None

    @functools.cached_property
    def _opened(self) -> tuple[Any, int]:
        """The tf.data set of encoded pictures in a fixed order, and their number."""
        tfds, names = _tfds(), {name for name in self._features if name}
        decoders = tfds.decode.PartialDecoding(
            dict.fromkeys(names, True), decoders={name: tfds.decode.SkipDecoding() for name in names}
        )
        in_order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        try:
            records = self._builder.as_dataset(
                split=self.split, decoders=decoders, read_config=in_order, shuffle_files=False
            )
        except (ValueError, KeyError) as error:
            raise InputError(f"{self.where}: {self.name} has no split {self.split!r}: {_first_line(error)}") from error
        return records, int(records.cardinality())

    def _records(self, first: int) -> Iterator[Example]:
        hr, lr = self._features
        for number, record in enumerate(self._opened[0].skip(first).as_numpy_iterator(), first):
            yield Example(self.name_of(number), record[hr], record[lr] if lr else None, self.squash)


@contextlib.contextmanager
def _few_retries() -> Iterator[None]:
    """Prevents TFDS from waiting for minutes, with many warnings, for an unreachable server."""
    from tensorflow_datasets.core.download import downloader

    # Its download threads outlive the error and would continue to warn, so the level is not restored.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    retries, downloader.MAX_RETRIES = downloader.MAX_RETRIES, 3
    try:
        yield
    finally:
        downloader.MAX_RETRIES = retries


@contextlib.contextmanager
def _features_of_tfds_only() -> Iterator[None]:
    """A prepared data set names the classes of its features, and TFDS would import whichever module they name."""
    connector = _tfds().features.FeatureConnector
    original = vars(connector)["cls_from_name"]

    def checked(cls, name: str):
        if not str(name).startswith("tensorflow_datasets."):
            raise ValueError(f"its features.json names {name!r}, which is no feature of TFDS and is not run")
        return original.__func__(cls, name)

    connector.cls_from_name = classmethod(checked)
    try:
        yield
    finally:
        connector.cls_from_name = original


def _tfds() -> Any:
    import tensorflow_datasets  # takes seconds, and most experiments do not need it

    return tensorflow_datasets


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return one_line(ValueError(lines[0]))[:200] if lines else type(error).__name__
