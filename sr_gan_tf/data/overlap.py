"""Rejects validation pictures that are also training pictures, because their metrics would not generalize."""

from pathlib import Path

from sr_gan_tf import config
from sr_gan_tf.data.catalog import build_sources
from sr_gan_tf.data.sources import Source
from sr_gan_tf.data.tfds_source import TFDS
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import sha256


def refuse_shared_pictures(data: config.Data, scale: int) -> None:
    """Compares the files of the training and validation sources, byte by byte if sizes are equal.

    Pictures that were saved again, cropped or resized are not detected; `python -m sr_gan_tf.data check` compares the
    contents. Data sets of TFDS are compared by name and split; two parts of one split may overlap.

    Raises:
        InputError: a picture is in both; the message names the first.
    """
    train = build_sources(data.train, "data.train", scale)
    validation = build_sources(data.validation, "data.validation", scale)
    for source in validation:
        for other in train:
            if _one_holds_the_other(source, other):
                _refuse(f"{source}", source, f"{other}")
    trained: dict[int, list[Path]] = {}
    for path in _files(train):
        trained.setdefault(path.stat().st_size, []).append(path)
    digests: dict[Path, str] = {}
    for source in validation:
        for path in _files([source]):
            for known in trained.get(path.stat().st_size, ()):
                if path.samefile(known) or _digest(path, digests) == _digest(known, digests):
                    _refuse(str(path), source, str(known))


def _one_holds_the_other(source: Source, other: Source) -> bool:
    if not isinstance(source, TFDS) or not isinstance(other, TFDS) or source.name != other.name:
        return False
    splits = {source.split, other.split}
    bases = {split.partition("[")[0] for split in splits}
    return len(bases) == 1 and (len(splits) == 1 or bool(splits & bases))


def _refuse(picture: str, source: Source, other: str) -> None:
    raise InputError(
        f"{picture} of {source.where} is also a training picture (as {other}); validation needs other pictures: "
        "remove it from one of them"
    )


def _files(sources: list[Source]) -> list[Path]:
    files: list[Path] = []
    for source in sources:
        if isinstance(source, TFDS) or not len(source) or not isinstance(source[0].hr, Path):
            continue  # pictures inside an archive; listing them would read all of it
        pictures = (source[index].hr for index in range(len(source)))
        files += [path for path in pictures if isinstance(path, Path) and path.is_file()]
    return files


def _digest(path: Path, known: dict[Path, str]) -> str:
    if path not in known:
        known[path] = sha256(path)
    return known[path]
