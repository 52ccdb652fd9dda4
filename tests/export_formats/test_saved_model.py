"""The SavedModel through what TensorFlow ships as clients, and through requests and answers as a server's."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from exporting import calm, noise
from files import COLOR, damaged, encoded, files
from tiny import tiny_generator, whole

import sr_gan_tf
from sr_gan_tf.export import export
from sr_gan_tf.export_formats import serving_folder
from sr_gan_tf.export_formats.decoding import UNKNOWN
from sr_gan_tf.export_formats.saved_model import Serving
from sr_gan_tf.files import sha256
from sr_gan_tf.inference.enlarger import as_samples
from sr_gan_tf.inference.keras_enlarger import enlarger_of
from sr_gan_tf.inference.passes import Settings
from sr_gan_tf.pictures.reading import read_image
from sr_gan_tf.upscale import upscale

# Three sizes, one and four pictures; the last one is cut into tiles.
SIZES = [(count, *size) for count in (1, 4) for size in ((8, 8), (30, 21), (61, 50))]


def _wanted(generator, content: bytes) -> np.ndarray:
    picture = read_image(content)
    samples = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    return upscale(samples, model=generator)


def _predict(generator, pictures):
    """What the model predicts for pictures that are continued beyond their edges, as an exported model does."""
    network = generator.for_inference() if hasattr(generator, "for_inference") else generator
    border = enlarger_of(network).border
    return whole(lambda wide: network.predict(wide, verbose=0), pictures, border, generator.scale)


def _levels(found, wanted) -> int:
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    return int(np.abs(found.astype(int) - wanted).max())


def test_tensors_of_three_sizes_and_batches_of_one_and_four(server, merged):
    for count, height, width in SIZES:
        pictures = noise(count, height, width, 3, dtype=np.uint8, seed=height)
        wanted = _predict(merged, pictures / np.float32(255))
        assert np.abs(server.run("float", {"images": pictures / np.float32(255)})["outputs"] - wanted).max() < 1e-5
        outputs = server.run("serving_default", {"images": pictures})["outputs"]
        assert _levels(outputs, as_samples(wanted, np.uint8)) <= 1


def test_files_of_every_kind_in_one_request(server, merged):
    kinds = files()
    answer = server.run("encoded", {"image_bytes": np.array(list(kinds.values()), object)})
    assert list(answer["status"]) == [b""] * len(kinds)
    for (kind, content), output in zip(kinds.items(), answer["output_bytes"], strict=True):
        picture = read_image(output)
        found = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
        assert _levels(found, _wanted(merged, content)) <= 1, kind


def test_damaged_files_do_not_fail_their_neighbors(server, merged):
    whole = files()["PNG"]
    wanted = _wanted(merged, whole)
    contents = damaged(200, seed=7)
    for first in range(0, len(contents), 40):
        batch = [whole, *contents[first : first + 40], whole]
        answer = server.run("encoded", {"image_bytes": np.array(batch, object)})
        for content, output, status in zip(batch, answer["output_bytes"], answer["status"], strict=True):
            assert bool(output) != bool(status)
            if content is whole:
                assert _levels(read_image(output).pixels, wanted) <= 1
            elif output:
                read_image(output)
            else:
                assert status.startswith((b"not a decodable image: ", b"image of "))


def test_readable_errors(server):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected shape \(N, H, W, 3\), found \[1 4 5 4\]"):
        server.run("serving_default", {"images": np.zeros((1, 4, 5, 4), np.uint8)})
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected shape \(N, H, W, 3\), found \[4 5 3\]"):
        server.run("float", {"images": np.zeros((4, 5, 3), np.float32)})
    assert server.run("encoded", {"image_bytes": np.array([], object)})["status"].shape == (0,)


def test_predict_requests_and_rest_bodies_give_the_same(server, merged):
    predict_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.predict_pb2", reason="pip install tensorflow-serving-api"
    )
    contents = [files()["PNG, alpha"], b"no picture", files()["JPEG, gray"]]
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "tiny_span", "encoded"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(contents, tf.string))
    response = predict_pb2.PredictResponse.FromString(server.predict(request.SerializeToString()))
    by_proto = tf.make_ndarray(response.outputs["output_bytes"])
    assert [item.decode() for item in tf.make_ndarray(response.outputs["status"])] == ["", UNKNOWN, ""]

    instances = [{"b64": base64.b64encode(content).decode()} for content in contents]
    rows = json.loads(server.rest(json.dumps({"signature_name": "encoded", "instances": instances})))["predictions"]
    assert [base64.b64decode(row["output_bytes"]["b64"]) for row in rows] == list(by_proto)
    assert [row["status"] for row in rows] == ["", UNKNOWN, ""]

    picture = COLOR[:5, :4]
    rows = json.loads(server.rest(json.dumps({"instances": [picture.tolist()]})))["predictions"]
    columns = json.loads(server.rest(json.dumps({"inputs": {"images": [picture.tolist()]}})))["outputs"]
    assert rows == columns
    assert _levels(np.array(rows[0], np.uint8), upscale(picture, model=merged)) <= 1


def test_as_a_keras_layer(served, merged):
    picture = COLOR[None, :20, :20]
    wanted = _predict(merged, picture / np.float32(255))
    layer = keras.layers.TFSMLayer(served / "1", call_endpoint="serving_default")
    assert _levels(layer(picture)["outputs"].numpy(), as_samples(wanted, np.uint8)) <= 1


@pytest.mark.long
def test_the_saved_model_cli(served, merged, tmp_path):
    program = Path(sys.executable).with_name("saved_model_cli")

    def run(*arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout

    shown = run("show", "--dir", served / "1", "--all")
    for line in ("signature_def['encoded']", "inputs['image_bytes']", "outputs['status']", "shape: (-1, -1, -1, 3)"):
        assert line in shown
    picture = COLOR[None, :20, :20]
    np.save(tmp_path / "images.npy", picture)
    common = ("run", "--dir", served / "1", "--tag_set", "serve", "--outdir", tmp_path, "--overwrite")
    run(*common, "--signature_def", "serving_default", "--inputs", f"images={tmp_path / 'images.npy'}")
    wanted = _predict(merged, picture / np.float32(255))
    assert _levels(np.load(tmp_path / "outputs.npy"), as_samples(wanted, np.uint8)) <= 1
    run(*common, "--signature_def", "float", "--input_exprs", "images=[[[[0.5,0.5,0.5]]]]")
    assert np.load(tmp_path / "outputs.npy").shape == (1, 3, 3, 3)
    np.save(tmp_path / "files.npy", [files()["PNG"]])
    run(*common, "--signature_def", "encoded", "--inputs", f"image_bytes={tmp_path / 'files.npy'}")
    output = np.load(tmp_path / "output_bytes.npy", allow_pickle=True)[0]
    assert _levels(read_image(bytes(output)).pixels, _wanted(merged, files()["PNG"])) <= 1


def test_load_takes_the_folder_of_versions(served, merged):
    picture = noise(1, 30, 41, 3)
    wanted = _predict(merged, picture)
    model = sr_gan_tf.load(served)
    assert model.scale == 3
    assert model.name == "span"
    assert np.abs(model.predict(picture, verbose=0) - wanted).max() < 1e-5
    # The halo stands in its card: the upscale command cuts it into exact tiles too.
    eight = noise(70, 50, 3, dtype=np.uint8)
    assert _levels(upscale(eight, model=model, settings=Settings(tile=16)), upscale(eight, model=merged)) <= 1


@pytest.mark.long
def test_load_takes_a_version(served):
    assert sr_gan_tf.load(served / "1").scale == 3


@pytest.mark.parametrize("kind", ["keras", pytest.param("SavedModel", marks=pytest.mark.long)])
def test_predict_on_differing_sizes_is_traced_a_few_times(kind, served, generator, monkeypatch):
    model = generator.for_inference() if kind == "keras" else sr_gan_tf.load(served)
    traces = []
    call = type(model).call
    monkeypatch.setattr(
        type(model), "call", lambda self, *given, **named: traces.append(1) or call(self, *given, **named)
    )
    random = np.random.default_rng(2)
    for _ in range(12):
        count, height, width = (int(number) for number in random.integers(1, 40, 3))
        assert model.predict(noise(count, height, width, 3), verbose=0).shape == (count, 3 * height, 3 * width, 3)
    assert 1 <= len(traces) <= 4  # one, and one for each axis that turned out to vary


@pytest.mark.long
@pytest.mark.parametrize("name", ["SPAN", "SRResNet", "RRDBNet", "Compact", "UNet", "instance"])
@pytest.mark.parametrize("is_calm", [True, False], ids=["calm", "untrained"])
def test_every_family_is_exported(name, is_calm, tmp_path):
    config = {"normalization": "instance"} if name == "instance" else {}
    generator = tiny_generator("UNet" if name == "instance" else name, **config)
    generator = calm(generator) if is_calm else generator
    export(generator, tmp_path / "model", serving=Serving(tile=64))
    loaded = tf.saved_model.load(str(tmp_path / "model" / "1"))
    scale = generator.scale
    for count, height, width in SIZES:
        pictures = noise(count, height, width, 3, seed=height)
        wanted = _predict(generator, pictures)
        found = loaded.signatures["float"](images=pictures)["outputs"].numpy()
        assert np.abs(found - wanted).max() < 1e-5 * max(1, np.abs(wanted).max())
        eight = as_samples(pictures, np.uint8)
        found = loaded.signatures["serving_default"](images=eight)["outputs"].numpy()
        wanted = as_samples(_predict(generator, eight / np.float32(255)), np.uint8)
        assert _levels(found, wanted) <= 1
    answer = loaded.signatures["encoded"](image_bytes=[encoded("PNG"), encoded("WEBP", mode="RGBA"), b"no picture"])
    assert [item.decode() for item in answer["status"].numpy()] == ["", "", UNKNOWN]
    with io.BytesIO(answer["output_bytes"][0].numpy()) as file:
        assert read_image(file.read()).pixels.shape == (COLOR.shape[0] * scale, COLOR.shape[1] * scale, 3)


def test_the_warm_up_file_by_its_real_definition(served, server):
    prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2", reason="no protos")
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    records = list(tf.data.TFRecordDataset(str(served / "1" / serving_folder.WARMUP)))
    asked = set()
    for record in records:
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.name == "tiny_span"
        asked.add(request.model_spec.signature_name)
        response = predict_pb2.PredictResponse.FromString(server.predict(request.SerializeToString()))
        output = tf.make_ndarray(next(iter(response.outputs.values())))
        assert output.size
    assert asked == set(server.signatures)


def test_the_card(served):
    card = json.loads((served / "1" / "model_card.json").read_text())
    assert card["scale"] == 3
    assert card["class_name"] == "SPAN"
    assert card["config"]["merged"] is True
    assert card["license"] == "CC0-1.0"
    assert card["verified"]["largest_difference"] < 1e-5
    written = {path for path in (served / "1").rglob("*") if path.is_file() and path.name != "model_card.json"}
    assert {served / "1" / name for name in card["files"]} == written
    assert all(sha256(path) == card["files"][str(path.relative_to(served / "1"))] for path in written)
