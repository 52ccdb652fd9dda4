"""`python tools/mean_of_weights.py A.keras B.keras... OUT.keras`: the mean of the weights of unmerged networks.

The networks must have been trained one from the other: the weights of networks with different histories represent
different features. The mean of late averages of one training is often better than each (arXiv:2203.05482).
"""

import sys
from pathlib import Path

import numpy as np

from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.files import check_output, replacing
from sr_gan_tf.models import load


def mean_of_weights(paths: list[str], out: Path) -> None:
    """Writes the first network with the mean of the weights of all."""
    networks = [load(path) for path in paths]
    first = networks[0]
    shapes = [weight.shape for weight in first.weights]
    for path, network in zip(paths, networks, strict=True):
        if type(network) is not type(first) or [weight.shape for weight in network.weights] != shapes:
            raise InputError(f"{path}: its weights differ in number or shape from those of {paths[0]}")
    rows = zip(*(network.get_weights() for network in networks), strict=True)
    first.set_weights([np.mean(row, axis=0) for row in rows])
    with replacing(out) as temporary:
        first.save(temporary)


@command
def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", help="two or more .keras files, unmerged")
    parser.add_argument("out", type=Path)
    options = parser.parse_args(argv)
    check_output(options.out, (".keras",), overwrite=False)
    mean_of_weights(options.networks, options.out)


if __name__ == "__main__":
    sys.exit(main())
