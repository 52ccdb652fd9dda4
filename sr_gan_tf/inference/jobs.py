"""Finds the files to enlarge and names the results: files, folders, globs, standard input and output."""

import dataclasses
import glob
import os
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.pictures.encoding import FORMATS, format_of
from sr_gan_tf.pictures.formats import SUFFIXES, UNREAD, missing_package, unread, unread_note

STANDARD = "-"
_BESIDE = "{stem}_x{scale}"
_FIELDS = ("stem", "model", "scale", "width", "height", "suffix")
_SUFFIX_OF = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "AVIF": ".avif",
    "GIF": ".gif",
    "HEIF": ".heic",
    "JXL": ".jxl",
}
# Patterns of a search.
_WANTED = frozenset((*SUFFIXES, *UNREAD))
_LONGEST_NAME = 255  # bytes, on every usual file system


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


@dataclasses.dataclass(frozen=True)
class Naming:
    """Locations and names of results.

    Args:
        output: a file, a folder, `-` for standard output, or None for the folders of the originals.
        template: file name without suffix, from {stem}, {model}, {scale}, {width}, {height} and {suffix} (the
            original's); None for `{stem}` in a folder of results and `{stem}_x{scale}` next to the originals.
        format: of all results (`png`, `jpg` ...); None: the suffix of the output, or that of the original.
        overwrite: whether to replace existing files.
    """

    output: str | None = None
    template: str | None = None
    format: str | None = None
    overwrite: bool = False

    def __post_init__(self):
        for option, value in (("-o", self.output), ("--name", self.template)):
            if value == "":
                raise InputError(f"{option} '': an empty name; pass a name, or remove {option}")
        if self.format is not None and f".{self.format.lower().lstrip('.')}" not in FORMATS:
            names = [suffix[1:] for suffix in FORMATS]
            raise InputError(f"--format {self.format}: unknown{suggest(self.format, names)}")
        try:
            fields = [part[1:3] for part in string.Formatter().parse(self.template or "") if part[1] is not None]
            used = {field for field, _ in fields}
            if any(int(number) > _LONGEST_NAME for _, form in fields for number in re.findall(r"\d+", form)):
                raise ValueError(f"a name has at most {_LONGEST_NAME} characters")
            (self.template or "").format(**{field: "1" for field in _FIELDS})
        except (ValueError, KeyError, IndexError) as error:
            used = {part for part in [str(error).strip("'")] if isinstance(error, KeyError)}
            if not used:
                raise InputError(f"--name {self.template}: {error}; expected e.g. '{{stem}}_x{{scale}}'") from error
        for field in used - set(_FIELDS):
            raise InputError(f"--name {self.template}: unknown field {field!r}{suggest(field, _FIELDS)}")
        if self.template is not None and ("/" in self.template or "\\" in self.template):
            raise InputError(f"--name {self.template}: expected a name, not a path; pass a folder with -o")

    def is_one_file(self, sources: int) -> bool:
        """Whether `output` names the result itself, not a folder of results.

        Raises:
            InputError: `output` is a file name that cannot be the result's name.
        """
        if self.output in (None, STANDARD):
            return self.output == STANDARD
        path, suffix = Path(self.output), Path(self.output).suffix.lower()
        _check_length(path.name, "-o")
        if self.output.endswith("/") or path.is_dir():
            return False
        if suffix not in FORMATS and suffix in (*SUFFIXES, *UNREAD):
            raise InputError(
                f"-o {self.output}: cannot write {suffix}{_remedy(suffix)}; expected one of {', '.join(FORMATS)}, or "
                "a folder name that ends with /"
            )
        if suffix not in FORMATS:
            return False
        if sources > 1:
            raise InputError(f"-o {self.output}: one name for {sources} pictures; pass a folder, as in -o results/")
        if self.format is not None and self.format_for(self.output, "") != FORMATS[suffix]:
            raise InputError(f"-o {self.output} and --format {self.format} contradict each other; remove one")
        return True

    def name(self, source: PictureFile, values: dict[str, str | int]) -> str:
        """Name of the result of one picture, without suffix; `values` as in `target`."""
        path = _path(source)
        name = self._pattern.format(stem=path.stem, suffix=path.suffix.lstrip("."), **values)
        # Only the result of a hidden file may be hidden.
        hidden = name.startswith(".") and not path.name.startswith(".")
        if not name or hidden or "/" in name or "\0" in name:
            raise InputError(f"--name {self._pattern}: gives {name!r} for {path}, which is not a valid file name")
        return name

    @property
    def keeps_stem(self) -> bool:
        """Whether the names of the results contain those of the originals."""
        return any(field == "stem" for _, field, _, _ in string.Formatter().parse(self._pattern))

    @property
    def _pattern(self) -> str:
        return self.template or (_BESIDE if self.output is None else "{stem}")

    def target(self, source: PictureFile, one_file: bool, values: dict[str, str | int], original_format: str) -> str:
        """Path of the result of one picture.

        Args:
            source: the original.
            one_file: the value of `is_one_file`.
            values: the fields of the template except `stem` and `suffix`.
            original_format: e.g. "JPEG"; replaced with PNG if it cannot be written.
        """
        if one_file and self.output is not None:
            return self.output
        path, name = _path(source), self.name(source, values)
        if self.format is not None:
            suffix = f".{self.format.lower().lstrip('.')}"
        elif path.suffix.lower() in FORMATS and format_of(path) == original_format:
            suffix = path.suffix
        else:
            suffix = _SUFFIX_OF.get(original_format, ".png")
        _check_length(f"{name}{suffix}", f"the result of {path}")
        root = path.parent if self.output is None else Path(self.output)
        folder = root if self.output is None else root / source.below
        target = folder / f"{name}{suffix}"
        if self.output is not None and not target.parent.resolve().is_relative_to(root.resolve()):
            raise InputError(f"{target} would be outside {root}; remove the link in {folder}")
        if target.resolve() == path.resolve():
            raise InputError(f"{path} would be replaced by its own enlargement; pass -o or --name")
        return str(target)

    def format_for(self, target: str, original_format: str) -> str:
        """The format to write, e.g. "PNG"."""
        if self.format is not None:
            return FORMATS[f".{self.format.lower().lstrip('.')}"]
        if target == STANDARD:
            return original_format if original_format in _SUFFIX_OF else "PNG"
        return format_of(target)


def _suffix(source: PictureFile) -> str:
    return Path(source.path).suffix.lower()


def _path(source: PictureFile) -> Path:
    return Path("standard_input" if source.path == STANDARD else source.path)


def _check_length(name: str, where: str) -> None:
    """Rejects names that are too long, also for the temporary file, which adds 15 bytes to 100 characters."""
    size = max(len(os.fsencode(name)), len(os.fsencode(name[:100])) + 15)
    if size > _LONGEST_NAME:
        raise InputError(
            f"{where}: the name {name[:20]}... is too long for a file; pass a shorter one with -o or --name"
        )


def _remedy(suffix: str) -> str:
    package = missing_package(suffix)
    return f" here (pip install {package})" if package else ""


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
        sources = [source for source in sources if not (source.searched and _suffix(source) in UNREAD)]
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
