"""`python -m sr_gan_tf.beam PATTERN -o FOLDER`: enlarges millions of pictures with an Apache Beam pipeline.

It supports all Beam runners (the direct runner, Dataflow, Flink, Spark; unknown options are passed to Beam) and all
file systems of Beam. Beam needs a separate environment, because it requires older versions of Pillow and protobuf: `pip
install apache-beam -e .`.
"""

import sys

import sr_gan_tf
from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.pictures import MAX_MEGAPIXELS
from sr_gan_tf.pictures.encoding import FORMATS
from sr_gan_tf.registry.imports import add_import
from sr_gan_tf.shipped import DEFAULT_MODEL


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.beam", description=__doc__.split(":")[1].split("\n")[0])
    add_import(parser)
    parser.add_argument("pattern", help="originals, e.g. 'gs://bucket/photos/**' or '/photos/*.jpg'")
    parser.add_argument("-o", "--output", required=True, help="folder of results")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name, run folder or .keras file that all workers read")
    parser.add_argument("--format", choices=sorted(suffix[1:] for suffix in FORMATS), help="default: the original's")
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    parser.add_argument("--max-megapixels", type=float, default=MAX_MEGAPIXELS, help="refuse larger originals")
    arguments, rest = parser.parse_known_args(argv)
    sr_gan_tf.start()
    try:
        from sr_gan_tf.inference.beam_pipeline import EnlargerHandler, run
    except ModuleNotFoundError as missing:
        raise InputError(
            f"no module {missing.name}; in a separate environment: pip install apache-beam -e ."
        ) from missing
    handler = EnlargerHandler(arguments.model, arguments.max_megapixels)
    written, dead, listed = run(
        arguments.pattern, arguments.output, handler, arguments.format, arguments.overwrite, rest
    )
    print(f"{written} written, {dead} in {listed}")


if __name__ == "__main__":
    sys.exit(main())
