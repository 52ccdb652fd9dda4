"""Python code in the documents runs as it stands."""

import doctest
import re

import pytest

import sr_gan_tf
from sr_gan_tf.evaluation.figures import evaluate
from sr_gan_tf.fit import fit
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.losses.package_weights import dists_file, lpips_file
from sr_gan_tf.networks import Discriminator, Generator
from sr_gan_tf.training.supervised import Supervised
from sr_gan_tf.upscale import upscale

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["tutorials/python.md"])
def test_the_examples_of_a_page_run_one_after_another(page, repository, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "examples"}
    blocks = BLOCK.findall((repository / "docs" / page).read_text())
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert "(32, 48, 3)" in capsys.readouterr().out
    assert (tmp_path / "generator.keras").is_file()


LOSSES = [loss for names in (CONTENT_LOSSES, ADVERSARIAL_LOSSES, FEATURE_LOSSES, PENALTIES) for loss in names.values()]
# Losses whose weights come in packages of their own.
NEEDS = {"VGGFeatures": ["lpips"], "GramStyle": ["lpips"], "LPIPS": ["lpips"], "DISTS": ["lpips", "dists"]}


@pytest.mark.parametrize(
    "thing",
    [sr_gan_tf.load, upscale, fit, evaluate, Generator, Discriminator, Supervised, *LOSSES],
    ids=lambda thing: thing.__name__,
)
def test_the_example_of_a_docstring_is_true(thing, repository, tmp_path, monkeypatch):
    there = {"lpips": lpips_file("vgg16"), "dists": dists_file()}
    missing = [name for name in NEEDS.get(thing.__name__, []) if there[name] is None]
    if missing:
        pytest.skip(f"the weights of {', '.join(missing)} are not installed")
    (tmp_path / "experiments").symlink_to(repository / "experiments")
    monkeypatch.chdir(tmp_path)
    examples = [test for test in doctest.DocTestFinder(recurse=False).find(thing, globs={}) if test.examples]
    assert examples
    said: list[str] = []
    for example in examples:
        doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert "".join(said) == ""


def test_every_command_is_on_the_page_of_commands(repository):
    from sr_gan_tf.__main__ import commands

    text = (repository / "docs" / "reference" / "commands.md").read_text()
    for name in commands():
        if name not in ("data", "weights"):
            assert f"`{name}" in text, name


def test_lines_of_prose_have_at_most_120_characters(repository):
    pages = [*repository.glob("*.md"), *(repository / "docs").rglob("*.md"), *(repository / "experiments").glob("*.md")]
    assert len(pages) > 20
    long = []
    for page in pages:
        code = False
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if line.lstrip().startswith("```"):
                code = not code
            elif not code and len(line) > 120 and not line.startswith(("|", "#", "!")):
                long.append(f"{page.name}:{number}")
    assert not long
