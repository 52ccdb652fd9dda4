"""Python code in the documents runs as it stands."""

import re

import pytest

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


def test_every_command_is_on_the_page_of_commands(repository):
    from sr_gan_tf.__main__ import commands

    text = (repository / "docs" / "reference" / "commands.md").read_text()
    for name in commands():
        if name not in ("data", "weights"):
            assert f"`{name}" in text, name
