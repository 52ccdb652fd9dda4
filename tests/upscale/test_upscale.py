"""The upscale command: every kind of picture, size and option, on real photographs and a tiny network."""

import keras
import numpy as np
import pytest
from PIL import Image
from tiny import faithful_generator, names_in, tiny_generator, whole

from sr_gan_tf.errors import InputError
from sr_gan_tf.inference.keras_enlarger import enlarger_of
from sr_gan_tf.inference.passes import Settings
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.pictures.reading import read_image, write_image
from sr_gan_tf.resampling import imresize
from sr_gan_tf.upscale import main, upscale


def test_a_file_becomes_what_the_network_makes_of_it(network, model, photo, cat, tmp_path, capsys):
    assert main([photo, "-o", str(tmp_path / "out.png"), "--model", model]) == 0
    expected = upscale_array(network, cat)
    assert np.array_equal(read_image(tmp_path / "out.png").pixels, expected)
    assert "1 written" in capsys.readouterr().out
    assert main([photo, "--model", model, "--tile", "16"]) == 0
    beside = read_image(tmp_path / "cat_x2.png").pixels
    assert np.abs(beside.astype(int) - expected).max() <= 1
    assert (beside != expected).sum() <= beside.size / 100_000
    assert names_in(tmp_path) == ["cat.png", "cat_x2.png", "out.png"]


def test_arrays_of_every_kind(network, cat):
    expected = upscale_array(network, cat)
    assert np.array_equal(upscale(cat, model=network), expected)
    assert upscale(cat[..., 0], model=network).shape == (160, 220)
    float_result = upscale(cat.astype(np.float32) / 255, model=network)
    assert float_result.dtype == np.float32
    assert np.abs(np.clip(float_result * 255, 0, 255) - expected).max() <= 0.51
    alpha = np.full(cat.shape[:2], 255, np.uint8)
    assert np.array_equal(
        upscale(np.dstack([cat, alpha]), model=network), np.dstack([expected, alpha.repeat(2, 0).repeat(2, 1)])
    )
    for bad in (cat.astype(np.int32), np.zeros((4, 4, 5), np.uint8), np.zeros((0, 4), np.uint8)):
        with pytest.raises(InputError, match="is not a picture"):
            upscale(bad, model=network)


def test_one_compilation_for_many_pictures(cat, tmp_path):
    generator = faithful_generator(9, scale=2)
    for index in range(5):
        write_image(tmp_path / f"{index}.png", cat[index:, : 100 - 9 * index])
    written = upscale(tmp_path, tmp_path / "out", model=generator)
    assert len(written) == 5
    assert enlarger_of(generator).traces == 1
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
    gray = mode == "L" and suffix not in ("webp", "gif", "bmp", "avif")
    assert picture.pixels.shape[2] == (1 if gray else 3)
    expected = upscale_array(network, before.pixels).astype(int)
    assert np.abs(picture.pixels - expected).mean() < {"gif": 12, "jpg": 3, "webp": 9, "avif": 3}.get(suffix, 0.01)


def test_sixteen_bits_stay_sixteen_bits(network, model, tmp_path):
    ramp = (np.linspace(20000, 21000, 60 * 50 * 3).reshape(60, 50, 3) * (1, 0.9, 0.8)).astype(np.uint16)
    write_image(tmp_path / "deep.png", ramp)
    for suffix in ("png", "tif"):
        assert main([str(tmp_path / "deep.png"), "-o", str(tmp_path / f"out.{suffix}"), "--model", model]) == 0
        pixels = read_image(tmp_path / f"out.{suffix}").pixels
        assert pixels.dtype == np.uint16
        assert np.array_equal(pixels, upscale_array(network, ramp))
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
    # A gray picture stored as RGB goes through the network as one channel.
    gray = upscale_array(network, np.full_like(picture[..., :1], 250))
    assert np.array_equal(result.pixels[visible], gray.repeat(3, axis=2)[visible])
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
            assert block.get(0x0112, 1) == 1
            assert block[0x010F] == "Camera"
            assert "tiny_x2 x2" in block[0x0131]
            assert image.info["icc_profile"] == options["icc_profile"]
            ifd = block.get_ifd(0x8769)
            assert (ifd[0xA002], ifd[0xA003]) == (160, 220)
            if suffix != "webp":
                assert tuple(round(value) for value in image.info["dpi"]) == (300, 300)
        assert main([str(tmp_path / "cat.jpg"), "-o", str(target), "--model", model, "--strip", "--overwrite"]) == 0
        with Image.open(target) as image:
            assert image.size == (160, 220)
            assert not {"icc_profile", "exif"} & set(image.info)


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
    assert np.abs(result.astype(int) - around).max() <= 1
    assert (result != around).sum() <= result.size / 100_000
    assert (result != upscale(cat, model=network)).any()
    small = upscale(cat, model=network, settings=Settings(seamless=True, scale=1.5))
    expected = imresize(np.tile(around, (3, 3, 1)), 0.75)[120:240, 165:330]
    assert np.abs(small.astype(int) - expected).max() <= 1


def _whole(network, pictures):
    return whole(network, pictures, enlarger_of(network).border, network.scale)


def test_passes_and_chains(network, model, photo, cat, tmp_path):
    other = faithful_generator(2, scale=3)
    other.save(tmp_path / "other_x3.keras")
    first = np.clip(_whole(network, cat[None].astype(np.float32) / 255), 0, 1)
    for second, options in ((network, ["--passes", "2"]), (other, ["--model", str(tmp_path / "other_x3.keras")])):
        target = str(tmp_path / "out.png")
        assert main([photo, "-o", target, "--model", model, "--overwrite", *options]) == 0
        expected = np.clip(_whole(second, first)[0], 0, 1) * 255
        result = read_image(target).pixels
        assert result.shape == expected.shape
        assert np.abs(result - expected).max() < 0.52


def test_interpolated_weights(network, model, photo, tmp_path, capsys):
    other = faithful_generator(2, scale=2)
    other.save(tmp_path / "other.keras")
    target = tmp_path / "out.png"
    mix = f"{model}:0.7,{tmp_path / 'other.keras'}:0.3"
    assert main([photo, "-o", str(target), "--model", mix]) == 0
    mixed = network.copy()
    pairs = zip(network.get_weights(), other.get_weights(), strict=True)
    mixed.set_weights([0.7 * one + 0.3 * two for one, two in pairs])
    assert np.array_equal(read_image(target).pixels, upscale_array(mixed, read_image(photo).pixels))
    faithful_generator(2, scale=3).save(tmp_path / "x3.keras")
    for bad, expected in (
        (f"{model}:0.7,{tmp_path / 'other.keras'}:0.7", "add up to 1.4"),
        (f"{model}:0.5,{tmp_path / 'x3.keras'}:0.5", "only networks of one scale"),
        (f"{model}:0.5,other", "expected NAME:WEIGHT"),
    ):
        assert main([photo, "-o", str(target), "--overwrite", "--model", bad]) == 2
        assert expected in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["features in another order", "another network"])
def test_networks_that_share_no_weights_mix_by_their_pictures(kind, model, network, photo, tmp_path):
    if kind == "another network":
        other = tiny_generator("SRResNet", 3, scale=2)
    else:  # the same function, and yet a sum of weights would be noise
        other = network.copy()
        first, last = other.get_layer("conv0"), other.get_layer("last_conv")
        order = np.arange(last.kernel.shape[2])[::-1]
        inner = [layer for layer in other.layers if len(layer.get_weights()) == 2 and layer not in (first, last)]
        first.set_weights([first.get_weights()[0][..., order], first.get_weights()[1][order]])
        for layer in inner:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel[:, :, order][..., order], bias[order]])
        for layer in other.layers:
            if isinstance(layer, keras.layers.PReLU):
                layer.set_weights([value[..., order] for value in layer.get_weights()])
        last.set_weights([last.get_weights()[0][:, :, order], last.get_weights()[1]])
    other.save(tmp_path / "other.keras")
    target = tmp_path / "out.png"
    assert main([photo, "-o", str(target), "--model", f"{model}:0.7,{tmp_path / 'other.keras'}:0.3"]) == 0
    picture = read_image(photo).pixels.astype(np.float32) / 255
    parts = [_whole(part, picture[None])[0] for part in (network, other)]
    expected = np.clip(0.7 * parts[0] + 0.3 * parts[1], 0, 1) * 255
    assert np.abs(read_image(target).pixels - expected).max() < 0.52


def test_colors_are_matched(cat):
    generator = faithful_generator(4, scale=2)
    kernel, bias = generator.get_layer("last_conv").get_weights()
    generator.get_layer("last_conv").set_weights([kernel, bias + np.tile([0.1, -0.05, 0.0], 4).astype(np.float32)])
    plain, matched = upscale(cat, model=generator), upscale(cat, model=generator, settings=Settings(match_color=True))

    def shift(picture):
        return np.abs(imresize(picture, 1 / 16).astype(int) - imresize(cat, 1 / 8).astype(int)).mean()

    assert shift(plain) > 8
    assert shift(matched) < 1
    detail = (plain.astype(int) - imresize(imresize(plain, 1 / 4), 4)).std()
    kept = (matched.astype(int) - imresize(imresize(matched, 1 / 4), 4)).std()
    assert 0.9 < kept / detail < 1.1


def test_ensemble_and_precision(network, model, photo, cat, tmp_path, capsys):
    target = str(tmp_path / "out.png")
    assert main([photo, "-o", target, "--model", model, "--ensemble"]) == 0
    result = read_image(target).pixels.astype(int)
    flipped = upscale(np.ascontiguousarray(cat[:, ::-1]), model=network, ensemble=True)
    assert np.abs(result - flipped[:, ::-1]).max() <= 1
    assert (result != upscale_array(network, cat)).any()
    assert main([photo, "-o", target, "--model", model, "--precision", "bfloat16", "--overwrite", "--dry-run"]) == 0
    assert "bfloat16" in capsys.readouterr().out
    assert main([photo, "-o", target, "--model", model, "--precision", "bfloat16", "--overwrite"]) == 0
    error = np.abs(read_image(target).pixels.astype(int) - upscale_array(network, cat))
    assert 0 < error.mean() < 1
