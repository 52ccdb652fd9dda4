"""Finds results of earlier runs among the pictures of a search; they must not be enlarged again."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from sr_gan_tf.inference.search import PictureFile
from sr_gan_tf.pictures.decoding import quiet
from sr_gan_tf.pictures.exif import directories, without_prefix
from sr_gan_tf.pictures.extra_formats import open_extra
from sr_gan_tf.shipped import shipped_models

# Suffix of a result's name: `_x{scale}`, formerly `_{model}_x{scale}`.
_ENDING = re.compile(r"_(?:(?P<model>.+)_)?x\d[\d.e+-]*")
_SOFTWARE = 0x0131


def earlier_results(sources: Sequence[PictureFile], names: Mapping[PictureFile, str], model: str) -> set[PictureFile]:
    """Pictures from a search whose names are those of results for another picture in the same folder.

    Args:
        sources: all pictures of a run.
        names: names of their results in this run, without suffix, if these contain the originals' names.
        model: name of this run's network. A file name that contains it or a shipped model is sufficient; otherwise the
            metadata of the picture must name this package.
    """
    folders = {source: Path(source.path).parent.resolve() for source in sources}
    beside: dict[Path, set[str]] = defaultdict(set)
    for source, folder in folders.items():
        beside[folder].add(Path(source.path).stem)
    made = {(folders[source], name) for source, name in names.items() if name != Path(source.path).stem}
    known = {model, *shipped_models()}

    def is_result(path: Path, folder: Path) -> bool:
        # NAME_compare.png is next to the result NAME.
        for stem in {path.stem, path.stem.removesuffix("_compare")}:
            if (folder, stem) in made:
                return True
            for place in (index for index, letter in enumerate(stem) if letter == "_"):
                ending = _ENDING.fullmatch(stem, place) if stem[:place] in beside[folder] else None
                if ending and (ending["model"] in known or _says(path, ending["model"])):
                    return True
        return False

    return {source for source in sources if source.searched and is_result(Path(source.path), folders[source])}


def _says(path: Path, model: str | None) -> bool:
    """Whether the picture's metadata name this package, and the model if its file name contains one."""
    program = _software(path)
    return program.startswith("sr_gan_tf ") and (model is None or f": {model} x" in program)


def _software(path: Path) -> str:
    """The software that wrote the picture, from its EXIF."""
    try:
        with open(path, "rb") as file:
            picture = open_extra(file)
            if picture is not None:
                exif = picture.info.get("exif")
                entry = directories(without_prefix(exif))[1][0].get(_SOFTWARE) if exif else None
                return entry.value.partition(b"\0")[0].decode("latin-1") if entry else ""
        with quiet(), Image.open(path) as image:
            # For a PNG without EXIF, Pillow would decode all pixels to search for it.
            if image.format == "PNG" and "exif" not in image.info:
                return ""
            if image.format == "GIF":
                comment = image.info.get("comment", b"")
                return comment.decode("latin-1") if isinstance(comment, bytes) else str(comment)
            return str(image.getexif().get(_SOFTWARE, ""))
    except Exception:  # Pillow raises any error of its readers; unreadable files are rejected later, by name
        return ""
