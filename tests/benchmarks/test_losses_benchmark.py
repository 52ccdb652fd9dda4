"""`python -m sr_gan_tf.benchmarks.losses`: a row for every loss, costs beside one training step."""

import pytest
import tensorflow as tf

from sr_gan_tf.benchmarks import losses as command
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES


def test_every_content_loss_is_measured_and_fits_the_patch():
    losses = command.content_losses("vgg16", "hed", 64)
    assert {name.split(" ")[0] for name in losses} == set(CONTENT_LOSSES)
    assert all(loss.smallest_size <= 64 for loss in losses.values())
    assert losses["MSSSIM (3 scales)"].scales == 3


def test_every_game_is_measured():
    _, hr, sr = command.photographs(1, 64)
    steps = command.discriminator_steps(hr, sr)
    assert {name.split(" ")[0] for name in steps} == {*ADVERSARIAL_LOSSES, *FEATURE_LOSSES, *PENALTIES}
    value, gradients = steps["Hinge"]()
    assert value.shape == ()
    assert len(gradients) == 2


def test_the_table(capsys, monkeypatch):
    losses = {"MeanAbsoluteError": CONTENT_LOSSES["MeanAbsoluteError"](), "Huber": CONTENT_LOSSES["Huber"](delta=1e-6)}
    monkeypatch.setattr(command, "content_losses", lambda *arguments: losses)
    monkeypatch.setattr(command, "discriminator_steps", lambda *arguments: {"Hinge": lambda: tf.constant(0.0)})
    monkeypatch.setattr(command, "generator_step", lambda *arguments: lambda: tf.constant(0.0))
    assert command.main(["--batch-size", "2", "--patch-size", "66", "--repeats", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 images of 64 x 64, median of 1"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[5:]]
    assert [row[0] for row in rows] == ["MeanAbsoluteError", "Huber", "Hinge"]
    assert float(rows[0][4]) == 1
    assert 0 < float(rows[0][3]) < 0.2
    # Far beyond delta, Huber is the absolute error times delta.
    assert float(rows[1][4]) == pytest.approx(1e6, rel=0.05)


def test_weights_that_are_not_there(capsys):
    assert command.main(["--weights", "nosuch", "--batch-size", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no file nosuch; weights must be")
    assert "where" not in error
    assert "--set" not in error


@pytest.mark.parametrize("wrong", [["--patch-size", "32"], ["--repeats", "0"]])
def test_senseless_arguments(wrong, capsys):
    assert command.main(wrong) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert said.rstrip().endswith("--help")
