"""The network for a picture where no --model names one: JPEG quality, noise, and that the choice is right by LPIPS."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from sr_gan_tf.inference import choice
from sr_gan_tf.inference.choice import choose_network, flat_deviation, jpeg_quality
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.losses.package_weights import INSTALL_LPIPS, lpips_file
from sr_gan_tf.metrics import LEARNED
from sr_gan_tf.models import load
from sr_gan_tf.pictures.reading import read_header
from sr_gan_tf.resampling import imresize
from sr_gan_tf.upscale import main


def saved(picture, **settings) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, **settings)
    return file.getvalue()


def chosen(file: bytes) -> choice.Choice:
    return choose_network(file, read_header(file))


@pytest.mark.parametrize("quality", [25, 30, 50, 75, 90, 95])
@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"subsampling": 0}])
def test_quality_is_read_from_the_tables(quality, settings):
    file = saved(photographs.chelsea()[:64, :64], format="JPEG", quality=quality, **settings)
    assert jpeg_quality(file) == pytest.approx(quality, abs=2)


def test_quality_of_what_is_no_jpeg(tmp_path):
    assert jpeg_quality(saved(photographs.chelsea()[:64, :64], format="PNG")) is None
    assert jpeg_quality(b"\xff\xd8\xff nothing") is None
    assert jpeg_quality(tmp_path / "none.jpg") is None
    assert jpeg_quality(saved(photographs.camera()[:64, :64], format="JPEG", quality=40)) == pytest.approx(40, abs=2)


@pytest.mark.parametrize("deviation", [0, 3, 8])
def test_noise_is_measured_in_flat_places(deviation):
    random = np.random.default_rng(1)
    edges = np.full((256, 256), 60, np.uint8)
    edges[100:200:3, 50:150] = 200
    noisy = np.clip(np.round(edges + random.normal(0, deviation, edges.shape)), 0, 255).astype(np.uint8)
    assert flat_deviation(noisy) == pytest.approx(deviation, rel=0.2, abs=0.1)
    assert flat_deviation(np.repeat(noisy[..., None], 3, axis=2)) == pytest.approx(flat_deviation(noisy), rel=1e-4)


def test_noise_is_not_looked_for_where_it_is_clipped_or_the_picture_is_tiny():
    clipped = np.clip(np.round(np.random.default_rng(1).normal(255, 9, (256, 256))), 0, 255).astype(np.uint8)
    assert flat_deviation(clipped) == 0
    assert flat_deviation(photographs.camera()[:20, :20]) == 0
    assert flat_deviation(photographs.camera()[:9, :200]) == 0


def test_the_reason_names_what_was_seen(monkeypatch):
    cat = photographs.chelsea()
    assert chosen(saved(cat, format="JPEG", quality=40)).model == "span_x4_real"
    assert "JPEG of quality 40, under 80" in chosen(saved(cat, format="JPEG", quality=40)).reason
    assert chosen(saved(cat, format="PNG")) == choice.Choice("span_x4", "for a picture in PNG with little noise")
    noisy = np.clip(np.round(cat + np.random.default_rng(1).normal(0, 12, cat.shape)), 0, 255).astype(np.uint8)
    assert chosen(saved(noisy, format="PNG")).model == "span_x4_real"
    assert "noise of" in chosen(saved(noisy, format="PNG")).reason
    monkeypatch.setattr(choice, "_MOST_MEGAPIXELS", 0.1)
    assert chosen(saved(noisy, format="PNG")).model == "span_x4"
    assert "too large" in chosen(saved(noisy, format="PNG")).reason
    # Without the network for damaged pictures, the default one is taken.
    monkeypatch.setattr(choice, "shipped_models", lambda: {"span_x4": None})
    assert chosen(saved(cat, format="JPEG", quality=40)).model == "span_x4"


def test_what_cannot_be_read_counts_as_clean():
    whole = saved(photographs.chelsea(), format="PNG")
    assert choose_network(whole[:2000], read_header(whole)).model == "span_x4"


@pytest.mark.skipif(lpips_file("alexnet") is None, reason=INSTALL_LPIPS)
def test_the_choice_is_right_by_lpips():
    """One photograph as JPEG of quality 30, 60, 85 and 95, and as PNG: the network chosen is the nearer one to HR."""
    hr = np.ascontiguousarray(photographs.chelsea()[:300, :448])
    lr = imresize(hr, 0.25)
    networks = {name: load(name).for_inference() for name in ("span_x4", "span_x4_real")}
    files = {quality: saved(lr, format="JPEG", quality=quality) for quality in (30, 60, 85, 95)}
    files["PNG"] = saved(lr, format="PNG")
    models = {}
    for kind, file in files.items():
        pixels = np.asarray(Image.open(io.BytesIO(file)))
        distances = {
            name: LEARNED["lpips"].function(hr, upscale_array(network, pixels), 4, 4)
            for name, network in networks.items()
        }
        models[kind] = chosen(file).model
        assert models[kind] == min(distances, key=distances.get), (kind, distances)
    assert models == {30: "span_x4_real", 60: "span_x4_real", 85: "span_x4", 95: "span_x4", "PNG": "span_x4"}


def test_upscale_says_which_network_and_why(tmp_path, capsys):
    cat = photographs.chelsea()[100:164, 100:180]
    names = {}
    for name, settings in (("good.png", {}), ("bad.jpg", {"quality": 30})):
        names[name] = tmp_path / name
        Image.fromarray(cat).save(names[name], **settings)
    assert main([str(path) for path in names.values()]) == 0
    said = capsys.readouterr().err
    assert f"note: {names['good.png']}: span_x4, for a picture in PNG with little noise\n" in said
    assert (
        f"{names['bad.jpg']}: span_x4_real, for a JPEG of quality 30, under 80; pass --model NAME to choose another"
        in said
    )
    made = {path.name for path in tmp_path.iterdir()} - set(names)
    assert made == {"good_x4.png", "bad_x4.jpg"}
    # A name of the user's decides, and nothing is said then.
    assert main([str(names["bad.jpg"]), "--model", "span_x4", "-o", str(tmp_path / "mine.jpg")]) == 0
    assert "quality" not in capsys.readouterr().err
    assert (tmp_path / "mine.jpg").is_file()
    assert main([str(names["bad.jpg"]), "--dry-run", "--overwrite"]) == 0
    said = capsys.readouterr().out
    assert "span_x4_real: x4" in said
    assert "for a JPEG of quality 30" in said


def test_many_pictures_are_counted(tmp_path, capsys):
    for number in range(6):
        Image.fromarray(photographs.chelsea()[:32, :32]).save(
            tmp_path / f"{number}.jpg", quality=20 if number < 2 else 95
        )
    assert main([str(tmp_path), "-o", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "note: span_x4_real for 2 pictures, span_x4 for 4 pictures; pass --model NAME to choose another" in said
