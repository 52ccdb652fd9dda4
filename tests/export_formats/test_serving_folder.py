"""Versions, warm-up requests, settings and cards in the folder that a model server watches."""

import json

import numpy as np
import pytest
import tensorflow as tf
from exporting import noise

import sr_gan_tf.export_formats.saved_model as saved_model
from sr_gan_tf.errors import InputError
from sr_gan_tf.export import export, main
from sr_gan_tf.export_formats import serving_folder
from sr_gan_tf.export_formats.model_card import exportable, model_card
from sr_gan_tf.export_formats.serving_folder import new_version, versions, write_settings
from sr_gan_tf.files import sha256


def _version(folder, content="x", number=None):
    with new_version(folder, number) as (temporary, final):
        (temporary / "saved_model.pb").write_text(content)
    return final


def test_versions_are_added_and_never_overwritten(tmp_path):
    folder = tmp_path / "serving" / "model"
    assert _version(folder).name == "1"
    assert _version(folder).name == "2"
    assert _version(folder, number=20261122).name == "20261122"
    assert _version(folder).name == "20261123"
    with pytest.raises(InputError, match="never overwritten"):
        _version(folder, "y", number=2)
    assert (folder / "2" / "saved_model.pb").read_text() == "x"
    (folder / "notes.txt").write_text("")
    assert versions(folder) == [1, 2, 20261122, 20261123]


def test_a_failure_leaves_nothing(tmp_path):
    folder = tmp_path / "serving" / "model"
    with pytest.raises(KeyboardInterrupt), new_version(folder) as (temporary, final):  # noqa: PT012 - what fails is the block
        (temporary / "saved_model.pb").write_text("half")
        assert not final.exists()
        raise KeyboardInterrupt
    assert not folder.exists()
    _version(folder)
    with pytest.raises(InputError, match="meanwhile"), new_version(folder) as (_, final):  # noqa: PT012
        final.mkdir()
        (final / "saved_model.pb").write_text("another's")
    assert sorted(item.name for item in folder.iterdir()) == ["1", "2"]
    assert (folder / "2" / "saved_model.pb").read_text() == "another's"


def test_settings_of_the_user_stay(tmp_path):
    (tmp_path / "batching.config").write_text("mine")
    assert [path.name for path in write_settings(tmp_path)] == ["models.config"]
    assert (tmp_path / "batching.config").read_text() == "mine"
    assert f'base_path: "/models/{tmp_path.name}"' in (tmp_path / "models.config").read_text()


def test_settings_are_what_the_server_parses(tmp_path):
    configuration = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2", reason="no protos")
    from google.protobuf import text_format

    write_settings(tmp_path)
    parsed = text_format.Parse((tmp_path / "models.config").read_text(), configuration.ModelServerConfig())
    assert parsed.model_config_list.config[0].name == tmp_path.name


def test_a_request_is_the_same_as_by_the_real_definition():
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2", reason="no protos")
    pictures = noise(2, 30, 40, 3)  # long enough for lengths of several bytes
    request = predict_pb2.PredictRequest.FromString(serving_folder.predict_request("a", "float", {"images": pictures}))
    assert (request.model_spec.name, request.model_spec.signature_name) == ("a", "float")
    np.testing.assert_array_equal(tf.make_ndarray(request.inputs["images"]), pictures)


def test_the_card_of_a_run_says_experiment_data_and_figures(tmp_path, generator):
    run = tmp_path / "run"
    run.mkdir()
    generator.save(run / "best.keras")
    (run / "experiment.json").write_text(json.dumps({"name": "mine", "data": {"train": ["pictures"]}}))
    (run / "history.csv").write_text(
        "step,stage,validation/psnr_y,validation/bicubic_psnr_y\n0,a,,20\n5,a,31.5,\n9,a,30.5,\n"
    )
    card = model_card(run, generator.for_inference())
    assert card["experiment"]["name"] == "mine"
    assert card["data"] == {"train": ["pictures"]}
    assert card["figures"] == {"validation/psnr_y": 31.5, "step": 5, "steps_of_the_run": 9}
    assert card["sha256"] == sha256(run / "best.keras")
    assert card["license"] == "not stated"


def test_the_card_of_a_run_has_the_figures_of_its_best_generator(tmp_path, generator):
    run = tmp_path / "run"
    run.mkdir()
    generator.save(run / "best.keras")
    (run / "experiment.json").write_text(json.dumps({"name": "mine", "best_metric": "detail_ratio"}))
    rows = ["5,first,33,1.0", "9,second,32,0.4", "12,second,30,0.9", "15,second,31,1.3"]
    (run / "history.csv").write_text("\n".join(["step,stage,validation/psnr_y,validation/detail_ratio", *rows]) + "\n")
    figures = model_card(run, generator.for_inference())["figures"]
    assert figures == {
        "validation/psnr_y": 30, "validation/detail_ratio": 0.9, "step": 12, "steps_of_the_run": 15,
    }  # fmt: skip


def test_the_card_of_a_shipped_model_carries_its_own(tmp_path, generator, monkeypatch):
    own = {"name": "mine", "experiments": ["a.json"], "data": "photographs", "figures": {"Set5": 1}, "license": "MIT"}
    generator.save(tmp_path / "mine.keras")
    (tmp_path / "mine.json").write_text(json.dumps(own))
    monkeypatch.setattr("sr_gan_tf.export_formats.model_card.WEIGHTS", tmp_path)
    monkeypatch.setattr("sr_gan_tf.shipped.WEIGHTS", tmp_path)
    card = model_card("mine", generator.for_inference())
    assert card["experiment"] == ["a.json"]
    assert card["sha256"] == sha256(tmp_path / "mine.keras")
    assert {key: card[key] for key in ("data", "figures", "license")} == {
        key: own[key] for key in ("data", "figures", "license")
    }


def test_a_mismatch_stops_the_export(generator, tmp_path, monkeypatch):
    merged = generator.for_inference()
    monkeypatch.setattr(
        saved_model.verification, "reference", lambda model, pictures, border=0: model(pictures).numpy() + 1e-4
    )
    monkeypatch.setattr(saved_model.Served, "write", lambda self, folder: merged)
    monkeypatch.setattr(saved_model.tf.saved_model, "load", lambda folder: _Loaded(merged))
    with pytest.raises(InputError, match=r"differ from the model's by 0.0001"):
        export(generator, tmp_path / "model")
    monkeypatch.setattr(
        saved_model.verification, "reference", lambda model, pictures, border=0: model(pictures).numpy()
    )
    monkeypatch.setattr(saved_model.tf.saved_model, "load", lambda folder: _Loaded(merged, wrong_levels=2))
    with pytest.raises(InputError, match="by 2 gray levels"):
        export(generator, tmp_path / "model")
    assert not (tmp_path / "model").exists()


class _Loaded:
    def __init__(self, generator, wrong_levels=0):
        def eight(images):
            values = np.rint(np.clip(generator(images / np.float32(255)).numpy() * 255, 0, 255))
            return {"outputs": tf.constant(np.clip(values + wrong_levels, 0, 255).astype(np.uint8))}

        self.signatures = {"float": lambda images: {"outputs": generator(images)}, "serving_default": eight}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.keras", "--to", "{to}"], "no model 'nothing.keras'"),
        (["{model}", "--to", "{file}"], "is a file; give a folder"),
        (["{model}", "--to", "{to}", "--tile", "3"], "--tile 3: expected 16 to 4096"),
        (["{model}", "--to", "{to}", "--tile", "5000"], "--tile 5000: expected 16 to 4096"),
        (["{model}", "--to", "{to}", "--version", "-1"], "--version -1: expected a number"),
        (["{model}", "--to", "{to}", "--version", str(2**63)], f"to {2**63 - 1}"),
        (["{model}", "--to", "{file}/x"], "cannot write"),
        (["{model}", "--to", "{to}", "--max-megapixels", "0"], "--max-megapixels 0: expected more than 0"),
        (["{served}", "--to", "{to}"], "was exported already"),
    ],
)
def test_mistakes_end_in_one_line(arguments, message, generator, served, tmp_path, capsys):
    generator.save(tmp_path / "model.keras")
    (tmp_path / "notes").write_text("")
    names = {
        "model": tmp_path / "model.keras",
        "file": tmp_path / "notes",
        "served": served,
        "to": tmp_path / "x",
    }
    assert main([item.format(**names) for item in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_only_generators_are_exported(generator):
    assert exportable(generator, "x").merged
