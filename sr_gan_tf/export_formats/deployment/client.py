"""Enlarges a picture with a model server: `python client.py photo.jpg enlarged.png [--rest] [--server HOST]`.

Needs only Python with `--rest`, and tensorflow-serving-api for gRPC. The time-out depends on the picture's size;
requests that a starting or busy server refuses are retried.
"""

import argparse
import base64
import http.client
import json
import struct
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

MODEL = "@NAME@"
# Measured at export, times three: for slower machines and requests in the queue.
SECONDS_PER_MEGAPIXEL = float("@CLIENT_SECONDS@")
SHORTEST_SECONDS = 30.0
# If the size can't be read from the header: the largest picture that the model accepts.
LARGEST_MEGAPIXELS = float("@MEGAPIXELS@")
ATTEMPTS = 5


class ServerError(Exception):
    """The server returned an error, or nothing."""


def megapixels(content: bytes) -> float:
    """Returns the megapixels according to the header of a PNG or JPEG file."""
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width * height / 1e6
    if content.startswith(b"\xff\xd8"):
        place = 2
        while place + 9 < len(content):
            marker, length = content[place + 1], struct.unpack(">H", content[place + 2 : place + 4])[0]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack(">HH", content[place + 5 : place + 9])
                return width * height / 1e6
            place += 2 + length
    return LARGEST_MEGAPIXELS


def timeout_of(content: bytes, per_megapixel: float = SECONDS_PER_MEGAPIXEL) -> float:
    """Returns the seconds to wait for an answer."""
    return SHORTEST_SECONDS + per_megapixel * megapixels(content)


def by_rest(content: bytes, server: str, model: str, timeout: float) -> tuple[bytes, str]:
    """Enlarges over HTTP with JSON; returns the PNG and the status."""
    picture = {"b64": base64.b64encode(content).decode()}
    body = json.dumps({"signature_name": "encoded", "instances": [{"image_bytes": picture}]}).encode()
    request = urllib.request.Request(f"http://{server}/v1/models/{model}:predict", body)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            prediction = json.load(answer)["predictions"][0]
            return base64.b64decode(prediction["output_bytes"]["b64"]), prediction["status"]
    except urllib.error.HTTPError as error:
        if error.code in (429, 502, 503, 504):
            raise ConnectionError(f"HTTP {error.code}") from error
        raise ServerError(f"HTTP {error.code}: {error.read(500).decode(errors='replace')}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise ServerError(f"no answer within {timeout:.0f} s") from error
        raise ConnectionError(str(error.reason)) from error
    except TimeoutError as error:
        raise ServerError(f"no answer within {timeout:.0f} s") from error
    except http.client.HTTPException as error:
        raise ConnectionError(f"the answer was cut off: {error!r}") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ServerError(f"the answer is none of TensorFlow Serving's: {error!r}") from error


def by_grpc(content: bytes, server: str, model: str, timeout: float) -> tuple[bytes, str]:
    """Does the same over gRPC, without the overhead of a third that base64 adds."""
    import grpc
    from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, "encoded"
    shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape=shape, string_val=[content])
    request.inputs["image_bytes"].CopyFrom(tensor)
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server, options=unlimited) as channel:
        try:
            answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=timeout)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
                raise ConnectionError(error.details()) from error
            raise ServerError(f"{error.code().name}: {error.details()}") from error
    return answer.outputs["output_bytes"].string_val[0], answer.outputs["status"].string_val[0].decode()


def enlarge(content: bytes, send, attempts: int = ATTEMPTS, pause: float = 1.0) -> bytes:
    """Returns the enlarged PNG; if the server can't be reached, retries after 1, 2, 4 ... seconds.

    Raises:
        ServerError: the server refused the picture, or could not be reached.
    """
    for attempt in range(attempts):
        try:
            output, status = send(content)
        except ConnectionError as error:
            if attempt + 1 == attempts:
                raise ServerError(f"no answer after {attempts} attempts: {error}") from error
            time.sleep(pause * 2**attempt)
            continue
        if status:
            raise ServerError(status)
        return output
    raise ServerError("no attempt was made")


def main() -> int:
    """Runs the command line; returns 0, 1 for an error of the server, or 2 for a user's mistake."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--server", help="default: localhost:8500 for gRPC, localhost:8501 for REST")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--rest", action="store_true")
    parser.add_argument("--timeout", type=float, help="seconds; default: depends on the picture's size")
    parser.add_argument("--overwrite", action="store_true")
    options = parser.parse_args()
    if options.output.exists() and not options.overwrite:
        print(f"error: {options.output} already exists; pass --overwrite", file=sys.stderr)
        return 2
    if not options.output.parent.is_dir():
        print(f"error: {options.output.parent} is not a folder", file=sys.stderr)
        return 2
    if options.timeout is not None and not options.timeout > 0:
        print(f"error: --timeout {options.timeout:g}: expected more than 0 seconds", file=sys.stderr)
        return 2
    server = options.server or f"localhost:{8501 if options.rest else 8500}"
    try:
        content = options.picture.read_bytes()
        timeout = options.timeout or timeout_of(content)
        function = by_rest if options.rest else by_grpc
        output = enlarge(content, lambda picture: function(picture, server, options.model, timeout))
        options.output.write_bytes(output)
    except ImportError as error:
        print(f"error: {error}; pip install tensorflow-serving-api, or pass --rest", file=sys.stderr)
        return 2
    except (OSError, ServerError, TimeoutError) as error:
        print(f"error: {options.picture}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
