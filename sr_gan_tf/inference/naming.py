"""Names the results of an enlargement: in a folder, next to the originals, in one file, on standard output."""

import dataclasses
import os
import re
import string
from pathlib import Path

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.inference.search import STANDARD, PictureFile
from sr_gan_tf.pictures.encoding import FORMATS, format_of
from sr_gan_tf.pictures.formats import SUFFIXES, UNREAD, missing_package

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
_LONGEST_NAME = 255  # bytes, on every usual file system


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
