"""`python -m sr_gan_tf.metrics.fit_niqe`: fits the parameters of NIQE to a folder of sharp photographs."""

import sys
from pathlib import Path

import numpy as np

from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.files import check_output, replacing
from sr_gan_tf.metrics.niqe import KEYS, fit_parameters
from sr_gan_tf.pictures.reading import SUFFIXES, read_rgb


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.metrics.fit_niqe", description="Fits NIQE parameters")
    parser.add_argument("folder", type=Path, help="sharp photographs, a hundred or more")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    arguments = parser.parse_args(argv)
    check_output(arguments.output, (".npz",), arguments.overwrite, "-o")
    files = [path for path in sorted(arguments.folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise InputError(f"no pictures in {arguments.folder}; give a folder of sharp photographs")
    mean, covariance = fit_parameters(read_rgb(path) for path in files)
    with replacing(arguments.output) as temporary:
        np.savez(temporary, allow_pickle=False, **dict(zip(KEYS, (mean, covariance), strict=True)))
    print(f"{arguments.output}: fitted to {len(files)} photographs")


if __name__ == "__main__":
    sys.exit(main())
