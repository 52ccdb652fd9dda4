"""Pictures that an earlier run has written beside their originals are not taken for originals."""

import numpy as np
import pytest
from PIL import Image
from tiny import faithful_generator, names_in

from sr_gan_tf.inference.batch import Files
from sr_gan_tf.inference.naming import Naming
from sr_gan_tf.pictures.encoding import FORMATS
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.upscale import main, upscale


@pytest.fixture
def folder(cat, tmp_path):
    """Originals, some of whose names look like results of others."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "a_b.png", "a_night_x2.png", "c_tiny_x2_x2.png", "sub/d.png"):
        write_image(folder / name, cat[:8, :8])
    return folder


RESULTS = ["a_b_x2.png", "a_night_x2_x2.png", "a_x2.jpg", "c_tiny_x2_x2_x2.png", "sub/d_x2.png"]


@pytest.fixture
def enlarged(folder, model):
    """The folder enlarged in place."""
    before = names_in(folder)
    assert main([str(folder), "--model", model]) == 0
    assert names_in(folder) == sorted([*before, *RESULTS])
    return folder


def test_a_folder_enlarged_in_place_twice(enlarged, model, capsys):
    before = names_in(enlarged)
    capsys.readouterr()
    for pictures in (enlarged, enlarged / "**" / "*"):
        assert main([str(pictures), "--model", model, "--skip-existing"]) == 0
        said = capsys.readouterr()
        assert "0 written" in said.out
        assert "5 skipped" in said.out
        assert "note: 5 skipped" in said.err
        assert names_in(enlarged) == before
    # In another size, whose names differ.
    assert main([str(enlarged), "--model", model, "--scale", "1.5", "--dry-run"]) == 0
    assert "note: 5 skipped" in capsys.readouterr().out


def test_another_folder_and_another_model(enlarged, model, tmp_path, capsys):
    originals = ["a.jpg", "a_b.png", "a_night_x2.png", "c_tiny_x2_x2.png", "sub/d.png"]
    faithful_generator(3, scale=2).save(tmp_path / "other.keras")
    for index, other in enumerate((model, str(tmp_path / "other.keras"))):
        out = tmp_path / f"out{index}"
        assert main([str(enlarged), "-o", str(out), "--model", other]) == 0
        assert names_in(out) == originals
        assert "note: 5 skipped" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "avif", "gif", "heic", "jxl"])
def test_results_of_every_format_say_what_they_are(cat, model, tmp_path, suffix, capsys):
    if suffix not in [name[1:] for name in FORMATS]:
        pytest.skip("pip install 'sr_gan_tf[formats]'")
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / f"a.{suffix}", cat[:8, :8])
    assert main([str(folder), "--model", model]) == 0
    # Under these names the result says it by its metadata alone.
    assert main([str(folder), "-o", str(tmp_path / "out"), "--model", model]) == 0
    assert names_in(tmp_path / "out") == [f"a.{suffix}"]


def test_names_of_shipped_models_speak_without_metadata(folder, model, cat, capsys):
    write_image(folder / "a_span_x4_x4.png", cat[:8, :8])
    (folder / "a_b_span_x4_x4.png").write_bytes(b"damaged")
    assert main([str(folder), "--model", model, "--dry-run"]) == 0
    assert "note: 2 skipped" in capsys.readouterr().out


def test_named_results_are_enlarged(enlarged, model, tmp_path):
    named = [str(enlarged / "a.jpg"), str(enlarged / "a_x2.jpg")]
    assert main([*named, "-o", str(tmp_path / "out"), "--model", model]) == 0
    assert names_in(tmp_path / "out") == ["a.jpg", "a_x2.jpg"]
    assert main([str(enlarged / "sub"), str(enlarged / "sub" / "d_x2.png"), "--model", model]) == 1
    assert (enlarged / "sub" / "d_x2_x2.png").exists()
    assert main([str(enlarged / "a_x*.jpg"), "-o", str(tmp_path / "more"), "--model", model]) == 0
    assert names_in(tmp_path / "more") == ["a_x2.jpg"]


@pytest.mark.filterwarnings("ignore:.*skipped.*names are those of earlier results")
def test_own_names_and_comparisons(folder, network, model):
    naming = Naming(template="{stem} large")
    assert len(upscale(folder, model=network, files=Files(naming, compare=True))) == 5
    before = names_in(folder)
    assert len(before) == 15
    assert upscale(folder, model=network, files=Files(naming, skip_existing=True)) == []
    assert names_in(folder) == before


def test_one_original_beside_its_result_is_one_picture(model, cat, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.asarray(cat[:8, :8])).save(tmp_path / "in" / "a.png")
    assert main([str(tmp_path / "in"), "--model", model]) == 0
    assert main([str(tmp_path / "in"), "-o", str(tmp_path / "b.png"), "--model", model]) == 0
    assert main([str(tmp_path / "in"), "--model", model]) == 2
    assert "already exists" in capsys.readouterr().err
