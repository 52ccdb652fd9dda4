"""What the tests of exported models share: calm tiny networks, noise, and a model server's work done in Python."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tiny import tiny_generator

from sr_gan_tf.export import main


def calm(generator):
    """Values as a trained network's: rounding errors grow with them, and with those the changed gray levels."""
    picture = noise(1, 40, 40, 3)
    last = [layer for layer in generator.layers if layer.get_weights()][-1]
    spread = float(np.std(generator(picture)))
    last.set_weights([weight * min(1.0, 0.3 / spread) for weight in last.get_weights()])
    return generator


def noise(*shape, dtype=np.float32, seed=0):
    values = np.random.default_rng(seed).random(shape, np.float32)
    return values if dtype == np.float32 else (values * np.iinfo(dtype).max).astype(dtype)


def refused_in_one_line(arguments: list[str], message: str, capsys) -> None:
    """Exports a network in the working folder, which is empty, with wrong arguments: one line, and nothing written."""
    tiny_generator("Compact").save("model.keras")
    assert main(["model.keras", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["model.keras"]


def tfjs_python() -> str:
    """The Python that has the TF.js converter; skips the test where it, Node or Node's TF.js are missing."""
    python, modules = os.environ.get("SR_GAN_TF_TFJS_PYTHON"), os.environ.get("SR_GAN_TF_TFJS_MODULES")
    if not python or not modules or not shutil.which("node"):
        pytest.skip("set SR_GAN_TF_TFJS_PYTHON (with tensorflowjs) and SR_GAN_TF_TFJS_MODULES (node_modules); see docs")
    return python


def run_tfjs(model: Path, pictures: np.ndarray, scratch: Path) -> np.ndarray:
    """A TF.js model's output under Node."""
    (scratch / "input.json").write_text(json.dumps(pictures.tolist()))
    script = Path(__file__).with_name("run_tfjs.js")
    environment = {**os.environ, "NODE_PATH": os.environ["SR_GAN_TF_TFJS_MODULES"]}
    command = ["node", script, model, scratch / "input.json", scratch / "output.json"]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return np.array(json.loads((scratch / "output.json").read_text()), np.float32)


class Server:
    """Answers PredictRequests and REST bodies as `tensorflow_model_server` does, from a session over the SavedModel.

    The tensors go to the runtime unchecked by Python, as they do in the server.
    """

    def __init__(self, version: Path):
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            graph = tf.compat.v1.saved_model.load(self.session, ["serve"], str(version))
        self.signatures = {key: value for key, value in graph.signature_def.items() if not key.startswith("__")}
        self._functions = {}

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        definition = self.signatures[signature or "serving_default"]
        assert set(inputs) == set(definition.inputs)
        if signature not in self._functions:
            options = config_pb2.CallableOptions(
                feed=[info.name for info in definition.inputs.values()],
                fetch=[info.name for info in definition.outputs.values()],
            )
            # Its public sisters compare shapes with the signature's first, which the server does not.
            self._functions[signature] = self.session._make_callable_from_options(options)
        values = self._functions[signature](*[inputs[name] for name in definition.inputs])
        return dict(zip(definition.outputs, values, strict=True))

    def predict(self, request: bytes) -> bytes:
        """Serialized PredictRequest to serialized PredictResponse."""
        from tensorflow_serving.apis import predict_pb2

        asked = predict_pb2.PredictRequest.FromString(request)
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in asked.inputs.items()}
        response = predict_pb2.PredictResponse(model_spec=asked.model_spec)
        for name, value in self.run(asked.model_spec.signature_name, inputs).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response.SerializeToString()

    def rest(self, body: str) -> str:
        """Body of POST /v1/models/NAME:predict to the answer's, in rows (`instances`) or columns (`inputs`)."""
        asked = json.loads(body)
        definition = self.signatures[asked.get("signature_name", "serving_default")]
        if "instances" in asked:
            rows = asked["instances"]
            named = isinstance(rows[0], dict) and set(rows[0]) == set(definition.inputs)
            columns = {name: [row[name] if named else row for row in rows] for name in definition.inputs}
        else:
            given = asked["inputs"]
            named = isinstance(given, dict) and set(given) == set(definition.inputs)
            columns = given if named else {next(iter(definition.inputs)): given}
        inputs = {}
        for name, info in definition.inputs.items():
            values = _bytes_of(columns[name])
            inputs[name] = np.array(values, tf.as_dtype(info.dtype).as_numpy_dtype)
        outputs = self.run(asked.get("signature_name", "serving_default"), inputs)
        plain = {name: _json(name, value) for name, value in outputs.items()}
        if "instances" not in asked:
            return json.dumps({"outputs": plain if len(plain) > 1 else next(iter(plain.values()))})
        rows = [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
        return json.dumps({"predictions": rows if len(plain) > 1 else [next(iter(row.values())) for row in rows]})


def _bytes_of(value):
    if isinstance(value, dict):
        return base64.b64decode(value["b64"], validate=True)
    return [_bytes_of(item) for item in value] if isinstance(value, list) else value


def _json(name: str, value: np.ndarray):
    """A name that ends in `_bytes` says that a string is to be base64."""
    if value.dtype != object:
        return value.tolist()
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(item).decode()} for item in value]
    return [item.decode() for item in value]
