"""The upscale command: every kind of picture, place, size and option, on real photographs and a tiny network."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from tiny import tiny_generator

from sr_gan_tf.errors import InputError
from sr_gan_tf.images import read_frames, read_header, read_image, write_image
from sr_gan_tf.inference.batch import Files
from sr_gan_tf.inference.enlarger import enlarger_of
from sr_gan_tf.inference.passes import Settings
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.networks import Generator
from sr_gan_tf.resampling import imresize
from sr_gan_tf.upscale import main, upscale


def _faithful(seed: int, **config) -> Generator:
    """A tiny network whose pictures look like their originals, as a trained one's do."""
    generator = tiny_generator("Compact", seed, **config)
    picture = data.chelsea()[None, 90:130, 130:170].astype(np.float32) / 255
    drawn = generator(picture).numpy() - picture.repeat(generator.scale, 1).repeat(generator.scale, 2)
    last = generator.get_layer("last_conv")
    last.set_weights([0.03 / drawn.std() * weight for weight in last.get_weights()])
    return generator


@pytest.fixture(scope="module")
def network() -> Generator:
    return _faithful(1, scale=2)


@pytest.fixture(scope="module")
def model(network, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("models") / "tiny_x2.keras"
    network.save(path)
    return str(path)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    return np.ascontiguousarray(data.chelsea()[90:170, 130:240])  # (80, 110, 3)


@pytest.fixture
def photo(cat, tmp_path) -> str:
    path = tmp_path / "cat.png"
    write_image(path, cat)
    return str(path)


def _names(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_becomes_what_the_network_makes_of_it(network, model, photo, cat, tmp_path, capsys):
    assert main([photo, "-o", str(tmp_path / "out.png"), "--model", model]) == 0
    expected = upscale_array(network, cat)
    assert np.array_equal(read_image(tmp_path / "out.png").pixels, expected)
    assert "1 written" in capsys.readouterr().out
    assert main([photo, "--model", model, "--tile", "16"]) == 0
    beside = read_image(tmp_path / "cat_tiny_x2_x2.png").pixels
    assert np.abs(beside.astype(int) - expected).max() <= 1 and (beside != expected).sum() <= beside.size / 100_000
    assert _names(tmp_path) == ["cat.png", "cat_tiny_x2_x2.png", "out.png"]


def test_arrays_of_every_kind(network, cat):
    expected = upscale_array(network, cat)
    assert np.array_equal(upscale(cat, model=network), expected)
    assert upscale(cat[..., 0], model=network).shape == (160, 220)
    float_result = upscale(cat.astype(np.float32) / 255, model=network)
    assert float_result.dtype == np.float32 and np.abs(np.clip(float_result * 255, 0, 255) - expected).max() <= 0.51
    alpha = np.full(cat.shape[:2], 255, np.uint8)
    assert np.array_equal(
        upscale(np.dstack([cat, alpha]), model=network), np.dstack([expected, alpha.repeat(2, 0).repeat(2, 1)])
    )
    for bad in (cat.astype(np.int32), np.zeros((4, 4, 5), np.uint8), np.zeros((0, 4), np.uint8)):
        with pytest.raises(InputError, match="no picture"):
            upscale(bad, model=network)


def test_one_compilation_for_many_pictures(cat, tmp_path):
    generator = _faithful(9, scale=2)
    for index in range(5):
        write_image(tmp_path / f"{index}.png", cat[index:, : 100 - 9 * index])
    written = upscale(tmp_path, tmp_path / "out", model=generator)
    assert len(written) == 5 and enlarger_of(generator).traces == 1
    for index in range(3):
        upscale(cat[index:], model=generator)
    assert enlarger_of(generator).traces == 1


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp", "avif", "gif"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK"])
def test_every_format_and_mode(network, model, cat, tmp_path, suffix, mode):
    original = Image.fromarray(cat).convert(mode)
    source = tmp_path / {"CMYK": "cat.jpg", "P": "cat.gif"}.get(mode, "cat.png")
    original.save(source)
    target = tmp_path / f"out.{suffix}"
    assert main([str(source), "-o", str(target), "--model", model, "--quality", "98"]) == 0
    picture, before = read_image(target), read_image(source)
    assert picture.pixels.shape[:2] == (160, 220)
    assert (picture.alpha is not None) == (mode == "RGBA" and suffix in ("png", "tif")) or suffix in (
        "webp",
        "avif",
        "gif",
    )
    grey = mode == "L" and suffix not in ("webp", "gif", "bmp", "avif")
    assert picture.pixels.shape[2] == (1 if grey else 3)
    expected = upscale_array(network, before.pixels).astype(int)
    assert np.abs(picture.pixels - expected).mean() < {"gif": 12, "jpg": 3, "webp": 9, "avif": 3}.get(suffix, 0.01)


def test_sixteen_bits_stay_sixteen_bits(network, model, tmp_path):
    ramp = np.linspace(20000, 21000, 60 * 50 * 3).reshape(60, 50, 3).astype(np.uint16)
    write_image(tmp_path / "deep.png", ramp)
    for suffix in ("png", "tif"):
        assert main([str(tmp_path / "deep.png"), "-o", str(tmp_path / f"out.{suffix}"), "--model", model]) == 0
        pixels = read_image(tmp_path / f"out.{suffix}").pixels
        assert pixels.dtype == np.uint16 and np.array_equal(pixels, upscale_array(network, ramp))
        assert len(np.unique(pixels)) > 256


def test_no_dark_fringe_around_transparency(network, model, tmp_path):
    rows, columns = np.mgrid[0:60, 0:60]
    disc = (rows - 30) ** 2 + (columns - 30) ** 2 < 400
    picture = np.where(disc[..., None], 250, 0).astype(np.uint8).repeat(3, axis=2)
    write_image(tmp_path / "disc.png", picture, np.where(disc, 255, 0).astype(np.uint8))
    assert main([str(tmp_path / "disc.png"), "-o", str(tmp_path / "out.png"), "--model", model]) == 0
    result = read_image(tmp_path / "out.png")
    visible = result.alpha > 0
    assert 0.25 < visible.mean() < 0.5
    assert np.array_equal(result.pixels[visible], upscale_array(network, np.full_like(picture, 250))[visible])
    # The edge of the disc stays where it is.
    assert np.abs(result.alpha.astype(int) - imresize(np.where(disc, 255, 0).astype(np.uint8), 2)).max() == 0


def test_orientation_and_metadata(model, cat, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    exif.get_ifd(0x8769).update({0xA002: 110, 0xA003: 80})
    options = {"exif": exif, "icc_profile": b"\0" * 16 + b"RGB " + b"\0" * 200, "dpi": (300, 300)}
    Image.fromarray(cat).save(tmp_path / "cat.jpg", quality=95, **options)
    for suffix in ("png", "jpg", "tif", "webp"):
        target = tmp_path / f"out.{suffix}"
        assert main([str(tmp_path / "cat.jpg"), "-o", str(target), "--model", model]) == 0
        with Image.open(target) as image:
            assert image.size == (160, 220)  # turned by 90 degrees
            block = image.getexif()
            assert block.get(0x0112, 1) == 1 and block[0x010F] == "Camera"
            assert "tiny_x2 x2" in block[0x0131] and image.info["icc_profile"] == options["icc_profile"]
            ifd = block.get_ifd(0x8769)
            assert (ifd[0xA002], ifd[0xA003]) == (160, 220)
            if suffix != "webp":
                assert tuple(round(value) for value in image.info["dpi"]) == (300, 300)
        assert main([str(tmp_path / "cat.jpg"), "-o", str(target), "--model", model, "--strip", "--overwrite"]) == 0
        with Image.open(target) as image:
            assert image.size == (160, 220) and not {"icc_profile", "exif"} & set(image.info)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ([], (220, 160)),
        (["--scale", "1.5"], (165, 120)),
        (["--scale", "3"], (330, 240)),
        (["--width", "150"], (150, 109)),
        (["--height", "100"], (138, 100)),
        (["--width", "99", "--height", "77"], (99, 77)),
        (["--max-side", "128"], (128, 93)),
        (["--scale", "0.25"], (28, 20)),
    ],
)
def test_final_sizes(network, model, photo, cat, tmp_path, options, size):
    target = str(tmp_path / "out.png")
    assert main([photo, "-o", target, "--model", model, *options]) == 0
    pixels = read_image(target).pixels
    assert (pixels.shape[1], pixels.shape[0]) == size
    enlarged = upscale_array(network, cat)
    expected = enlarged if size == (220, 160) else imresize(enlarged, size=size[::-1])
    # Where the width shrinks more than the height the passes come in the other order, with their own rounding.
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_sizes_that_contradict_each_other(model, photo, capsys):
    for options in (["--scale", "2", "--width", "9"], ["--max-side", "9", "--height", "9"], ["--width", "0"]):
        assert main([photo, "--model", model, *options]) == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_seamless_textures(network, cat):
    field = enlarger_of(network).field
    assert cat.shape[0] > field.halo
    around = upscale_array(network, np.tile(cat, (3, 3, 1)))[160:320, 220:440]
    result = upscale(cat, model=network, settings=Settings(seamless=True))
    assert np.abs(result.astype(int) - around).max() <= 1 and (result != around).sum() <= result.size / 100_000
    assert (result != upscale(cat, model=network)).any()
    small = upscale(cat, model=network, settings=Settings(seamless=True, scale=1.5))
    expected = imresize(np.tile(around, (3, 3, 1)), 0.75)[120:240, 165:330]
    assert np.abs(small.astype(int) - expected).max() <= 1


def test_passes_and_chains(network, model, photo, cat, tmp_path):
    other = _faithful(2, scale=3)
    other.save(tmp_path / "other_x3.keras")
    first = np.clip(network(cat[None].astype(np.float32) / 255).numpy(), 0, 1)
    for second, options in ((network, ["--passes", "2"]), (other, ["--model", str(tmp_path / "other_x3.keras")])):
        target = str(tmp_path / "out.png")
        assert main([photo, "-o", target, "--model", model, "--overwrite", *options]) == 0
        expected = np.clip(second(first).numpy()[0], 0, 1) * 255
        result = read_image(target).pixels
        assert result.shape == expected.shape and np.abs(result - expected).max() < 0.52


def test_interpolated_weights(network, model, photo, tmp_path, capsys):
    other = _faithful(2, scale=2)
    other.save(tmp_path / "other.keras")
    target = tmp_path / "out.png"
    mix = f"{model}:0.7,{tmp_path / 'other.keras'}:0.3"
    assert main([photo, "-o", str(target), "--model", mix]) == 0
    mixed = network.copy()
    pairs = zip(network.get_weights(), other.get_weights(), strict=True)
    mixed.set_weights([0.7 * one + 0.3 * two for one, two in pairs])
    assert np.array_equal(read_image(target).pixels, upscale_array(mixed, read_image(photo).pixels))
    _faithful(2, scale=3).save(tmp_path / "x3.keras")
    for bad, expected in (
        (f"{model}:0.7,{tmp_path / 'other.keras'}:0.7", "add up to 1.4"),
        (f"{model}:0.5,{tmp_path / 'x3.keras'}:0.5", "only networks of one kind"),
        (f"{model}:0.5,other", "expected NAME:WEIGHT"),
    ):
        assert main([photo, "-o", str(target), "--overwrite", "--model", bad]) == 2
        assert expected in capsys.readouterr().err


def test_colours_are_matched(cat):
    generator = _faithful(4, scale=2)
    kernel, bias = generator.get_layer("last_conv").get_weights()
    generator.get_layer("last_conv").set_weights([kernel, bias + np.tile([0.1, -0.05, 0.0], 4).astype(np.float32)])
    plain, matched = upscale(cat, model=generator), upscale(cat, model=generator, settings=Settings(match_color=True))

    def shift(picture):
        return np.abs(imresize(picture, 1 / 16).astype(int) - imresize(cat, 1 / 8).astype(int)).mean()

    assert shift(plain) > 8 and shift(matched) < 1
    detail = (plain.astype(int) - imresize(imresize(plain, 1 / 4), 4)).std()
    kept = (matched.astype(int) - imresize(imresize(matched, 1 / 4), 4)).std()
    assert 0.9 < kept / detail < 1.1


def test_ensemble_and_precision(network, model, photo, cat, tmp_path, capsys):
    target = str(tmp_path / "out.png")
    assert main([photo, "-o", target, "--model", model, "--ensemble"]) == 0
    result = read_image(target).pixels.astype(int)
    flipped = upscale(np.ascontiguousarray(cat[:, ::-1]), model=network, ensemble=True)
    assert np.abs(result - flipped[:, ::-1]).max() <= 1 and (result != upscale_array(network, cat)).any()
    assert main([photo, "-o", target, "--model", model, "--precision", "bfloat16", "--overwrite", "--dry-run"]) == 0
    assert "bfloat16" in capsys.readouterr().out
    assert main([photo, "-o", target, "--model", model, "--precision", "bfloat16", "--overwrite"]) == 0
    error = np.abs(read_image(target).pixels.astype(int) - upscale_array(network, cat))
    assert 0 < error.mean() < 1


def test_a_folder_keeps_its_structure_and_survives_a_bad_file(model, cat, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "sub" / "deep").mkdir(parents=True)
    write_image(folder / "a.jpg", cat)
    write_image(folder / "sub" / "b.png", cat[:20])
    write_image(folder / "sub" / "deep" / "c.webp", cat[:, :30])
    (folder / "sub" / "bad.png").write_bytes(b"no picture at all")
    (folder / "notes.txt").write_text("not a picture by name, so left alone")
    (folder / ".hidden.png").write_bytes(b"hidden")
    out = tmp_path / "out"
    assert main([str(folder), "-o", str(out), "--model", model]) == 1
    assert _names(out) == ["a.jpg", "sub/b.png", "sub/deep/c.webp"]
    said = capsys.readouterr()
    assert "3 written" in said.out and "1 failed" in said.out
    assert said.err.count("error: ") == 1 and "bad.png" in said.err and "Traceback" not in said.err
    # Again: what exists is skipped, or stands in the way, or is replaced.
    assert main([str(folder), "-o", str(out), "--model", model, "--skip-existing"]) == 1
    assert "3 skipped" in capsys.readouterr().out
    assert main([str(folder / "a.jpg"), "-o", str(out), "--model", model]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([str(folder / "a.jpg"), "-o", str(out), "--model", model, "--overwrite"]) == 0


def test_patterns_names_and_formats(model, cat, tmp_path, monkeypatch, capsys):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("frame2.png", "frame10.png", "frame1.png", "other.png", "sub/frame3.png"):
        write_image(tmp_path / "in" / name, cat[:8, :8])
    pattern = str(tmp_path / "in" / "**" / "frame*.png")
    name = "{stem}_{model}_{width}x{height}_x{scale}"
    assert main([pattern, "-o", str(tmp_path / "out"), "--model", model, "--name", name, "--format", "jpg"]) == 0
    expected = [f"frame{index}_tiny_x2_16x16_x2.jpg" for index in (10, 1, 2)]
    assert _names(tmp_path / "out") == [*expected, "sub/frame3_tiny_x2_16x16_x2.jpg"]
    capsys.readouterr()
    assert main([str(tmp_path / "in"), "-o", str(tmp_path / "more"), "--model", model, "--dry-run"]) == 0
    listed = [line for line in capsys.readouterr().out.splitlines() if "->" in line]
    order = [line.split(" -> ")[0].rsplit("/", 1)[1] for line in listed]
    assert order == ["frame1.png", "frame2.png", "frame10.png", "other.png", "frame3.png"]
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--name", "{stm}"], "did you mean 'stem'"),
        (["--name", "../{stem}"], "a name, not a path"),
        (["--name", "{stem"], "expected e.g."),
        (["--format", "jpgg"], "did you mean 'jpg'"),
        (["--quality", "101"], "expected 1 to 100"),
        (["--workers", "0"], "expected 1 or more"),
        (["--passes", "0"], "expected 1 or more"),
        (["--halo", "-1"], "0 or more"),
        (["--model", "no_such_model"], "no model"),
        (["-o", "out.xyz/.png"], "exists already|written|out.xyz"),
    ],
)
def test_wrong_options_end_in_one_line(model, photo, capsys, options, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = [] if "--model" in options else ["--model", model]
    status = main([photo, *models, *options])
    said = capsys.readouterr()
    if status != 0:
        assert status == 2 and said.err.count("\n") == 1 and said.err.startswith("error: ")
        pytest.importorskip("re").search(expected, said.err) or pytest.fail(said.err)
    else:
        assert options[0] == "-o"


def test_inputs_that_are_not_there(model, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for item in ("none.png", "empty", "*.png"):
        assert main([str(tmp_path / item), "--model", model]) == 2
        assert str(tmp_path / item) in capsys.readouterr().err


def test_results_do_not_collide_or_leave_the_folder(model, cat, tmp_path, capsys):
    for name in ("a.png", "a.bmp"):
        write_image(tmp_path / "in" / name if (tmp_path / "in").mkdir(exist_ok=True) is None else name, cat[:9, :9])
    out = tmp_path / "out"
    assert main([str(tmp_path / "in"), "-o", str(out), "--format", "png", "--model", model]) == 1
    assert "would replace" in capsys.readouterr().err and _names(out) == ["a.png"]
    # A link inside the folder of results must not lead the next ones away.
    (tmp_path / "in" / "sub").mkdir()
    write_image(tmp_path / "in" / "sub" / "b.png", cat[:9, :9])
    (tmp_path / "elsewhere").mkdir()
    (out / "sub").symlink_to(tmp_path / "elsewhere")
    assert main([str(tmp_path / "in"), "-o", str(out), "--name", "{stem}_{suffix}", "--model", model]) == 1
    assert "outside" in capsys.readouterr().err and not list((tmp_path / "elsewhere").iterdir())
    # A picture is not replaced by its own enlargement.
    assert main([str(tmp_path / "in" / "a.png"), "-o", str(tmp_path / "in"), "--overwrite", "--model", model]) == 2
    assert "its own enlargement" in capsys.readouterr().err


class _Pipe:
    def __init__(self, content: bytes = b""):
        self.buffer = io.BytesIO(content)

    def write(self, text):
        self.buffer.write(text.encode())

    def flush(self):
        pass


def test_standard_input_and_output(network, model, photo, cat, tmp_path, monkeypatch, capfd):
    content = Path(photo).read_bytes()
    for options in ([], ["--format", "tif"]):
        out = _Pipe()
        monkeypatch.setattr(sys, "stdin", _Pipe(content))
        monkeypatch.setattr(sys, "stdout", out)
        assert main(["-", "-o", "-", "--model", model, *options]) == 0
        monkeypatch.undo()
        picture = read_image(out.buffer.getvalue())
        assert picture.format == ("TIFF" if options else "PNG")
        assert np.array_equal(picture.pixels, upscale_array(network, cat))
    monkeypatch.setattr(sys, "stdin", _Pipe(b"rubbish"))
    assert main(["-", "-o", str(tmp_path / "x.png"), "--model", model]) == 2
    assert "standard input" in capfd.readouterr().err and not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_animations_frame_by_frame(network, model, cat, tmp_path, suffix):
    frames = [Image.fromarray(np.roll(cat, 7 * index, axis=1)) for index in range(3)]
    source = tmp_path / "cat.webp"
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=[40, 50, 60], loop=3, lossless=True)
    target = tmp_path / f"out.{suffix}"
    assert main([str(source), "-o", str(target), "--model", model, "--quality", "100"]) == 0
    read = list(read_frames(target))
    assert [frame.duration for frame in read] == [40, 50, 60]
    for frame, image in zip(read, frames, strict=True):
        expected = upscale_array(network, np.asarray(image)).astype(int)
        assert np.abs(frame.pixels - expected).mean() < {"gif": 12, "avif": 3}.get(suffix, 0.01)
    if suffix in ("gif", "webp", "png"):
        assert read_header(target).loop == 3


def test_animation_with_transparency(model, tmp_path):
    shown = np.zeros((20, 20, 4), np.uint8)
    shown[5:15, 5:15] = (200, 100, 50, 255)
    frames = [Image.fromarray(np.roll(shown, 3 * index, axis=1)) for index in range(2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    for suffix in ("gif", "webp"):
        assert main([str(tmp_path / "a.gif"), "-o", str(tmp_path / f"b.{suffix}"), "--model", model]) == 0
        for index, frame in enumerate(read_frames(tmp_path / f"b.{suffix}")):
            assert frame.alpha[20, 20 + 6 * index] == 255 and frame.alpha[1, 1] == 0


def test_a_still_format_takes_the_first_frame_and_says_so(model, cat, tmp_path, capsys):
    Image.fromarray(cat).save(tmp_path / "a.gif", save_all=True, append_images=[Image.fromarray(cat[::-1])])
    assert main([str(tmp_path / "a.gif"), "-o", str(tmp_path / "b.jpg"), "--model", model]) == 0
    assert "only the first of 2 frames" in capsys.readouterr().err


def test_comparison(model, photo, tmp_path):
    assert main([photo, "-o", str(tmp_path / "out.png"), "--model", model, "--compare"]) == 0
    strip = read_image(tmp_path / "out_compare.png").pixels
    assert strip.shape[0] > 300 and strip.shape[1] > 1000 and strip.std() > 20
    tiny = Image.fromarray(np.zeros((1, 1, 3), np.uint8))
    tiny.save(tmp_path / "dot.png")
    assert main([str(tmp_path / "dot.png"), "-o", str(tmp_path / "dots.png"), "--model", model, "--compare"]) == 0


def test_absurd_sizes_are_refused_before_any_work(model, photo, tmp_path, capsys):
    for options, target, expected in (
        (["--max-megapixels", "0.001"], "a.png", "--max-megapixels"),
        (["--width", "20000"], "a.webp", "16383"),
        (["--width", "66000", "--height", "1"], "a.jpg", "65500"),
        (["--width", "2000000"], "a.png", "megapixels"),
    ):
        assert main([photo, "-o", str(tmp_path / target), "--model", model, *options]) == 2
        assert expected in capsys.readouterr().err and not (tmp_path / target).exists()
    assert _names(tmp_path) == ["cat.png"]


def test_nothing_is_left_of_a_write_that_fails(model, photo, tmp_path, monkeypatch, capsys):
    def full(file, blocks, *_, **__):
        next(iter(blocks))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sr_gan_tf.inference.pictures.encode", full)
    assert main([photo, "-o", str(tmp_path / "out.png"), "--model", model, "--tile", "16"]) == 2
    assert "No space left" in capsys.readouterr().err and _names(tmp_path) == ["cat.png"]


def test_an_interrupt_leaves_nothing_half_written(model, photo, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sr_gan_tf.inference.tiling._core", interrupted)
    assert main([photo, "-o", str(tmp_path / "out.png"), "--model", model]) == 130
    assert _names(tmp_path) == ["cat.png"]


@pytest.mark.long
def test_killed_at_any_moment(model, cat, tmp_path):
    source, target = tmp_path / "large.png", tmp_path / "out.png"
    write_image(source, np.tile(cat, (12, 12, 1)))
    arguments = [str(source), "-o", str(target), "--model", model, "--overwrite"]
    code = f"import sys; from sr_gan_tf.upscale import main; print('up', flush=True); sys.exit(main({arguments!r}))"
    whole = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert b"1 written" in whole.stdout
    expected = target.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(10):
        target.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        process.stdout.readline()
        try:
            process.wait(float(generator.uniform(1, 12)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert not target.exists() or target.read_bytes() == expected


def test_from_python_with_files(network, photo, tmp_path):
    files = Files(strip=True, quality=90)
    written = upscale([photo], tmp_path / "out", model=network, files=files)
    assert written == [str(tmp_path / "out" / "cat.png")]
    with pytest.raises(InputError, match="exists already"):
        upscale(photo, tmp_path / "out", model=network)
    with pytest.raises(InputError, match="no such file"):
        upscale(tmp_path / "none.png", model=network)
