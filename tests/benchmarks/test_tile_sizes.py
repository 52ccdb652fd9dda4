"""`tools/tile_sizes.py`: counts windows with their surroundings, compares times of the same round."""

import pytest
from scripts import load_script

from sr_gan_tf.inference.tile_plan import Tiling


@pytest.fixture(name="tool", scope="module")
def _tool():
    return load_script("tools/tile_sizes.py")


def test_surroundings_and_borders_are_counted(tool):
    assert tool.windows((100, 50), Tiling(10, True, tile=(100, 50), border=8)) == (1, 1.0)
    # Windows of 60 rows: [0, 60) and [40, 100); the border adds 16 rows to the picture.
    count, share = tool.windows((100, 50), Tiling(10, True, tile=(40, 50), border=8))
    assert (count, share) == (2, (120 + 16) / (100 + 16))


def test_ratios_are_those_of_a_round(tool):
    tilings = [Tiling(0, True, tile=(100, 50)), Tiling(0, True, tile=(50, 50))]
    text = list(tool.table((100, 50), tilings, [[1.0, 2.0], [4.0, 8.0], [3.0, 3.0]]))
    assert text[2] == "| default | 1 | 1.00 | 3000 | 1.00 | 1.00 |"
    assert text[3] == "| 50x50 | 2 | 1.00 | 3000 | 2.00 | 2.00 |"


def test_the_tool_measures(tool, capsys):
    tool.main(["--size", "24x20", "--tiles", "24x16", "--rounds", "1", "--model", "span_x2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("span_x2")] == [
        f"span_x2, 24x20, {precision}, medians of 1 rounds in turns" for precision in ("float32", "bfloat16")
    ]
    assert len([line for line in lines if line.startswith("| 24x16 | 1 | 1.00 |")]) == 2


@pytest.mark.parametrize("words", [["--tiles", "640"], ["--tiles", "0x20"], ["--tiles", "8x8", "--rounds", "0"]])
def test_mistakes(tool, words, capsys):
    assert tool.main(words) == 2
    assert "expected" in capsys.readouterr().err
