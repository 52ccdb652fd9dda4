"""docs/networks.md: every network of the catalogs has a line, and its numbers are the networks' own."""

import json
import re
from pathlib import Path

import pytest
from network_checks import trainable_count

from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.inference.receptive_field import receptive_field
from sr_gan_tf.losses.package_weights import INSTALL_LPIPS, lpips_file

TABLE = Path(__file__).parents[2] / "docs" / "networks.md"
NETWORKS = GENERATORS | DISCRIMINATORS


def rows() -> list[tuple[str, dict, int, str]]:
    """Name, configuration, parameters and receptive field of each line."""
    found = []
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"`\w+`", cells[0]) and len(cells) == 7:
            config = json.loads(cells[2].strip("`"))
            found.append((cells[0].strip("`"), config, int(cells[3].replace(",", "")), cells[4]))
    return found


def test_every_network_has_a_line():
    assert {name for name, *_ in rows()} == set(NETWORKS)


# Those with many parameters take seconds to start.
@pytest.mark.parametrize(
    ("name", "config", "parameters", "field"),
    [pytest.param(*row, marks=pytest.mark.long) if row[2] > 2e6 else row for row in rows()],
)
def test_numbers_of_the_table(name, config, parameters, field):
    if config.get("trunk_weights") == "lpips" and lpips_file("vgg16") is None:
        pytest.skip(INSTALL_LPIPS)
    network = NETWORKS[name](**config)
    assert trainable_count(network) == parameters
    found = receptive_field(network)
    assert field == (str(found.size) if found.finite else "the whole image")
