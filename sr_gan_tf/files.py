"""Writing files whole or not at all, and telling one file from another."""

import contextlib
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from sr_gan_tf.errors import InputError, one_line

_TEMPORARY = re.compile(r"\..+\.\d+\.tmp(\.\w+)?")  # as `replacing` names them


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that gets its name only when it is whole; after an error nothing is left of it."""
    path = Path(path)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose another folder") from error
    try:
        os.close(descriptor)
        with open(temporary, "w+b") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp's files are the owner's alone
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or one_line(error)}; nothing was written") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the operating system says about a failed write into one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"no space left to write {path}; free some and start again, nothing is lost") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError(f"cannot write {path}: {error.strerror}; choose a folder that can be written") from error
        reason = error.strerror or one_line(error)
        raise InputError(f"cannot write {path}: {reason}; choose another name or folder") from error


@contextlib.contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """A temporary name beside `path` (same ending) that takes its place when the block ends well.

    Args:
        path: the file to be written.
        durable: whether its content is on the disk before it takes its name, so that a power cut leaves a whole file.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if durable:
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # where it could not even be made
            temporary.unlink()


def remove_leftovers(folder: Path) -> None:
    """Removes what `replacing` left below a folder when its process was killed; no other process may write there."""
    for path in folder.rglob(".*.tmp*"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a small text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_output(path: Path, suffixes: Sequence[str], overwrite: bool, option: str = "") -> None:
    """Refuses the name of a file before the work for it begins: of another kind, a folder's, or there already.

    Args:
        path: the file to be written.
        suffixes: what its name may end in.
        overwrite: whether a file that is there may be replaced.
        option: of the command line that named it, for the message.
    """
    said = f"{option} {path}".lstrip()
    if path.suffix not in suffixes:
        raise InputError(f"{said}: expected a name that ends in {', '.join(suffixes)}")
    with writing(path):
        if path.parent.is_file():
            raise InputError(f"cannot write {path}: {path.parent} is a file; choose another folder")
        if path.is_dir():
            raise InputError(f"{said} is a folder; give the name of a file")
        if path.exists() and not overwrite:
            raise InputError(f"{path} is there already; choose another name, or say --overwrite")


def try_folder(path: Path) -> None:
    """Makes the folder of a file and writes there for a moment: long measuring must not end at one that refuses."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
