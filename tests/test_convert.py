"""`python -m sr_gan_tf.convert`: recognized networks become `.keras` files, whole or not at all."""

from pathlib import Path

import keras
import numpy as np
import pytest
from references import assert_equal_to_reference, reference
from safetensors.numpy import save_file

from sr_gan_tf.convert import convert, main
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.errors import InputError
from sr_gan_tf.export_formats import conversion
from sr_gan_tf.models import load


@pytest.fixture
def model(tmp_path):
    """A checkpoint of MetaGAN, with its input and output."""
    return checkpoint("metagan_attention_sse_tiny_published", tmp_path)


def checkpoint(name, folder):
    state, given, output = reference(name)
    path = folder / "model.safetensors"
    save_file(state, path)
    return path, given, output


def test_command(model, tmp_path, capsys):
    path, given, expected = model
    output = tmp_path / "out" / "metagan.keras"
    assert main([str(path), "-o", str(output), "--set", "published_attention=true"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("MetaGAN (discriminator), ")
    assert "published_attention=true" in said
    loaded = keras.saving.load_model(output, safe_mode=True)
    assert type(loaded) is DISCRIMINATORS["MetaGAN"]
    assert_equal_to_reference(loaded(given), expected)
    assert [item.name for item in output.parent.iterdir()] == ["metagan.keras"]


def test_a_generator_loads_and_upscales(tmp_path):
    path, given, expected = checkpoint("compact_f8_c3_x4", tmp_path)
    convert(path)
    generator = load(path.with_suffix(".keras"))
    assert generator.scale == 4
    assert_equal_to_reference(generator.predict(given, verbose=0), expected)


def test_default_name_and_overwriting(model):
    path = model[0]
    network = convert(path)
    output = path.with_suffix(".keras")
    before = output.read_bytes()
    with pytest.raises(InputError, match="already exists; pass --overwrite or choose another name"):
        convert(path)
    assert output.read_bytes() == before
    again = convert(path, overwrite=True)
    np.testing.assert_array_equal(again.get_weights()[0], network.get_weights()[0])


def test_nothing_half_written(model, monkeypatch):
    path = model[0]

    class Broken(DISCRIMINATORS["TinyDiscriminator"]):
        def save(self, filepath, **_):
            Path(filepath).write_bytes(b"half")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(conversion, "load_pytorch", lambda *_: Broken())
    with pytest.raises(InputError, match="no space left"):
        convert(path)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.pth"], "error: no file missing.pth; give a .safetensors or .pth file"),
        (["setup.cfg", "-o", "out.h5"], "error: out.h5: expected a name that ends in .keras"),
        (["setup.cfg", "-o", "out.keras"], "error: setup.cfg is no whole file of torch.save"),
        (["setup.cfg", "--set", "x"], "error: --set x: expected ARGUMENT=JSON"),
        (["setup.cfg", "--set", "x=yes"], "error: --set x=yes: expected ARGUMENT=JSON"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys, monkeypatch, repository):
    monkeypatch.chdir(repository)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1
    assert not Path("out.keras").exists()


def test_a_run_folder_takes_no_arguments(tmp_path, capsys):
    assert main([str(tmp_path), "-o", str(tmp_path / "b.keras"), "--set", "num_blocks=3"]) == 2
    assert "--set num_blocks: a run folder describes its network completely" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(model, tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("")
    assert main([str(model[0]), "-o", str(tmp_path / "text.jpg" / "x.keras")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write")
    assert error.count("\n") == 1


def test_misspelled_argument(model, capsys):
    assert main([str(model[0]), "--set", "excitaton=1"]) == 2
    assert "did you mean 'excitation'?" in capsys.readouterr().err
