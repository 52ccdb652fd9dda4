"""Results of earlier runs among the pictures that a search finds: they must not be enlarged again."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from sr_gan_tf.inference.jobs import PictureFile
from sr_gan_tf.pictures.decoding import quiet
from sr_gan_tf.shipped import shipped_models

# What the name of a result has after its original's: `_x{scale}`, once `_{model}_x{scale}`.
_ENDING = re.compile(r"_(?:(?P<model>.+)_)?x\d[\d.e+-]*")
_SOFTWARE = 0x0131


def earlier_results(sources: Sequence[PictureFile], names: Mapping[PictureFile, str], model: str) -> set[PictureFile]:
    """The searched-out pictures that are named as a run names its results of another picture beside them.

    Args:
        sources: all pictures of a run.
        names: what this run calls their results, without suffix, where that follows from the originals' names.
        model: what this run calls its network. A name with it or with a shipped model is enough; for other models,
            and for names without any, the picture's own metadata must say so.
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
    """Whether the picture's own metadata name this package, and the model where its name has one."""
    software = _software(path)
    return software.startswith("sr_gan_tf ") and (model is None or f": {model} x" in software)


def _software(path: Path) -> str:
    """What wrote the picture, as its EXIF says."""
    try:
        with quiet(), Image.open(path) as image:
            # Of a PNG without EXIF Pillow would decode all pixels in search of it.
            if image.format == "PNG" and "exif" not in image.info:
                return ""
            if image.format == "GIF":
                comment = image.info.get("comment", b"")
                return comment.decode("latin-1") if isinstance(comment, bytes) else str(comment)
            return str(image.getexif().get(_SOFTWARE, ""))
    except Exception:  # Pillow raises whatever its readers raise; what cannot be read is refused later, with its name
        return ""
