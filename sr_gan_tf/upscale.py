"""`python -m sr_gan_tf.upscale`: enlarges pictures and films with trained networks; `upscale()` for Python."""

import argparse
import dataclasses
import importlib
import sys
from typing import TYPE_CHECKING, Any

from sr_gan_tf.arguments import halo_argument
from sr_gan_tf.errors import Parser, command
from sr_gan_tf.pictures import MAX_MEGAPIXELS
from sr_gan_tf.registry.imports import add_import
from sr_gan_tf.shipped import DEFAULT_MODEL

if TYPE_CHECKING:
    from sr_gan_tf.inference.upscaling import upscale as upscale


def _arguments() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sr_gan_tf.upscale", description=__doc__.split(";")[0] + ".")
    add_import(parser)
    parser.add_argument("inputs", nargs="+", help="pictures, films, folders of pictures, patterns, or - for stdin")
    where = parser.add_argument_group("results")
    where.add_argument("-o", "--output", help="a file, a folder, or - for stdout; default: next to the originals")
    where.add_argument("--name", help="file name, e.g. '{stem}_{model}_x{scale}'; also {width}, {height}, {suffix}")
    where.add_argument(
        "--format", help="png, jpg, webp, tif, bmp, avif, gif, heic or jxl; default: as the output or original"
    )
    where.add_argument("--quality", type=int, default=95, help="1 to 100; 100 is lossless in WebP and JPEG XL")
    where.add_argument("--compression", choices=("fast", "small"), default="fast", help="of PNG and TIFF")
    where.add_argument("--overwrite", action="store_true", help="replace existing files")
    where.add_argument("--skip-existing", action="store_true", help="skip pictures whose result exists")
    where.add_argument("--strip", action="store_true", help="write no ICC profile, EXIF, XMP, IPTC or resolution")
    where.add_argument("--compare", action="store_true", help="write NAME_compare.png: nearest, bicubic, ours")
    how = parser.add_argument_group("networks")
    how.add_argument(
        "--model",
        action="append",
        help=f"name, run folder, .keras file or SavedModel; A:0.7,B:0.3 mixes weights; several form a chain; "
        f"default: {DEFAULT_MODEL} for clean pictures, another for JPEGs of low quality and noise",
    )
    how.add_argument("--passes", type=int, default=1, help="number of passes through the network")
    how.add_argument("--ensemble", action="store_true", help="average over eight flips and rotations; takes 8x as long")
    how.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    size = parser.add_argument_group("size and look")
    size.add_argument("--scale", type=float, help="final enlargement; default: the network's")
    size.add_argument("--width", type=int, help="final width in pixels")
    size.add_argument("--height", type=int, help="final height in pixels")
    size.add_argument("--max-side", type=int, help="final length of the longer side in pixels")
    size.add_argument("--short-side", type=int, help="final length of the shorter side in pixels")
    size.add_argument("--seamless", action="store_true", help="for textures: opposite edges join seamlessly")
    size.add_argument("--match-color", action="store_true", help="keep the original's colors at low frequencies")
    film = parser.add_argument_group("films")
    film.add_argument(
        "--codec", help="encoder, e.g. libx264, libx265, libsvtav1, h264_nvenc; default: by the container"
    )
    film.add_argument("--crf", type=int, help="constant quality, 0 (best) to 63; default: visually almost lossless")
    film.add_argument("--stabilize", action="store_true", help="reduce flicker in still parts")
    work = parser.add_argument_group("work")
    work.add_argument("--tile", type=int, help="side of a tile in pixels of the original; default: by free memory")
    work.add_argument("--halo", type=halo_argument, help="exact, or pixels around a tile")
    work.add_argument("--workers", type=int, default=2, help="maximum number of pictures written at once")
    work.add_argument("--max-megapixels", type=float, default=MAX_MEGAPIXELS, help="refuse larger originals")
    work.add_argument("--dry-run", action="store_true", help="print what would be done, and stop")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default those of the process."""
    options = _arguments().parse_args(argv)
    # These import NumPy and Pillow, but not TensorFlow, which some enlargements do not need.
    from sr_gan_tf.films.inputs import FilmOptions, upscale_inputs
    from sr_gan_tf.inference.batch import Files
    from sr_gan_tf.inference.naming import Naming
    from sr_gan_tf.inference.passes import Settings

    settings = Settings(
        **{field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)}  # same names
    )
    files = Files(
        Naming(options.output, options.name, options.format, options.overwrite),
        options.quality,
        options.compression,
        options.skip_existing,
        options.strip,
        options.compare,
        options.max_megapixels,
        options.workers,
    )
    return upscale_inputs(
        options.inputs,
        options.model,
        settings,
        files,
        options.passes,
        options.precision,
        options.ensemble,
        options.dry_run,
        FilmOptions(options.codec, options.crf, options.stabilize),
    )


def __getattr__(name: str) -> Any:
    if name == "upscale":  # for Python; imported on demand, because NumPy and Pillow take time
        return importlib.import_module("sr_gan_tf.inference.upscaling").upscale
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    sys.exit(main())
