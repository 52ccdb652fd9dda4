"""What the upscale command and its function refuse, in one line, and names that look odd and are none the less good."""

import re

import numpy as np
import pytest
from PIL import Image
from tiny import names_in

from sr_gan_tf.errors import InputError
from sr_gan_tf.export import main as export
from sr_gan_tf.inference.batch import Files
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.upscale import main, upscale


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--model", "{model}:nan,{model}:1"], "add up to nan"),
        (["--model", "{model}:inf,{model}:-inf"], "add up to nan"),
        (["--model", ""], "an empty name of a model"),
        (["--model", "z" * 300], "no model"),
        (["--model", "z" * 300 + ":0.5,z:0.5"], "no model"),
        (["--scale", "inf"], "--scale inf: expected more than 0 and at most 2147483647"),
        (["--scale", "nan"], "--scale nan"),
        (["--scale", "1e308"], "at most"),
        (["--width", "9" * 400], "at most"),
        (["--passes", "50"], "x2 and --passes 50 enlarge by more than x1024"),
        (["--passes", "1000000000"], "expected 1 to 100"),
        (["--name", "{stem:>99999}"], "at most 255 characters"),
        (["--name", "{stem:>252}"], "too long for a file; .* --name"),
        (["--name", ""], "an empty name"),
        (["-o", ""], "an empty name"),
        (["-o", "out.jp2"], r"cannot write \.jp2; expected one of \.png"),
        (["-o", "large.CR3", "--dry-run"], "cannot write"),
        (["-o", "a.jpg", "--format", "png"], "contradict"),
        (["-o", "x" * 300 + ".png"], "too long for a file"),
        (["-o", "y" * 300], "too long for a file"),
    ],
)
def test_wrong_options(model, photo, capsys, options, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = [] if "--model" in options else ["--model", model]
    assert main([photo, *models, *(option.replace("{model}", model) for option in options)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert re.search(expected, said)
    assert names_in(tmp_path) == ["cat.png"]


@pytest.mark.long
def test_exported_models_cannot_be_mixed(model, photo, tmp_path, capsys):
    assert export([model, "--to", str(tmp_path / "serving"), "--format", "saved_model"]) == 0
    exported = next((tmp_path / "serving").rglob("saved_model.pb")).parent
    assert main([photo, "--model", f"{exported}:0.5,{exported}:0.5"]) == 2
    assert "only .keras files, run folders and shipped names can be mixed" in capsys.readouterr().err


def test_names_of_originals(model, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, expected in (("", "an empty name"), ("z" * 300 + ".png", "File name too long")):
        assert main([name, "--model", model]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        assert expected in said
    assert names_in(tmp_path) == ["cat.png"]


def test_a_pictures_name_is_no_folders(model, photo, cat, tmp_path, capsys):
    write_image(tmp_path / "dog.png", cat[:8, :8])
    both, target = [photo, str(tmp_path / "dog.png")], tmp_path / "c.png"
    assert main([*both, "-o", str(target), "--model", model]) == 2
    assert "one name for 2 pictures" in capsys.readouterr().err
    assert not target.exists()
    # A folder's name may end like a picture's if it says that it is one.
    for _ in range(2):
        assert main([*both, "-o", f"{target}/", "--model", model, "--overwrite"]) == 0
    assert main([*both, "-o", str(target), "--model", model, "--overwrite"]) == 0
    assert main([photo, "-o", str(tmp_path / "d.jp2") + "/", "--model", model]) == 0
    assert names_in(tmp_path) == ["c.png/cat.png", "c.png/dog.png", "cat.png", "d.jp2/cat.png", "dog.png"]
    assert main([photo, "-o", str(tmp_path / "e.jpeg"), "--format", "jpg", "--model", model]) == 0


def test_a_single_result_is_named(model, photo, tmp_path, capsys):
    assert main([photo, "--model", model]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"; wrote {tmp_path / 'cat_x2.png'}")


def test_hidden_and_long_names(model, cat, tmp_path, capsys):
    hidden, long = tmp_path / ".hidden.png", tmp_path / ("猫" * 80 + ".png")
    for path in (hidden, long):
        write_image(tmp_path / "a.png", cat[:8, :8])
        (tmp_path / "a.png").rename(path)
    assert main([str(hidden), "--model", model]) == 0
    assert (tmp_path / ".hidden_x2.png").exists()
    for options in ([], ["-o", str(tmp_path / "out")]):
        assert main([str(long), "--model", model, *options]) == 2
        assert re.search("too long for a file; .* --name", capsys.readouterr().err)
    assert main([str(long), "--model", model, "--name", "{stem:.70}_x{scale}"]) == 0
    assert (tmp_path / ("猫" * 70 + "_x2.png")).exists()
    # A name that only the pattern hides is a mistake.
    assert main([str(long), "--model", model, "--name", ".{stem:.9}"]) == 2


def test_from_python(network, cat, tmp_path):
    for options in ({"output": tmp_path / "a.png"}, {"files": Files()}):
        with pytest.raises(InputError, match="write_image"):
            upscale(cat, model=network, **options)
    with pytest.raises(InputError, match="--precision f16"):
        upscale(cat, model=network, precision="f16")
    for source in ([cat, cat], 7, [7], (cat for _ in range(2))):
        with pytest.raises(TypeError, match="is not a file name; expected an array, a PIL image, or file names"):
            upscale(source, model=network)
    assert not names_in(tmp_path)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "CMYK", "1", "I;16"])
def test_pil_images(network, cat, mode):
    image = Image.fromarray(cat[:8, :8])
    image = Image.fromarray(np.full((8, 8), 999, np.uint16)) if mode == "I;16" else image.convert(mode)
    same = {"P": "RGB", "CMYK": "RGB", "1": "L"}.get(mode)
    array = np.asarray(image.convert(same) if same else image)
    result = upscale(image, model=network)
    assert result.shape[:2] == (16, 16)
    assert np.array_equal(result, upscale(array, model=network))


def test_floats_may_leave_their_range(network):
    edge = np.zeros((16, 16, 3), np.float32)
    edge[:, 8:] = 1
    result = upscale(edge, model=network)
    assert result.dtype == np.float32
    assert result.min() < 0 or result.max() > 1
    assert upscale(result, model=network).dtype == np.float32


@pytest.mark.parametrize("value", [255, -3, np.nan])
def test_floats_far_outside_their_range_are_refused(network, value):
    values = np.full((8, 8, 3), value, np.float32)
    values[0] = 0
    for picture in (values, Image.fromarray(values[..., 0])):
        with pytest.raises(InputError, match=r"expected values in \[0, 1\]; divide it by its white"):
            upscale(picture, model=network)


def test_bytes_are_no_file_name(network):
    with pytest.raises(TypeError, match=r"bytes are not a file name.*PIL.Image.open\(io.BytesIO\(source\)\)"):
        upscale(b"\x89PNG", model=network)
