"""evaluate with several pictures processed at once: the same figures, in the same order, with progress."""

import csv
import functools
import itertools
import json
import re
import threading

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.evaluate import main
from sr_gan_tf.evaluation.figures import Method, evaluate
from sr_gan_tf.evaluation.test_sets import find_set
from sr_gan_tf.metrics import Metric
from sr_gan_tf.resampling import imresize


@pytest.fixture
def pictures(tmp_path):
    """Three pictures, one gray, of different sizes."""
    random = np.random.default_rng(5)
    folder = tmp_path / "set"
    folder.mkdir()
    for name, shape in (("a", (8, 6, 3)), ("b", (7, 9, 3)), ("gray", (6, 6))):
        coarse = random.integers(0, 256, shape, np.uint8)
        Image.fromarray(imresize(coarse, 8)).save(folder / f"{name}.png")
    return folder


def test_jobs_do_not_change_the_figures(model, pictures, tmp_path, capsys):
    """All files of more jobs than pictures equal the serial ones, but for the seconds; images are written in order."""
    contents = []
    for jobs in ("1", "5"):
        files = [tmp_path / f"{jobs}.csv", tmp_path / f"{jobs}.json"]
        arguments = ["--data", f"mine={pictures}", "--csv", str(files[0]), "--json", str(files[1])]
        arguments += ["--metrics", "all", "--save", str(tmp_path / jobs), "--jobs", jobs]
        assert main([str(model), *arguments]) == 0
        rows = [row[:-1] for row in csv.reader(files[0].read_text().splitlines())]
        saved = [path.read_bytes() for path in sorted((tmp_path / jobs).rglob("*.png"))]
        sets = json.loads(files[1].read_text())["sets"]
        contents.append((rows, saved, [sets[0]["means"], [one["figures"] for one in sets[0]["pictures"]]]))
    assert contents[0] == contents[1]
    assert len(contents[0][0]) == 1 + 3 * 3
    assert main([str(model), "--data", f"mine={pictures}", "--jobs", "0"]) == 2
    assert "--jobs 0: expected 1 or more pictures" in capsys.readouterr().err


def test_pictures_are_measured_while_the_next_is_enlarged(pictures):
    """With two jobs, the metrics of the first picture wait here for the enlargement of the second."""
    begun = [threading.Event() for _ in range(3)]
    count = itertools.count()

    def enlarge(lr):
        if lr.shape[:2] != (16, 16):  # not the call that warms up
            begun[next(count)].set()
        return imresize(lr, 2)

    measured = []

    def slow(hr, sr, crop, scale):
        number = len(measured)
        measured.append(number)
        assert number == 2 or begun[number + 1].wait(60)
        return float(number)

    metric = Metric(slow, "Slow", "lower", 2, "order of the calls")
    seen = []
    result = evaluate(
        [Method("bicubic", enlarge)], [find_set(f"set={pictures}", 2)], 2, {"slow": metric}, jobs=2,
        watch=lambda *picture: seen.append(picture[1].name),
    )  # fmt: skip
    assert result.sets[0].values("bicubic", "slow_crop2") == [0.0, 1.0, 2.0]
    assert seen == ["a", "b", "gray"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_faulty_metric_ends_the_evaluation(pictures, jobs):
    def faulty(hr, sr, crop, scale):
        raise ArithmeticError("no figure")

    metric = Metric(faulty, "Faulty", "lower", 2, "never")
    with pytest.raises(ArithmeticError, match="no figure"):
        evaluate([Method("bicubic", functools.partial(imresize, scale=2))], [find_set(f"set={pictures}", 2)], 2,
                 {"faulty": metric}, jobs=jobs)  # fmt: skip


def test_progress_without_a_terminal(pictures, capsys, monkeypatch):
    now = itertools.count(0, 6)
    monkeypatch.setattr("sr_gan_tf.pictures.progress.time.monotonic", lambda: next(now))
    assert main(["--scale", "2", "--data", f"mine={pictures}", "--metrics", "psnr_y"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(re.fullmatch(r" *\d+%, \d+:\d\d left: mine (a|b)", line) for line in lines)
