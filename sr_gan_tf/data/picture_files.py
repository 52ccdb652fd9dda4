"""Finds the picture files of a folder, and the LR files that belong to its HR files."""

import functools
import re
import sys
from collections import Counter
from pathlib import Path

from sr_gan_tf.errors import InputError, Unavailable, one_line
from sr_gan_tf.pictures.formats import SUFFIXES, unread, unread_note


def list_pictures(root: Path, pattern: str | None) -> list[Path]:
    """Picture files in the folder, ordered by path; ignores hidden files."""
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise Unavailable(f"no folder {root}; expected the path of a folder of pictures")
    try:
        found = list(root.glob(pattern or "**/*"))
    except (NotImplementedError, ValueError, IndexError) as error:
        raise InputError(
            f"{root}: pattern {pattern!r} cannot be used ({one_line(error)}); expected a glob relative to this folder, "
            'such as "*/photo_*.png"'
        ) from error
    seen = [
        file
        for file in found
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    files = [file for file in seen if pattern or file.suffix.lower() in SUFFIXES]
    left_out = Counter() if pattern else unread(seen)
    if not files:
        wanted = f"matches {pattern}" if pattern else f"has a picture's suffix ({' '.join(SUFFIXES)})"
        reason = unread_note(left_out) if left_out else f"no file {wanted}"
        raise InputError(f"no pictures in {root}: {reason}")
    if left_out:
        _note_once(f"note: {root}: {unread_note(left_out)}")
    return sorted(files)


@functools.cache
def _note_once(text: str) -> None:
    """Prints a note once, because a folder is listed several times in a run."""
    print(text, file=sys.stderr)


def state_of(file: Path) -> list:
    """JSON data that changes when the file changes: path, size and time."""
    try:
        status = file.stat()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}; is the folder being changed?") from error
    return [str(file.resolve()), status.st_size, status.st_mtime_ns]


class Partners:
    """LR pictures by the name of their HR picture."""

    def __init__(self, root: Path):
        self.root, self.files = root, list_pictures(root, None)
        self._by_key: dict[str, list[Path]] = {}
        for file in self.files:
            for key in {_key(file, root), _bare(_key(file, root))}:
                self._by_key.setdefault(key, []).append(file)

    def find(self, hr: Path, root: Path) -> Path:
        """The LR file of an HR file; if there is none, a nonexistent path, so that reading it fails."""
        key = _key(hr, root) if root.is_dir() else hr.stem
        for candidate in (key, _bare(key)):
            matches = self._by_key.get(candidate, [])
            if len(matches) > 1:
                exact = [file for file in matches if _key(file, self.root) == candidate]
                matches = exact if len(exact) == 1 else matches
            if len(matches) == 1:
                return matches[0]
        return self.root / f"{key}{hr.suffix}"


def _key(file: Path, root: Path) -> str:
    return file.relative_to(root).with_suffix("").as_posix()


def _bare(key: str) -> str:
    """`0001x4`, `0001_x4` and `0001-LR` are LR pictures of `0001`."""
    return re.sub(r"[_-]?(?:x\d{1,2}|lr|hr)$", "", key, flags=re.IGNORECASE)
