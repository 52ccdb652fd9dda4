"""A page's workbench: the command's bytes, canceling, errors, and that nothing piles up."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.inference.passes import Settings
from sr_gan_tf.shipped import DEFAULT_MODEL
from sr_gan_tf.upscale import main as upscale
from sr_gan_tf.webapp.shelf import Shelf
from sr_gan_tf.webapp.workbench import Choices, Workbench, cached_chain

NAME = DEFAULT_MODEL


def picture(path, width=24, height=16, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def bench(tmp_path):
    (tmp_path / "pages").mkdir()
    with_shelf = Workbench(Shelf(), tmp_path / "pages", tmp_path / "in")
    yield with_shelf
    with_shelf.close()


def last(states):
    return list(states)[-1]


@pytest.mark.parametrize(
    ("choices", "options"),
    [
        (Choices(NAME), []),
        (Choices(NAME, format="webp", quality=80, strip=True), ["--format", "webp", "--quality", "80", "--strip"]),
        (Choices(NAME, settings=Settings(max_side=60)), ["--max-side", "60"]),
        (
            Choices(NAME, mixed_with="span_x4_real", share=0.25),
            ["--model", "span_x4:0.750,span_x4_real:0.250"],
        ),
    ],
)
def test_the_same_bytes_as_the_command(tmp_path, bench, choices, options):
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    original = picture(tmp_path / "in" / "photo.jpg", exif=exif)
    kept = original.read_bytes()
    bench.receive([original])
    state = last(bench.enlarge(choices))
    (tmp_path / "again").mkdir()
    again = tmp_path / "again" / "photo.jpg"
    again.write_bytes(kept)
    options = options if "--model" in options else ["--model", NAME, *options]
    assert upscale([str(again), "-o", f"{tmp_path}/out/", "--name", "{stem}_x{scale}", *options]) == 0
    (expected,) = files_below(tmp_path / "out")
    (result,) = state.results
    assert state.finished
    assert not state.failed
    assert result.path.name == expected.name
    assert result.path.read_bytes() == expected.read_bytes()


def test_one_bad_file_is_named_and_the_others_are_made(tmp_path, bench):
    bad = tmp_path / "in" / "bad.png"
    bad.parent.mkdir()
    bad.write_bytes(b"no picture")
    bench.receive([picture(tmp_path / "in" / "good.png"), bad])
    state = last(bench.enlarge(Choices(NAME)))
    assert [result.path.name for result in state.results] == ["good_x4.png"]
    (message,) = state.failed
    assert "bad.png" in message
    assert str(tmp_path) not in message


def test_size_is_refused_by_the_header(tmp_path, bench):
    bench.receive([picture(tmp_path / "in" / "large.png", 200, 100)])
    state = last(bench.enlarge(Choices(NAME, max_megapixels=0.01)))
    assert not state.results
    assert "large.png" in state.failed[0]


def test_nothing_uploaded_is_said(bench):
    assert last(bench.enlarge(Choices(NAME))).failed == ["no picture yet; drop one on the page first"]


def test_canceling_leaves_nothing(tmp_path, bench):
    bench.receive([picture(tmp_path / "in" / f"{number}.png", 64, 64, number) for number in range(4)])
    states = bench.enlarge(Choices(NAME, settings=Settings(tile=16)), every=0.01)
    cached_chain(NAME)
    for state in states:
        if state.share > 0:
            bench.cancel()
    assert state.canceled
    assert not state.results
    assert [path.name for path in files_below(bench.folder)] == ["0.png", "1.png", "2.png", "3.png"]  # the originals
    assert len(bench.shelf) == 0
    assert len(last(bench.enlarge(Choices(NAME))).results) == 4  # and the bench still works


def test_closing_a_page_in_the_middle_of_work_stops_it(tmp_path, bench):
    bench.receive([picture(tmp_path / "in" / "a.png", 64, 64)])
    states = bench.enlarge(Choices(NAME, settings=Settings(tile=16)), every=0.01)
    next(states)
    bench.close()
    states.close()
    assert not bench.folder.exists()


def test_pictures_that_arrive_in_the_middle_of_work_wait_for_the_next(tmp_path, bench):
    first = picture(tmp_path / "in" / "first.png", 48, 48)
    bench.receive([first])
    states = bench.enlarge(Choices(NAME), every=0.01)
    next(states)
    bench.receive([first, picture(tmp_path / "in" / "second.png")])
    (result,) = last(states).results
    assert result.path.name == "first_x4.png"
    assert result.path.is_file()
    assert bench.shelf.get(result.before).path.is_file()
    assert [path.name for path in bench.originals] == ["first.png", "second.png"]
    assert [each.path.name for each in last(bench.enlarge(Choices(NAME))).results] == ["first_x4.png", "second_x4.png"]
    assert len(files_below(bench.folder)) == 4
    bench.receive([tmp_path / "in" / "second.png"])
    assert not first.exists()
    assert [path.name for path in files_below(bench.folder)] == ["second.png"]


def test_equal_names_and_the_archive(tmp_path, bench):
    bench.receive([picture(tmp_path / "in" / folder / "a.png", seed=seed) for seed, folder in enumerate("xyz")])
    state = last(bench.enlarge(Choices(NAME)))
    with zipfile.ZipFile(bench.shelf.get(bench.archived()).path) as archive:
        assert archive.namelist() == ["a_x4.png", "a_x4 (2).png", "a_x4 (3).png"]
        for name, result in zip(archive.namelist(), state.results, strict=True):
            assert archive.read(name) == result.path.read_bytes()


def test_pictures_that_browsers_do_not_show_are_shown_as_png(tmp_path, bench):
    bench.receive([picture(tmp_path / "in" / "scan.tif")])
    (result,) = last(bench.enlarge(Choices(NAME))).results
    assert result.path.suffix == ".tif"
    for token, width in ((result.before, 24), (result.after, 96)):
        shown = bench.shelf.get(token).path
        assert shown.suffix == ".png"
        with Image.open(shown) as image:
            assert image.width == width


def test_folder_and_shelf_do_not_grow(tmp_path, bench):
    for number in range(8):
        bench.receive([picture(tmp_path / "in" / f"{number}.png", 8, 8)])
        last(bench.enlarge(Choices(NAME)))
        assert len(files_below(bench.folder)) == 2
        assert len(bench.shelf) == 2
    bench.close()
    assert not bench.folder.exists()
    assert len(bench.shelf) == 0


@pytest.mark.parametrize("place", ["secret.png", "in/../secret.png", "in/link.png"])
def test_only_uploads_are_read_and_deleted(tmp_path, bench, place):
    """A request can name any path as its upload; such a file is neither enlarged nor deleted."""
    secret = picture(tmp_path / "secret.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.png").symlink_to(secret)
    with pytest.raises(InputError, match="was not uploaded"):
        bench.receive([tmp_path / place])
    bench.receive([])
    bench.close()
    assert secret.exists()


def test_the_shelf_gives_out_nothing_else(tmp_path):
    shelf = Shelf()
    token = shelf.put(tmp_path / "a.png")
    assert shelf.get(token).name == "a.png"
    for wrong in ("", "a.png", "../a.png", str(tmp_path / "a.png"), token[:-1]):
        assert shelf.get(wrong) is None


def test_choices_refuse_what_the_command_refuses():
    with pytest.raises(InputError, match="expected more than 0"):
        Choices(NAME, settings=Settings(max_side=-3))
