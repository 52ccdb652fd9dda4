"""The real server, where there is one: started on loopback, asked through gRPC and REST."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from files import COLOR, files

from sr_gan_tf.pictures.reading import read_image
from sr_gan_tf.upscale import upscale

pytestmark = pytest.mark.skipif(
    shutil.which("tensorflow_model_server") is None, reason="no tensorflow_model_server on the PATH"
)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def ports(served):
    grpc_port, rest_port = _free_port(), _free_port()
    arguments = (f"--port={grpc_port}", f"--rest_api_port={rest_port}", "--model_name=tiny_span")
    command = ["tensorflow_model_server", *arguments, f"--model_base_path={served}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                state = urllib.request.urlopen(f"http://127.0.0.1:{rest_port}/v1/models/tiny_span").read()
                if json.loads(state)["model_version_status"][0]["state"] == "AVAILABLE":
                    break
            except urllib.error.URLError:
                pass
            time.sleep(0.2)
        yield grpc_port, rest_port
    finally:
        process.terminate()
        process.wait()


def test_rest(ports, generator):
    instances = [{"b64": base64.b64encode(content).decode()} for content in (files()["PNG"], b"no picture")]
    body = json.dumps({"signature_name": "encoded", "instances": instances}).encode()
    answer = urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/v1/models/tiny_span:predict", body)
    good, bad = json.load(answer)["predictions"]
    assert bad["status"].startswith("not a decodable image")
    assert not good["status"]
    found = read_image(base64.b64decode(good["output_bytes"]["b64"])).pixels
    assert np.abs(found.astype(int) - upscale(COLOR, model=generator)).max() <= 1


def test_grpc(ports, generator):
    grpc = pytest.importorskip("grpc")
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    service_module = pytest.importorskip("tensorflow_serving.apis.prediction_service_pb2_grpc")
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "tiny_span"
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(COLOR[None]))
    with grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
        answer = service_module.PredictionServiceStub(channel).Predict(request, timeout=60)
    found = tf.make_ndarray(answer.outputs["outputs"])[0]
    assert np.abs(found.astype(int) - upscale(COLOR, model=generator)).max() <= 1
