"""Atomic file writes, locks and hashes."""

import contextlib
import errno
import hashlib
import itertools
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO

from sr_gan_tf.errors import InputError, one_line

fcntl: ModuleType | None
try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

_WRITTEN = itertools.count()  # several threads may write a file of the same name
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp(\.\w+)?")  # as `replacing` names them


def user_cache() -> Path:
    """The user's cache folder of this package; XDG_CACHE_HOME moves it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sr_gan_tf"


def cache_folder(cache_dir: str | None) -> Path:
    """Location of stores: the experiment's `cache_dir`, or the user's cache folder."""
    return Path(cache_dir).expanduser() if cache_dir else user_cache()


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Converts errors of the operating system on a failed write to one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"no space left to write {path}; free space and run the command again; nothing is lost"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError(f"cannot write {path}: {error.strerror}; choose a writable folder") from error
        reason = error.strerror or one_line(error)
        raise InputError(f"cannot write {path}: {reason}; choose another name or folder") from error


@contextlib.contextmanager
def replacing(path: Path, durable: bool = False, make_folder: bool = True) -> Iterator[Path]:
    """A temporary name in the folder of `path` (same suffix) that replaces `path` when the block succeeds.

    Args:
        path: the file to write.
        durable: whether to flush the content to the disk before renaming, so that a power failure leaves a complete
            file.
        make_folder: whether to create a missing folder.
    """
    # A name may have 255 bytes, and a character takes up to four of them.
    temporary = path.with_name(f".{path.stem[:40]}.{os.getpid()}{next(_WRITTEN):06d}.tmp{path.suffix}")
    try:
        with writing(path):
            if make_folder:
                path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if durable:
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # if it could not be created
            temporary.unlink()


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file in an existing folder that receives its name only when it is complete; see `replacing`."""
    with replacing(Path(path), make_folder=False) as temporary, temporary.open("w+b") as file:
        yield file


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds an exclusive lock on a file against other processes and other callers in this one.

    The lock is always released when the process ends. Without `fcntl` (Windows), a second file, `NAME.owner`, names the
    process that holds it; the file of a process that has ended is ignored.

    Args:
        path: the file, which is created if missing, and remains.
        waiting: called once if the lock is taken, before waiting for it; None raises instead.

    Raises:
        BlockingIOError: the lock is taken, and `waiting` is None.
        OSError: the file cannot be opened, or its file system has no locks.
    """
    with open(path, "a", encoding="utf-8") as file:
        if fcntl is None:
            owner = _owned(path, waiting)
            try:
                yield
            finally:
                owner.unlink(missing_ok=True)
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _owned(path: Path, waiting: Callable[[], None] | None) -> Path:
    """Creates the file that names this process as the owner of a lock."""
    import psutil

    owner = path.with_name(f"{path.name}.owner")
    mine = f"{os.getpid()} {psutil.Process().create_time():.1f}"
    said = False
    while True:
        try:
            with open(owner, "x", encoding="utf-8") as file:
                file.write(mine)
            return owner
        except FileExistsError:
            pass
        with contextlib.suppress(FileNotFoundError):  # it has just been released
            if not _is_held(owner):
                # Moved before it is deleted, so that only one of several processes deletes it.
                stale = owner.with_name(f"{owner.name}.{os.getpid()}")
                os.replace(owner, stale)
                stale.unlink()
                continue
            if waiting is None:
                raise BlockingIOError(errno.EWOULDBLOCK, f"{path} is locked")
            if not said:
                waiting()
            said = True
            time.sleep(0.1)


def _is_held(owner: Path) -> bool:
    """Whether the process that a lock's file names still runs."""
    import psutil

    content = owner.read_text(encoding="utf-8").split()
    if len(content) != 2:
        return time.time() - owner.stat().st_mtime < 5  # it is being written
    try:
        return abs(psutil.Process(int(content[0])).create_time() - float(content[1])) < 1
    except (psutil.Error, ValueError):
        return False


def reserve(file: IO[bytes], size: int, folder: str | Path) -> None:
    """Creates an empty file of `size` bytes, with reserved disk space if the system supports it.

    Raises:
        OSError: there is not enough space.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    # macOS and Windows: rejects at least files that cannot fit.
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.truncate(size)


def sync_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk; Windows does not support or need this."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Removes files that `replacing` left in a folder when its process was killed; no other process may write there."""
    for path in folder.rglob(".*.tmp*"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a small text file atomically.

    Escapes file names in it that are not valid UTF-8, so that the file is valid.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def check_output(path: Path, suffixes: Sequence[str], overwrite: bool, option: str = "") -> None:
    """Rejects the name of a file before the work for it begins: a wrong suffix, a folder, or an existing file.

    Args:
        path: the file to write.
        suffixes: valid suffixes.
        overwrite: whether to replace an existing file.
        option: the command line option that named it, for the message.
    """
    said = f"{option} {path}".lstrip()
    if path.suffix not in suffixes:
        raise InputError(f"{said}: expected a name that ends in {', '.join(suffixes)}")
    with writing(path):
        if path.parent.is_file():
            raise InputError(f"cannot write {path}: {path.parent} is a file; choose another folder")
        if path.is_dir():
            raise InputError(f"{said} is a folder; pass the name of a file")
        if path.exists() and not overwrite:
            raise InputError(f"{path} already exists; pass --overwrite or choose another name")


def try_folder(path: Path) -> None:
    """Creates the folder of a file and tests writing there, so that a long measurement does not fail at the end."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
