"""Sources: folders, pairs, TFDS, scikit-image's photographs, and every kind of picture file."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf import config
from sr_gan_tf.data.catalog import build_sources
from sr_gan_tf.data.sources import Example, Folder, SamplePhotographs
from sr_gan_tf.data.tfds_source import TFDS
from sr_gan_tf.errors import InputError
from sr_gan_tf.resampling import imresize


def picture(height=24, width=32, seed=0):
    """Smooth colors, so that JPEG and CMYK keep them."""
    y, x = np.mgrid[:height, :width]
    shift = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [np.sin(x / 9 + shift[0]), np.cos(y / 7 + shift[1]), np.sin((x + y) / 11 + shift[2])]
    return (np.stack(waves, -1) * 100 + 128).astype(np.uint8)


def save(path, pixels=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture() if pixels is None else pixels).save(path, **options)
    return path


def test_folder_lists_nested_pictures_in_order_and_leaves_the_rest(tmp_path):
    for name in ("b.png", "a/z.JPG", "a/deep/er/c.webp", ".hidden.png", ".git/x.png", "a/._b.png"):
        save(tmp_path / name, format="PNG")
    (tmp_path / "notes.txt").write_text("no picture")
    names = [example.name.removeprefix(f"{tmp_path}/") for example in Folder(str(tmp_path)).examples()]
    assert names == ["a/deep/er/c.webp", "a/z.JPG", "b.png"]


def test_folder_takes_a_glob_and_a_single_file(tmp_path):
    save(tmp_path / "one" / "photo_1.png")
    save(tmp_path / "one" / "mask_1.png")
    file = save(tmp_path / "scan.dat", format="PNG")
    assert len(Folder(str(tmp_path), pattern="*/photo_*.png")) == 1
    assert Folder(str(file))[0].read(1)[0].shape == (24, 32, 3)
    assert len(Folder(str(tmp_path), pattern="*.dat")) == 1


@pytest.mark.parametrize("pattern", ["/photos/*.png", "**.png", "../*.png", "."])
def test_patterns_that_are_none_below_the_folder(tmp_path, pattern):
    save(tmp_path / "one" / "a.png")
    with pytest.raises(InputError, match=r"pattern|no file matches") as caught:
        Folder(str(tmp_path / "one"), pattern=pattern)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["missing", "empty"])
def test_folder_without_pictures(tmp_path, make):
    make(tmp_path / "folder")
    with pytest.raises(InputError, match="folder"):
        Folder(str(tmp_path / "folder"))


def test_pairs_match_by_path_with_and_without_ending(tmp_path):
    for name in ("0001", "sub/0002", "0003"):
        save(tmp_path / f"HR/{name}.png")
    save(tmp_path / "LR/0001x4.png", picture(6, 8, 1))
    save(tmp_path / "LR/sub/0002.bmp", picture(6, 8, 2))
    save(tmp_path / "LR/0003_LR.png", picture(6, 8, 3))
    source = Folder(str(tmp_path / "HR"), lr_path=str(tmp_path / "LR"))
    assert source.has_lr
    for index, seed in enumerate((1, 3, 2)):
        hr, lr = source[index].read(4)
        assert hr.shape == (24, 32, 3)
        np.testing.assert_array_equal(lr, picture(6, 8, seed))


@pytest.mark.parametrize(
    ("lr", "hr", "scale", "message"),
    [
        ((6, 8), (24, 32), 2, "pair of scale 4"),
        ((24, 32), (6, 8), 4, "swapped"),
        ((7, 8), (24, 32), 4, "expected LR of 8x6"),
        (None, (24, 32), 4, "cannot read"),
    ],
)
def test_bad_pairs(tmp_path, lr, hr, scale, message):
    save(tmp_path / "HR/a.png", picture(*hr))
    save(tmp_path / "LR/other.png")
    if lr:
        save(tmp_path / "LR/a.png", picture(*lr))
    source = Folder(str(tmp_path / "HR"), lr_path=str(tmp_path / "LR"))
    with pytest.raises(InputError, match=message):
        source[0].read(scale)


def test_hr_is_cropped_to_a_multiple_of_the_scale_and_squashed(tmp_path):
    save(tmp_path / "a.png", picture(23, 30))
    assert Folder(str(tmp_path))[0].read(4)[0].shape == (20, 28, 3)
    squashed = Folder(str(tmp_path), squash=(64, 48))
    assert squashed[0].read(4)[0].shape == (64, 48, 3)
    assert squashed.sizes(5) == [(64, 48)]
    with pytest.raises(InputError, match="smaller than the scale"):
        Folder(str(tmp_path))[0].read(40)


def test_pictures_resized_by_a_factor(tmp_path):
    save(tmp_path / "a.png", picture(101, 64))
    soft, sharp, plain = (Folder(str(tmp_path), resize=factor) for factor in (1.6, 0.5, None))
    assert soft[0].read(2)[0].shape == (162, 102, 3)
    assert soft.sizes(1) == [(162, 103)]
    assert sharp[0].read(1)[0].shape == (51, 32, 3)
    assert str(sharp) == f"{tmp_path} x0.5"
    np.testing.assert_array_equal(sharp[0].read(1)[0], imresize(plain[0].read(1)[0], 0.5))
    assert len({str(source.fingerprint()) for source in (soft, sharp, plain)}) == 3
    for wrong in ({"resize": 0}, {"resize": 20}, {"resize": 2, "squash": (8, 8)}, {"resize": 2, "lr_path": "x"}):
        with pytest.raises(InputError, match="resize"):
            Folder(str(tmp_path), **wrong)


def test_fingerprint_changes_with_the_pictures(tmp_path):
    save(tmp_path / "a.png")
    before = Folder(str(tmp_path)).fingerprint()
    assert before == Folder(str(tmp_path)).fingerprint()
    save(tmp_path / "a.png", picture(seed=5))
    after = Folder(str(tmp_path)).fingerprint()
    save(tmp_path / "b.png")
    assert before != after != Folder(str(tmp_path)).fingerprint()


def test_sample_photographs_are_split_by_photograph():
    splits = {name: SamplePhotographs(name) for name in ("train", "validation")}
    names = {name: {example.name for example in source.examples()} for name, source in splits.items()}
    assert len(names["train"]) == 7
    assert len(names["validation"]) == 2
    assert not names["train"] & names["validation"]
    for example in splits["validation"].examples():
        hr, lr = example.read(4)
        assert hr.dtype == np.uint8
        assert min(hr.shape[:2]) >= 300
        assert lr is None
        assert (hr[..., 0] != hr[..., 2]).any()
    with pytest.raises(InputError, match="no split 'test'"):
        SamplePhotographs("test")


def png_header(width, height):
    """A PNG that claims a size, with next to no data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


KINDS = {
    "gray": lambda path: Image.fromarray(picture()[..., 0]).save(path, "PNG"),
    "palette": lambda path: Image.fromarray(picture()).quantize(256).save(path, "PNG"),
    "16-bit": lambda path: Image.fromarray(picture()[..., 0].astype(np.uint16) * 257).save(path, "PNG"),
    "alpha": lambda path: Image.fromarray(picture()).convert("RGBA").save(path, "PNG"),
    "CMYK": lambda path: Image.fromarray(picture()).convert("CMYK").save(path, "JPEG", quality=95),
    "animated": lambda path: Image.fromarray(picture()).save(
        path, "WEBP", save_all=True, append_images=[Image.fromarray(picture(seed=1))], lossless=True
    ),
    "misnamed": lambda path: Image.fromarray(picture()).save(path, "BMP"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_unusual_pictures_are_read_as_rgb(tmp_path, kind):
    KINDS[kind](tmp_path / "picture.png")
    hr, _ = Folder(str(tmp_path))[0].read(1)
    assert hr.shape == (24, 32, 3)
    assert hr.dtype == np.uint8
    expected = np.repeat(picture()[..., :1], 3, axis=2) if kind in ("gray", "16-bit") else picture()
    assert np.abs(hr.astype(int) - expected).mean() < {"palette": 6, "CMYK": 4}.get(kind, 0.01)


def test_exif_turned_pictures_are_turned_back(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a.png", np.rot90(picture()).copy(), exif=exif)
    source = Folder(str(tmp_path))
    np.testing.assert_array_equal(source[0].read(1)[0], picture())
    assert source.sizes(1) == [(24, 32)]


def _truncated(path):
    save(path, picture(100, 100), format="PNG")
    path.write_bytes(path.read_bytes()[:-400])


BAD = {
    "truncated": (_truncated, "ends after"),
    "zero-byte": (lambda path: path.touch(), "empty"),
    "no picture": (lambda path: path.write_text("hello"), "no picture"),
    "huge": (lambda path: path.write_bytes(png_header(40000, 20000)), "800 megapixels"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused_by_name(tmp_path, kind):
    make, message = BAD[kind]
    make(tmp_path / "bad.png")
    with pytest.raises(InputError, match=f"bad.png.*{message}"):
        Folder(str(tmp_path))[0].read(1)
    if kind != "truncated":
        assert Folder(str(tmp_path)).sizes(3) == []


# TensorFlow Datasets' own code warns of its own deprecations.
tfds_warnings = pytest.mark.filterwarnings("ignore")


@tfds_warnings
@pytest.mark.parametrize(("name", "shape"), [("celeb_a", (218, 178, 3)), ("tf_flowers", None), ("mnist", (28, 28, 3))])
def test_tfds_pictures_of_any_data_set(name, shape):
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=4):
        source = TFDS(name)
        examples = list(source.examples())
        assert len(source) == len(examples) == 4
        assert not source.has_lr
        hr, lr = source[2].read(1)
        np.testing.assert_array_equal(hr, examples[2].read(1)[0])
        np.testing.assert_array_equal(source[1].read(1)[0], examples[1].read(1)[0])
        assert shape is None or hr.shape == shape
        assert hr.dtype == np.uint8
        assert lr is None
        assert [example.name for example in source.examples(3)] == [f"TFDS {name} train[3]"]


def test_tfds_sizes_leave_damaged_records_out(tmp_path):
    whole = save(tmp_path / "a.png").read_bytes()

    class Records(TFDS):
        def examples(self, first=0):
            return iter([Example("one", whole), Example("two", whole[:20]), Example("three", b""), Example("4", whole)])

    assert Records("any").sizes(4) == [(24, 32)] * 2
    assert Records("any").sizes(1) == [(24, 32)]


@tfds_warnings
def test_tfds_needs_an_image_feature():
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=1), pytest.raises(InputError, match="no image feature"):
        len(TFDS("imdb_reviews")) and TFDS("imdb_reviews")[0]


@tfds_warnings
def test_tfds_pairs_splits_and_errors_of_a_prepared_data_set(tmp_path, monkeypatch):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    pairs = [{"lr": picture(6, 8, seed), "hr": picture(24, 32, seed + 10)} for seed in range(4)]
    tfds.dataset_builders.store_as_tfds_dataset(
        name="pairs",
        version="1.0.0",
        features=tfds.features.FeaturesDict({"lr": tfds.features.Image(), "hr": tfds.features.Image()}),
        split_datasets={
            "train": tf.data.Dataset.from_generator(
                lambda: pairs, output_signature={key: tf.TensorSpec((None, None, 3), tf.uint8) for key in ("lr", "hr")}
            )
        },
        data_dir=str(tmp_path),
        disable_shuffling=True,
    )
    source = TFDS("pairs", data_dir=str(tmp_path))
    assert len(source) == 4
    assert source.has_lr
    assert source.sizes(3) == [(24, 32)] * 3
    hr, lr = source[3].read(4)
    np.testing.assert_array_equal(lr, picture(6, 8, 3))
    np.testing.assert_array_equal(hr, picture(24, 32, 13))
    with pytest.raises(InputError, match="pair of scale 4"):
        source[0].read(2)
    part = TFDS("pairs", split="train[50%:]", data_dir=str(tmp_path), use_lr=False)
    assert len(part) == 2
    assert not part.has_lr
    np.testing.assert_array_equal(part[0].read(1)[0], picture(24, 32, 12))
    assert part.fingerprint() != source.fingerprint()
    with pytest.raises(InputError, match="no split 'test'"):
        len(TFDS("pairs", split="test", data_dir=str(tmp_path)))
    with pytest.raises(InputError, match=r"no image feature 'image'; set config.feature to one of (lr, hr|hr, lr)"):
        TFDS("pairs", feature="image", data_dir=str(tmp_path))[0]
    with pytest.raises(InputError, match="no data set 'pairz'"):
        len(TFDS("pairz", data_dir=str(tmp_path)))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")  # code that a data set names
    monkeypatch.syspath_prepend(str(tmp_path))
    (features,) = tmp_path.rglob("features.json")
    features.write_text(features.read_text().replace("tensorflow_datasets.core.features.image_feature.Image", "evil.I"))
    with pytest.raises(InputError, match=r"its features.json names 'evil.I'"):
        len(TFDS("pairs", data_dir=str(tmp_path)))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(InputError, match="is a data set of a community, whose code TFDS would fetch and run"):
        len(TFDS("huggingface:pairs", data_dir=str(tmp_path)))


def test_a_source_is_named_by_its_place_in_the_experiment():
    spec = config.SourceSpec(class_name="SamplePhotographs", config={"split": "train"})
    assert [source.where for source in build_sources([spec, spec], "data.train", 2)] == ["data.train.0", "data.train.1"]
    assert build_sources([spec], "data.train", 2, 3)[0].where == "data.train.3"
    with pytest.raises(InputError, match=r"data.train.3"):
        build_sources([config.SourceSpec(class_name="Folder", config={"path": "nowhere", "lr": 1})], "data.train", 2, 3)


def test_lr_that_was_rounded_up_is_cut(tmp_path):
    rng = np.random.default_rng(3)
    hr, lr = (rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in ((65, 71), (33, 36)))
    found = Example("pair", hr, lr).read(2)
    assert np.array_equal(found[0], hr[:64, :70])
    assert np.array_equal(found[1], lr[:32, :35])
    # The message names the true size.
    with pytest.raises(InputError, match=r"HR is 71x65, LR is 36x34 pixels: expected LR of 35x32"):
        Example("pair", hr, np.zeros((34, 36, 3), np.uint8)).read(2)
