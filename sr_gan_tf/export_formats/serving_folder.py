"""The folder that a model server watches: numbered versions, warm-up requests, and the server's settings.

The messages of the warm-up file (PredictionLog of `tensorflow-serving-api`) are few and simple, and are encoded here by
hand, so that exporting requires only TensorFlow. A test parses them with the real definitions.
"""

import contextlib
import io
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import write_text, writing

WARMUP = "assets.extra/tf_serving_warmup_requests"

_MODELS = """# tensorflow_model_server --model_config_file=/models/{name}/models.config
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
  }}
}}
"""
_BATCHING = """# tensorflow_model_server --enable_batching --batching_parameters_file=/models/{name}/batching.config
# The server merges tensor requests only if their pictures have the same size, and rejects requests that it cannot
# merge. Requests to the signature `encoded` can be merged whatever the sizes.
max_batch_size {{ value: 8 }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 64 }}
num_batch_threads {{ value: 2 }}
"""


def versions(folder: Path) -> list[int]:
    """Lists the version numbers in a model's folder."""
    if not folder.is_dir():
        return []
    return sorted(int(item.name) for item in folder.iterdir() if item.name.isdigit())


@contextlib.contextmanager
def new_version(folder: Path, version: int | None = None) -> Iterator[tuple[Path, Path]]:
    """Yields (temporary folder, final folder); the first is renamed to the second when the block succeeds.

    A server that watches the folder never sees a half-written version, because it ignores names that are not numbers.

    Raises:
        InputError: the version exists already, or `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder for the model's versions with --to")
    known = versions(folder)
    number = version if version is not None else max(known, default=0) + 1
    final = folder / str(number)
    if number in known or final.exists():
        raise InputError(f"{final} already exists and is never overwritten; remove --version to write the next one")
    temporary = folder / f".{number}.{os.getpid()}.tmp"
    is_new = not folder.exists()
    try:
        with writing(final):
            temporary.mkdir(parents=True)
            yield temporary, final
            try:
                os.rename(temporary, final)
            except OSError as error:
                if not final.exists():
                    raise
                raise InputError(f"{final} was written by another process meanwhile; run the command again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only if nothing was written


def write_settings(folder: Path) -> list[Path]:
    """Writes `models.config` and `batching.config` for a model server; existing files stay unchanged."""
    written = []
    for name, text in (("models.config", _MODELS), ("batching.config", _BATCHING)):
        if not (folder / name).exists():
            write_text(folder / name, text.format(name=folder.resolve().name))
            written.append(folder / name)
    return written


def write_warmup(version: Path, name: str) -> None:
    """Writes requests that the server runs when it loads a version, so that users don't wait for the optimizer."""
    picture = np.full((1, 32, 32, 3), 128, np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture[0]).save(file, "PNG")
    requests: list[tuple[str, dict[str, np.ndarray]]] = [
        ("serving_default", {"images": picture}),
        ("float", {"images": picture.astype(np.float32) / 255}),
        ("encoded", {"image_bytes": np.array([file.getvalue()])}),
    ]
    path = version / WARMUP
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(_field(6, _field(1, predict_request(name, signature, inputs))))  # PredictionLog.predict_log


def predict_request(name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Serializes a tensorflow.serving.PredictRequest."""
    specification = _field(1, name.encode()) + _field(3, signature.encode())
    request = _field(1, specification)
    for key, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, key.encode()) + _field(2, tensor))
    return request


def _field(number: int, content: bytes) -> bytes:
    """Encodes one length-delimited field of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return bytes(result)
