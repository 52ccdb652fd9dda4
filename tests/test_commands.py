"""`python -m sr_gan_tf` lists the commands; the scripts that documents name end in one line, too."""

import importlib
import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from scripts import load_script
from tiny import tiny_generator

from sr_gan_tf.__main__ import commands, main
from sr_gan_tf.data.__main__ import main as data
from sr_gan_tf.pictures.reading import write_image


def test_the_list_of_commands(capsys, repository):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "  evaluate " in said
    assert "measures models and bicubic on test sets\n" in said
    assert {
        "fit",
        "upscale",
        "compare",
        "convert",
        "export",
        "benchmark",
        "weights",
        "data",
        "benchmarks.losses",
    } <= set(commands())
    assert "benchmarks.worker" not in commands()
    assert all(commands().values())
    assert "resumes an interrupted run" in commands()["fit"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no command given; expected python -m sr_gan_tf COMMAND; see python -m sr_gan_tf --help"),
        (["evalate"], "unknown command 'evalate'; expected python -m sr_gan_tf COMMAND; did you mean 'evaluate'?"),
        (["--dry-run", "fit"], "--dry-run: expected the command before its options"),
        (["fit", "x.json"], "x.json"),
        (["weights", "show", "span_x5"], "span_x5"),
    ],
)
def test_no_command(words, message, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def run(*words, cwd):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=cwd, check=False)


def test_the_list_and_mistakes_come_without_tensorflow(tmp_path, repository):
    """Blocking the import would also catch a slow start that this machine hides."""
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')")
    (tmp_path / "keras.py").write_text("raise SystemExit('Keras was imported')")
    (tmp_path / "sr_gan_tf").symlink_to(repository / "sr_gan_tf")
    help_ = run("-m", "sr_gan_tf", "--help", cwd=tmp_path)
    assert help_.returncode == 0, help_.stderr
    assert help_.stdout.startswith("usage: python -m sr_gan_tf COMMAND ...\n")
    wrong = run("-W", "error", "-m", "sr_gan_tf", "ft", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "error: unknown command 'ft'; expected python -m sr_gan_tf COMMAND; did you mean 'fit'?\n"
    script = tmp_path / "sr-gan-tf"  # as pip writes it
    script.write_text("import sys\nfrom sr_gan_tf.__main__ import main\nsys.exit(main())\n")
    wrong = run("sr-gan-tf", "ft", cwd=tmp_path)
    assert wrong.stderr == "error: unknown command 'ft'; expected sr-gan-tf COMMAND; did you mean 'fit'?\n"


def test_help_and_wrong_arguments_come_without_tensorflow(tmp_path):
    """One process for all commands; the tools inside rooms, such as benchmarks.losses, import it at once."""
    mistakes = [
        ["upscale"], ["upscale", "a.png", "--scale", "0"], ["upscale", "a.png", "--quality", "0"],
        ["upscale", "absent.png"], ["fit"], ["fit", "absent.json"], ["fit", "--steps", "3"],
        ["fit", "a.json", "--profile", "3"],
        ["evaluate", "--scale", "x"], ["compare"], ["convert"], ["convert", "a.pth", "--set", "a=?"], ["export", "a"],
        ["benchmark", "--rounds", "x"], ["beam"], ["app", "--max-megapixels", "0"], ["weights", "show", "span_x5"],
        ["data", "benchmark", "a.json", "--batches", "0"],
    ]  # fmt: skip
    code = (
        "import sys; sys.orig_argv = ['python', '-m', 'sr_gan_tf']\n"
        "from sr_gan_tf.__main__ import commands, main\n"
        "def run(words):\n"
        "    try:\n"
        "        status = main(words)\n"
        "    except SystemExit as end:\n"
        "        status = end.code\n"
        "    print(*words, status, sep='|', file=sys.stderr)\n"
        "    assert not {'tensorflow', 'keras'} & set(sys.modules), words\n"
        "for name in commands():\n"
        "    run([name, '--help']) if '.' not in name else None\n"
        f"for words in {mistakes}:\n"
        "    run(words)\n"
    )
    done = run("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    helped = [line for line in lines if line.endswith("|--help|0")]
    assert len(helped) == len([name for name in commands() if "." not in name])
    rest = lines[len(helped) :]
    assert rest[1::2] == ["|".join([*words, "2"]) for words in mistakes]
    assert all(line.startswith("error: ") for line in rest[::2])


def test_the_dispatcher_runs_a_command(tmp_path, repository):
    (tmp_path / "sr_gan_tf").symlink_to(repository / "sr_gan_tf")
    done = run("-m", "sr_gan_tf", "fit", "nothing.json", "--set", "seed=1", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "nothing.json" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["benchmark", "x.json", "--batches", "0"], "--batches 0: expected 1 or more"),
        (["benchmark", "x.json", "--rounds", "0"], "--rounds 0: expected 1 or more"),
        (["memory", "--batches", "0"], "--batches 0"),
        (["memory", "--gigabytes", "-1"], "--gigabytes -1: expected a positive size"),
        (["memory", "--gigabytes", "nan"], "--gigabytes nan"),
    ],
)
def test_senseless_numbers_of_the_data_command(words, message, capsys):
    assert data(words) == 2
    assert message in capsys.readouterr().err


def test_the_memory_of_a_store_is_measured(capsys):
    assert data(["memory", "--gigabytes", "0.01", "--batches", "2"]) == 0
    assert capsys.readouterr().out.startswith("2 batches of ")


def script(name):
    return load_script(f"tools/{name}.py").main


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("degraded_strip", ["picture.jpg"], "expected a name that ends in .png"),
        ("degraded_strip", ["there.png"], "already exists"),
        ("readme_strip", ["other", "new.png"], "PHOTOS must be the folder of the training photographs, with valid/"),
        ("readme_strip", ["other", "there.png"], "already exists"),
        ("block_signals", ["span_x4", "."], "PHOTOS must be the folder with valid/"),
        ("block_signals", ["compact.keras", "other"], "has no SPAN blocks; pass a SPAN model"),
    ],
)
def test_scripts_of_the_documents_end_in_one_line(name, words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny_generator("Compact").save("compact.keras")
    write_image(tmp_path / "there.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "other" / "valid").mkdir(parents=True)
    write_image(tmp_path / "other" / "valid" / "a.png", np.zeros((8, 8, 3), np.uint8))
    assert script(name)(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["degraded_strip", "readme_strip", "block_signals"])
def test_scripts_say_what_they_need(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        script(name)([])
    assert stopped.value.code == 2
    assert "required" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["fit", "upscale", "evaluate", "compare", "convert", "export", "benchmark", "beam", "app"]
)
def test_every_command_imports_parts_of_your_own(name, capsys, tmp_path):
    """The option is there, and a module that isn't ends the command."""
    module = importlib.import_module(f"sr_gan_tf.{name}")
    assert module.main(["--import", str(tmp_path / "absent.py"), "x"]) == 2
    assert f"--import {tmp_path / 'absent.py'}: no such file" in capsys.readouterr().err
