"""Finds the pictures to enlarge: files, folders, patterns and standard input."""

import dataclasses
import glob
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.formats import SUFFIXES, UNREAD, unread, unread_note

STANDARD = "-"
# Patterns of a search.
_WANTED = frozenset((*SUFFIXES, *UNREAD))


@dataclasses.dataclass(frozen=True)
class PictureFile:
    """A picture to enlarge.

    Attributes:
        path: `-` is standard input.
        below: its folder relative to the named folder.
        searched: whether a folder or pattern contained it; False if it was named itself.
        problem: why it cannot be read, if the search found that.
    """

    path: str
    below: Path = Path()
    searched: bool = False
    problem: str = ""


def find_sources(
    inputs: Iterable[str], exclude: str | None = None, left_out: Counter | None = None
) -> list[PictureFile]:
    """Finds the pictures that the command line names, in order and without duplicates.

    Args:
        inputs: files, folders (searched recursively), patterns, or `-`.
        exclude: the folder of results, which is not searched.
        left_out: receives the number of found but unreadable pictures, by suffix.

    Returns:
        One source per picture.

    Raises:
        InputError: an input does not exist, or a folder or pattern contains no pictures.
    """
    left_out = Counter() if left_out is None else left_out
    found: dict[str, PictureFile] = {}
    for item in inputs:
        if not item:
            raise InputError("'': an empty name among the originals; expected a picture, a folder or a pattern")
        try:
            sources = list(_expand(str(item), exclude))
        except OSError as error:
            raise InputError(f"{item[:100]}: {error.strerror}; expected pictures, folders or patterns") from error
        unreadable = unread(source.path for source in sources if source.searched)
        left_out += unreadable
        sources = [source for source in sources if not (source.searched and Path(source.path).suffix.lower() in UNREAD)]
        if not sources:
            reason = unread_note(unreadable) if unreadable else f"no picture there ({', '.join(SUFFIXES)})"
            raise InputError(f"{item}: {reason}")
        for source in sources:
            key = source.path if source.path == STANDARD else str(Path(source.path).resolve())
            if key in found and not source.searched:  # both named and found
                source = dataclasses.replace(found[key], searched=False)
            elif key in found:
                continue
            found[key] = source
    return list(found.values())


def _expand(item: str, exclude: str | None) -> Iterator[PictureFile]:
    path = Path(item)
    if item == STANDARD:
        yield PictureFile(STANDARD)
    elif path.is_dir():
        yield from _below(path, path, exclude)
    elif path.exists():
        yield PictureFile(item)
    elif glob.has_magic(item):
        fixed, _ = _fixed_part(path)
        for name in matching(item):
            match = Path(name)
            if match.is_dir():
                yield from _below(match, fixed, exclude)
            elif match.suffix.lower() in _WANTED:
                yield PictureFile(name, match.parent.relative_to(fixed), searched=True)
    else:
        raise InputError(f"no such file or folder: {item}")


def matching(pattern: str) -> list[str]:
    """Files and folders that a pattern such as `holiday/**/*.png` finds, in order."""
    return sorted(glob.glob(_fixed_part(Path(pattern))[1], recursive=True), key=_in_order)


def _below(folder: Path, root: Path, exclude: str | None) -> Iterator[PictureFile]:
    """Pictures in a folder and its subfolders, without hidden files and without the folder of results."""
    left_out = Path(exclude).resolve() if exclude not in (None, STANDARD) else None
    try:
        paths = sorted(folder.iterdir(), key=lambda item: _in_order(str(item)))
    except OSError as error:
        if folder == root:
            raise
        # One closed folder must not stop the search of all others.
        problem = f"cannot search this folder: {error.strerror}; make it readable, or name the others one by one"
        yield PictureFile(str(folder), folder.parent.relative_to(root), searched=True, problem=problem)
        return
    for path in paths:
        if path.name.startswith(".") or (left_out is not None and path.resolve() == left_out):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _below(path, root, exclude)
        elif path.is_file() and path.suffix.lower() in _WANTED:
            yield PictureFile(str(path), path.parent.relative_to(root), searched=True)
        elif path.is_symlink() and not path.exists() and path.suffix.lower() in SUFFIXES:
            problem = "a link to a file that does not exist; restore the file or remove the link"
            yield PictureFile(str(path), path.parent.relative_to(root), searched=True, problem=problem)


def _in_order(name: str) -> list:
    """Natural sort key: frame 2 before frame 10, with or without padding."""
    parts: list = []
    for character in name:
        if character.isdecimal() and parts and isinstance(parts[-1], int):
            parts[-1] = parts[-1] * 10 + int(character)
        else:
            parts.append(int(character) if character.isdecimal() else character)
    return [(isinstance(part, str), part) for part in parts]


def _fixed_part(path: Path) -> tuple[Path, str]:
    """The folder before the first wildcard, and the pattern with the name of that folder escaped.

    A part with brackets is not a wildcard if a folder of that name exists, as in `photos [2024]/*.png`.
    """
    fixed = Path()
    for number, part in enumerate(path.parts[:-1]):
        if glob.has_magic(part) and not (fixed / part).is_dir():
            return fixed, str(Path(glob.escape(str(fixed)), *path.parts[number:]))
        fixed = fixed / part
    return fixed, str(Path(glob.escape(str(fixed)), path.name))
