"""The upscale command among files: folders, names, streams, animations, what is refused and what is left behind."""

import io
import resource
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import names_in

from sr_gan_tf.errors import InputError
from sr_gan_tf.inference import batch
from sr_gan_tf.inference.batch import Files
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.pictures.reading import read_frames, read_header, read_image, write_image
from sr_gan_tf.upscale import main, upscale


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
    assert names_in(out) == ["a.jpg", "sub/b.png", "sub/deep/c.webp"]
    said = capsys.readouterr()
    assert "3 written" in said.out
    assert "1 failed" in said.out
    assert said.err.count("error: ") == 1
    assert "bad.png" in said.err
    assert "Traceback" not in said.err
    # Again: what exists is skipped, or stands in the way, or is replaced.
    assert main([str(folder), "-o", str(out), "--model", model, "--skip-existing"]) == 1
    assert "3 skipped" in capsys.readouterr().out
    assert main([str(folder / "a.jpg"), "-o", str(out), "--model", model]) == 2
    assert "already exists" in capsys.readouterr().err
    assert main([str(folder / "a.jpg"), "-o", str(out), "--model", model, "--overwrite"]) == 0


def test_pictures_that_are_written_are_let_go(model, cat, tmp_path, monkeypatch):
    """What belongs to one picture must not add up over a folder of many."""
    (tmp_path / "in").mkdir()
    for number in range(12):
        write_image(tmp_path / "in" / f"{number}.png", cat[:8, :8])
    futures, alive, run_job = [], [], batch.run_job

    def watched(*arguments):
        alive.append(sum(future() is not None for future in futures))
        result = run_job(*arguments)
        futures.append(weakref.ref(result))
        return result

    monkeypatch.setattr(batch, "run_job", watched)
    names = upscale(tmp_path / "in", tmp_path / "out", model, files=Files(workers=1))
    assert [Path(name).name for name in names] == [f"{number}.png" for number in range(12)]
    assert max(alive) <= 2


def test_patterns_names_and_formats(model, cat, tmp_path, monkeypatch, capsys):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("frame2.png", "frame10.png", "frame1.png", "other.png", "sub/frame3.png"):
        write_image(tmp_path / "in" / name, cat[:8, :8])
    pattern = str(tmp_path / "in" / "**" / "frame*.png")
    name = "{stem}_{model}_{width}x{height}_x{scale}"
    assert main([pattern, "-o", str(tmp_path / "out"), "--model", model, "--name", name, "--format", "jpg"]) == 0
    expected = [f"frame{index}_tiny_x2_16x16_x2.jpg" for index in (10, 1, 2)]
    assert names_in(tmp_path / "out") == [*expected, "sub/frame3_tiny_x2_16x16_x2.jpg"]
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
        (["--passes", "0"], "expected 1 to 100"),
        (["--halo", "-1"], "0 or more"),
        (["--model", "no_such_model"], "no model"),
        (["-o", "out.xyz/.png"], "already exists|written|out.xyz"),
    ],
)
def test_wrong_options_end_in_one_line(model, photo, capsys, options, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = [] if "--model" in options else ["--model", model]
    status = main([photo, *models, *options])
    said = capsys.readouterr()
    if status != 0:
        assert status == 2
        assert said.err.count("\n") == 1
        assert said.err.startswith("error: ")
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
    assert "would replace" in capsys.readouterr().err
    assert names_in(out) == ["a.png"]
    # A link inside the folder of results must not lead the next ones away.
    (tmp_path / "in" / "sub").mkdir()
    write_image(tmp_path / "in" / "sub" / "b.png", cat[:9, :9])
    (tmp_path / "elsewhere").mkdir()
    (out / "sub").symlink_to(tmp_path / "elsewhere")
    assert main([str(tmp_path / "in"), "-o", str(out), "--name", "{stem}_{suffix}", "--model", model]) == 1
    assert "outside" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())
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
    assert "standard input" in capfd.readouterr().err
    assert not (tmp_path / "x.png").exists()


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
            assert frame.alpha[20, 20 + 6 * index] == 255
            assert frame.alpha[1, 1] == 0


def test_a_still_format_takes_the_first_frame_and_says_so(model, cat, tmp_path, capsys):
    Image.fromarray(cat).save(tmp_path / "a.gif", save_all=True, append_images=[Image.fromarray(cat[::-1])])
    assert main([str(tmp_path / "a.gif"), "-o", str(tmp_path / "b.jpg"), "--model", model]) == 0
    assert "only the first of 2 frames" in capsys.readouterr().err


def test_pages_of_a_tiff_are_counted(model, cat, tmp_path, capsys):
    pages = [Image.fromarray(cat), Image.fromarray(cat[::-1])]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert main([str(tmp_path / "a.tif"), "-o", str(tmp_path / "b.png"), "--model", model]) == 0
    assert "only the first of 2 pages" in capsys.readouterr().err


def test_comparison(model, photo, tmp_path):
    assert main([photo, "-o", str(tmp_path / "out.png"), "--model", model, "--compare"]) == 0
    strip = read_image(tmp_path / "out_compare.png").pixels
    assert strip.shape[0] > 300
    assert strip.shape[1] > 1000
    assert strip.std() > 20
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
        assert expected in capsys.readouterr().err
        assert not (tmp_path / target).exists()
    assert names_in(tmp_path) == ["cat.png"]


def test_nothing_is_left_of_a_write_that_fails(model, photo, tmp_path, monkeypatch, capsys):
    def full(file, blocks, *_, **__):
        next(iter(blocks))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sr_gan_tf.inference.pictures.encode", full)
    assert main([photo, "-o", str(tmp_path / "out.png"), "--model", model, "--tile", "16"]) == 2
    assert "no space left to write" in capsys.readouterr().err
    assert names_in(tmp_path) == ["cat.png"]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
def test_a_full_disk(model, photo, tmp_path, capsys, suffix):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        status = main([photo, "-o", str(tmp_path / f"out.{suffix}"), "--model", model, "--tile", "16"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err
    assert status == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "unexpected" not in said
    assert names_in(tmp_path) == ["cat.png"]


def test_an_interrupt_leaves_nothing_half_written(model, photo, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sr_gan_tf.inference.tiling._core", interrupted)
    assert main([photo, "-o", str(tmp_path / "out.png"), "--model", model]) == 130
    assert names_in(tmp_path) == ["cat.png"]


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
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            try:
                process.wait(float(generator.uniform(1, 12)))
            except subprocess.TimeoutExpired:
                process.kill()
        assert not target.exists() or target.read_bytes() == expected


def test_from_python_with_files(network, photo, tmp_path):
    files = Files(strip=True, quality=90)
    written = upscale([photo], tmp_path / "out", model=network, files=files)
    assert written == [str(tmp_path / "out" / "cat.png")]
    with pytest.raises(InputError, match="already exists"):
        upscale(photo, tmp_path / "out", model=network)
    with pytest.raises(InputError, match="no such file"):
        upscale(tmp_path / "none.png", model=network)
