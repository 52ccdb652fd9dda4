"""The commands and clients of docs/serving.md, run as they are written; the server's part is played by a stand-in."""

import concurrent.futures
import http.server
import os
import re
import subprocess
import sys
import threading

import pytest
from exporting import Server
from files import encoded
from skimage import data
from tiny import faithful_generator

from sr_gan_tf.pictures.reading import read_image

_PORTS = {"rest": 8501, "grpc": 8500}


def _blocks(repository, language):
    text = (repository / "docs" / "serving.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder and a photograph under the document's names."""
    folder = tmp_path_factory.mktemp("document")
    (folder / "runs" / "quickstart").mkdir(parents=True)
    faithful_generator(1, scale=2).save(folder / "runs" / "quickstart" / "best.keras")
    (folder / "photo.jpg").write_bytes(encoded("JPEG", data.chelsea()[:60, :80]))
    return folder


@pytest.mark.long
def test_the_document_as_written(repository, folder):
    environment = {**os.environ, "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}

    def run(command):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    commands = [block for block in _blocks(repository, "sh") if "docker" not in block and "pytest" not in block]
    local = [block for block in commands if "curl" not in block]
    assert len(local) == 2
    assert len(commands) == 3
    for block in local:
        run(["bash", "-ec", block])
    programs = _blocks(repository, "python")
    assert len(programs) == 3
    with _serving(Server(folder / "serving" / "srgan_x2" / "1")):
        run(["bash", "-ec", next(block for block in commands if "curl" in block)])
        assert (folder / "answer.json").stat().st_size > 1000
        for program in programs:
            (folder / "photo_x2.png").unlink(missing_ok=True)
            run([sys.executable, "-c", program])
            assert read_image((folder / "photo_x2.png").read_bytes()).pixels.shape == (120, 160, 3)


class _serving:
    """gRPC and REST on the ports of the document, answered by `exporting.Server`."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        server = self.server

        class Rest(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                answer = server.rest(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
            def Predict(self, request, context):
                return type(self).response.FromString(server.predict(request.SerializeToString()))

        from tensorflow_serving.apis import predict_pb2

        Predictions.response = predict_pb2.PredictResponse
        try:
            self.rest = http.server.HTTPServer(("127.0.0.1", _PORTS["rest"]), Rest)
        except OSError:
            pytest.skip(f"port {_PORTS['rest']} is taken")
        threading.Thread(target=self.rest.serve_forever, daemon=True).start()
        self.grpc = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(), self.grpc)
        self.grpc.add_insecure_port(f"127.0.0.1:{_PORTS['grpc']}")
        self.grpc.start()

    def __exit__(self, *_):
        self.rest.shutdown()
        self.rest.server_close()
        self.grpc.stop(None).wait()
