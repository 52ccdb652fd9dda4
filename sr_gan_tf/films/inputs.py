"""Dispatches the inputs of `upscale`: films are enlarged here, pictures by inference/upscaling.py."""

import dataclasses
import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from sr_gan_tf.errors import InputError
from sr_gan_tf.films import INSTALL, SUFFIXES
from sr_gan_tf.inference.batch import Files
from sr_gan_tf.inference.naming import Naming
from sr_gan_tf.inference.passes import Settings
from sr_gan_tf.inference.search import STANDARD, PictureFile, matching
from sr_gan_tf.inference.upscaling import terminated_as_interrupted, upscale_files


@dataclasses.dataclass(frozen=True)
class FilmOptions:
    """Options for films only.

    Args:
        codec: name of an encoder; None: chosen by container and bit depth.
        crf: constant quality; None: the encoder's default here.
        stabilize: reduce flicker in the still parts.
    """

    codec: str | None = None
    crf: int | None = None
    stabilize: bool = False


def upscale_inputs(
    inputs: Sequence[str],
    models: Sequence[str] | None,
    settings: Settings,
    files: Files,
    passes: int = 1,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    ensemble: bool = False,
    dry_run: bool = False,
    film_options: FilmOptions | None = None,
) -> int:
    """Enlarges films and pictures and reports to the terminal, like `python -m sr_gan_tf.upscale`.

    Args:
        inputs: films, pictures, patterns, folders of pictures (films in them are listed, not enlarged), or `-` for a
            picture on standard input.
        models: as in `load_chain`; None: a shipped network is chosen.
        settings: final size, colors, edges, tiles.
        files: names, formats, metadata.
        passes: as in `load_chain`.
        precision: as in `load_chain`.
        ensemble: as in `load_chain`.
        dry_run: print what would be done, without doing it.
        film_options: codec, quality, filter.

    Returns:
        0 if everything was written or skipped, 1 if some of several failed.

    Raises:
        InputError: for invalid options, and if the only input fails.
    """
    film_options = film_options or FilmOptions()
    inputs = [name for item in inputs for name in _expanded(item)]
    films = [name for name in inputs if Path(name).suffix.lower() in SUFFIXES and not Path(name).is_dir()]
    pictures = [name for name in inputs if name not in films]
    _tell_films_in_folders(pictures, files.naming.output)
    if not films:
        if film_options != FilmOptions():
            raise InputError("--codec, --crf and --stabilize have no effect without a film; remove them")
        return upscale_files(inputs, models, settings, files, passes, precision, ensemble, dry_run)
    _check(films, pictures, files)
    status = 0
    for name in films:
        try:
            _upscale_film(Path(name), models, settings, files, (passes, precision, ensemble), dry_run, film_options)
        except InputError as error:
            if len(inputs) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)
            status = 1
    if pictures:
        status |= upscale_files(pictures, models, settings, files, passes, precision, ensemble, dry_run)
    return status


def _expanded(item: str) -> list[str]:
    """Returns the films that match a pattern such as `clips/*.mp4`; other inputs unchanged."""
    if Path(item).suffix.lower() in SUFFIXES and glob.has_magic(item) and not Path(item).exists():
        return matching(item) or [item]
    return [item]


def _tell_films_in_folders(inputs: Sequence[str], output: str | None) -> None:
    """Lists the films in folders: they take hours, so only films that are named are enlarged."""
    results = None if output in (None, STANDARD) else Path(str(output)).resolve()
    for item in inputs:
        found = []
        for folder, names, files in os.walk(item):
            names[:] = [name for name in names if not name.startswith(".") and Path(folder, name).resolve() != results]
            found += [Path(folder, name) for name in files if not name.startswith(".")]
        found = sorted(path for path in found if path.suffix.lower() in SUFFIXES)
        if found:
            count = "1 film" if len(found) == 1 else f"{len(found)} films"
            print(f"note: {item}: {count} left out; name the films to enlarge, e.g. {found[0]}", file=sys.stderr)


def _check(films: Sequence[str], pictures: Sequence[str], files: Files) -> None:
    output = files.naming.output
    if output == STANDARD:
        raise InputError(f"-o -: {films[0]} cannot be written to standard output; give a file or a folder")
    if output is not None and _is_file(output) and len(films) + len(pictures) > 1:
        raise InputError(f"-o {output}: one name for several inputs; give a folder, as in -o results/")
    defaults = Files()
    without = [
        option
        for option, differs in (
            ("--format", files.naming.format is not None),
            ("--quality", files.quality != defaults.quality),
            ("--compression", files.compression != defaults.compression),
            ("--strip", files.strip),
            ("--compare", files.compare),
        )
        if differs
    ]
    if without and not pictures:
        raise InputError(f"{' and '.join(without)}: no effect on films; remove it (--codec and --crf are for films)")


def _is_file(output: str) -> bool:
    return not output.endswith("/") and not Path(output).is_dir() and Path(output).suffix.lower() in SUFFIXES


def _upscale_film(
    path: Path,
    models: Sequence[str] | None,
    settings: Settings,
    files: Files,
    how: tuple[int, Literal["auto", "float32", "bfloat16"], bool],
    dry_run: bool,
    options: FilmOptions,
) -> None:
    try:
        import av  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"{path}: films need PyAV, which is not installed; install it with {INSTALL}") from error
    from sr_gan_tf.films.reading import Frames, probe
    from sr_gan_tf.films.work import enlarge_film
    from sr_gan_tf.films.writing import Codec
    from sr_gan_tf.inference.chain import load_chain
    from sr_gan_tf.inference.choice import choose_for_pixels
    from sr_gan_tf.pictures.progress import progress

    if not path.exists():
        raise InputError(f"{path}: no such file; expected a film")
    film = probe(path)
    if models is None:
        choice = choose_for_pixels(next(iter(Frames(film))).pixels, "a film")
        models = [choice.model]
        print(f"note: {path}: {choice.model}, {choice.reason}; --model NAME decides otherwise", file=sys.stderr)
    chain = load_chain(models, *how)
    width, height = settings.final_size(film.width, film.height, chain.scale)
    values: dict[str, str | int] = {
        "model": chain.name,
        "scale": f"{width / film.width:.3g}",
        "width": width,
        "height": height,
    }
    target = _target(path, files.naming, values)
    if dry_run:
        print(f"{path} -> {target}: {film.width}x{film.height} -> {width}x{height}, {film.frames} frames, {chain.name}")
        return
    if target.exists() and files.skip_existing:
        print(f"{path}: skipped, {target} already exists")
        return
    if target.exists() and (not files.naming.overwrite or target.samefile(path)):
        raise InputError(f"{target} already exists; pass --overwrite or --skip-existing, or choose another -o")
    target.parent.mkdir(parents=True, exist_ok=True)
    megapixels = film.width * film.height / 1e6
    with terminated_as_interrupted(), progress(lines=True) as bar:
        bar.reset(total=max(film.frames, 1) * megapixels)
        bar.set_description_str(path.name[-30:])
        report = enlarge_film(
            film, target, chain, settings, Codec(options.codec, options.crf), options.stabilize,
            tell=lambda frames: bar.update(frames * megapixels),
            warn=lambda lost: tqdm.write(f"note: {path}: not kept: {lost}; MKV keeps the most", file=sys.stderr),
        )  # fmt: skip
    print(report)


def _target(path: Path, naming: Naming, values: dict[str, str | int]) -> Path:
    from sr_gan_tf.films.work import default_target

    if naming.output is not None and _is_file(naming.output):
        return Path(naming.output)
    folder = None if naming.output is None else Path(naming.output)
    target = default_target(path, folder, str(values["scale"]))
    if naming.template is not None:
        target = target.with_name(naming.name(PictureFile(str(path)), values) + target.suffix)
    return target
