"""The Beam pipeline on the direct runner: every picture once, bad ones in the list, a second run makes what is missing.

Beam needs an environment of its own (docs/reliability.md); these tests run where it is installed.
"""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from skimage import data
from tiny import names_in, tiny_generator

pytest.importorskip("apache_beam", reason="Apache Beam lives in an environment of its own")
pytestmark = pytest.mark.filterwarnings("default")

from sr_gan_tf import beam  # noqa: E402
from sr_gan_tf.inference import beam_pipeline  # noqa: E402
from sr_gan_tf.upscale import upscale  # noqa: E402


@pytest.fixture
def folders(tmp_path):
    """A model and a folder for originals."""
    tiny_generator("Compact", scale=2).save(tmp_path / "tiny.keras")
    (tmp_path / "in" / "sub").mkdir(parents=True)
    return tmp_path


def run(folders, *more) -> int:
    arguments = [str(folders / "in" / "**"), "-o", str(folders / "out"), "--model", str(folders / "tiny.keras")]
    return beam.main([*arguments, *more])


def letters(folders) -> list[dict]:
    return [json.loads(line) for line in (folders / "out" / "dead_letters.jsonl").read_text().splitlines()]


def test_every_picture_once(folders, capsys):
    picture = Image.fromarray(data.chelsea()[100:120, 150:174])
    picture.save(folders / "in" / "one.png")
    picture.convert("LA").save(folders / "in" / "sub" / "two.png")
    picture.save(folders / "in" / "three.jpg")
    (folders / "in" / "bad.png").write_bytes(b"no picture")
    (folders / "in" / "cut.png").write_bytes((folders / "in" / "one.png").read_bytes()[:200])
    assert run(folders) == 0
    assert "3 written, 2 in" in capsys.readouterr().out
    assert names_in(folders / "out") == ["dead_letters.jsonl", "one.png", "sub/two.png", "three.jpg"]
    with Image.open(folders / "out" / "sub" / "two.png") as two, Image.open(folders / "out" / "one.png") as one:
        assert two.mode == "LA"
        assert one.size == two.size == (48, 40)
        enlarged = np.asarray(one)
    np.testing.assert_array_equal(enlarged, upscale(np.asarray(picture), model=str(folders / "tiny.keras")))
    assert {letter["original"].rsplit("/")[-1] for letter in letters(folders)} == {"bad.png", "cut.png"}
    assert all(letter["error"] and "\n" not in letter["error"] for letter in letters(folders))
    # A second run makes what is missing and leaves the rest alone.
    (folders / "out" / "one.png").unlink()
    before = (folders / "out" / "three.jpg").stat().st_mtime_ns
    assert run(folders) == 0
    assert "1 written, 2 in" in capsys.readouterr().out
    assert (folders / "out" / "three.jpg").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "MemoryError"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when\nallocating"), "OOM when allocating"),
    ],
)
def test_what_the_machine_has_no_memory_for(monkeypatch, error, said):
    def enlarged(self, name, path, chain):
        if name == "large":
            raise error
        return b"whole"

    monkeypatch.setattr(beam_pipeline.EnlargerHandler, "_enlarged", enlarged)
    large, small = beam_pipeline.EnlargerHandler().run_inference([("large", "in/large"), ("small", "in/small")], None)
    assert large.example == ("large", "in/large")
    assert large.inference.startswith(said)
    assert "\n" not in large.inference
    assert small.inference == b"whole"


def test_two_of_one_name(folders):
    picture = Image.fromarray(data.chelsea()[:10, :12])
    picture.save(folders / "in" / "one.png")
    picture.save(folders / "in" / "one.jpg")
    assert run(folders, "--format", "webp") == 0
    assert names_in(folders / "out") == ["dead_letters.jsonl", "one.webp"]
    (letter,) = letters(folders)
    assert letter["original"].endswith("one.png")
    assert "would replace that of" in letter["error"]


def test_repeated_work_leaves_one_result(folders):
    """An engine that repeats a piece of work writes the same file again, whole at each moment."""
    target = str(folders / "out" / "sub" / "one.bin")
    for content in (b"first", b"second"):
        beam_pipeline.write_once(target, content)
        assert Path(target).read_bytes() == content
    assert names_in(folders / "out") == ["sub/one.bin"]


def test_mistakes(folders, capsys):
    assert beam.main([str(folders / "in" / "*"), "-o", str(folders / "out"), "--model", "no/such"]) == 2
    assert "no model 'no/such'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/a/b/*.png", "/a/b/"),
        ("/a/b*/c/*.png", "/a/"),
        ("/a/**", "/a/"),
        ("/a/one.png", "/a/"),
        ("gs://b/x/**", "gs://b/x/"),
    ],
)
def test_fixed_part(pattern, expected):
    assert beam_pipeline.fixed_part(pattern) == expected


@pytest.mark.long
def test_ten_thousand_small_pictures(folders, capsys):
    generator, cat, count = np.random.default_rng(0), data.chelsea(), 10_000
    for number in range(count):
        height, width = generator.integers(16, 48, 2)
        y, x = generator.integers(0, 200, 2)
        path = folders / "in" / f"{number // 1000}" / f"{number:05d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(cat[y : y + height, x : x + width]).save(path)
        if number % 1000 == 7:
            path.write_bytes(path.read_bytes()[:100])
    begin = time.perf_counter()
    assert run(folders) == 0
    seconds = time.perf_counter() - begin
    said = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{said.strip()}; {seconds:.0f} s, {count / seconds:.0f} pictures a second")
    assert "9990 written, 10 in" in said
    assert len(names_in(folders / "out")) == 9991
    assert len(letters(folders)) == 10
