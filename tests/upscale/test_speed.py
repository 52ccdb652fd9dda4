"""The measurement of the upscale command: every row and ratio, on a picture of no size."""

import re

import pytest

from sr_gan_tf.benchmarks.timing import in_turns
from sr_gan_tf.benchmarks.upscale_command import main, photograph


def test_rows_and_ratios(model, capsys):
    assert main(["--model", model, "--size", "32x24", "--rounds", "1"]) == 0
    said = capsys.readouterr().out
    times = dict(re.findall(r"^(.*\S)\s+([\d.]+) s$", said, re.MULTILINE))
    assert {f"network, {kind}" for kind in ("float32", "bfloat16")} < set(times)
    assert len(times) == 6
    ratios = re.findall(r"^(.+) / (.+): ([\d.]+)$", said, re.MULTILINE)
    assert len(ratios) == 5


def test_medians_of_turns_leave_the_first_out():
    values = {"a": iter([100.0, 1.0, 3.0, 2.0]), "b": iter([0.0, 5.0, 5.0, 8.0])}
    assert in_turns({name: lambda name=name: next(values[name]) for name in values}, 3) == {"a": 2.0, "b": 5.0}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--size", "wide"], "WIDTHxHEIGHT"),
        (["--size", "0x0"], "--size 0x0: expected WIDTHxHEIGHT"),
        (["--size", "8x-8"], "WIDTHxHEIGHT"),
        (["--rounds", "0"], "--rounds 0: expected 1 or more"),
        (["--torch", "nosuch"], "--torch nosuch: no such program"),
    ],
)
def test_wrong_options_end_in_one_line(model, capsys, options, expected):
    assert main(["--model", model, "--size", "8x8", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert expected in said


def test_photographs_of_any_size():
    assert photograph(1000, 7).shape == (7, 1000, 3)
