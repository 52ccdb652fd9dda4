"""The folder `deploy/` beside a SavedModel's versions: container, manifests, monitoring and a client.

Memory limits and time-outs follow from a measurement of the SavedModel in a process of its own.
"""

import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import write_text

FOLDER = "deploy"
SERVING = "2.21.0"
FILES = (
    "Dockerfile",
    "compose.yaml",
    "kubernetes.yaml",
    "monitoring.config",
    "prometheus.yaml",
    "config.pbtxt",
    "client.py",
    "README.md",
)
_MIB = 2**20
# A picture of one megapixel is larger than a tile, so that the tile's feature maps are in the measurement.
_MEASURED = (1000, 1000)
# Over what was measured, for requests that overlap a little and allocators that keep memory.
_MARGIN = 1.25
_MEASURE = """
import json, resource, sys, time
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
height, width = map(int, sys.argv[2:4])
picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
content = tf.io.encode_png(picture)[None]
serve = loaded.signatures["encoded"]
serve(image_bytes=tf.io.encode_png(picture[:32, :32])[None])
start = time.perf_counter()
answer = serve(image_bytes=content)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "peak": peak * (1 if sys.platform == "darwin" else 1024)}))
"""


def check_free(folder: Path) -> None:
    """Raises InputError if files of an earlier deployment are there: they may have been edited."""
    if (folder / FOLDER).exists():
        raise InputError(f"{folder / FOLDER} already exists; move it away, or leave --deploy out")


def measure(version: Path) -> dict[str, float]:
    """Seconds and peak memory in bytes of one encoded picture of a megapixel, in a process of its own."""
    command = [sys.executable, "-c", _MEASURE, str(version), *map(str, _MEASURED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{version} could not be measured: {(done.stderr.strip().splitlines() or ['?'])[-1][:200]}")
    measured = json.loads(done.stdout.splitlines()[-1])
    height, width = _MEASURED
    return {"megapixels": height * width / 1e6, "cores": _cores(), **measured}


def memory_limit(card: dict, measured: dict[str, float]) -> int:
    """Bytes that one picture of the largest size needs: what was measured, and its additional enlarged pixels.

    Four channels of 16 bits, held three times: as tiles, joined, and as PNG.
    """
    more = max(0.0, card["max_megapixels"] - measured["megapixels"])
    return int(_MARGIN * (measured["peak"] + more * 1e6 * card["scale"] ** 2 * 4 * 2 * 3))


def write_deployment(version: Path, card: dict) -> list[Path]:
    """Writes `deploy/` beside the version's folder.

    Args:
        version: the SavedModel.
        card: its model card.

    Returns:
        The files.
    """
    folder = version.parent / FOLDER
    measured = measure(version)
    name = version.parent.resolve().name
    per_megapixel = measured["seconds"] / measured["megapixels"]
    limit = memory_limit(card, measured)
    timeout = int(60 + 3 * per_megapixel * card["max_megapixels"])
    rows = [
        f"| {cores} | {limit // _MIB} | {60 / per_megapixel * cores / measured['cores']:.1f} |"
        for cores in (1, 2, 4, 8, 16)
    ]
    values = {
        "NAME": name,
        "DNS_NAME": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model",
        "VERSION": version.name,
        "SERVING": SERVING,
        "MEGAPIXELS": f"{card['max_megapixels']:g}",
        "TIMEOUT": str(timeout),
        "TIMEOUT_MS": str(1000 * timeout),
        "MEMORY_MIB": str(limit // _MIB),
        "REQUEST_MIB": str(int(_MARGIN * measured["peak"]) // _MIB),
        "CLIENT_SECONDS": f"{3 * per_megapixel:.1f}",
        "MEASURED": f"{measured['megapixels']:g}",
        "SECONDS": f"{measured['seconds']:.1f}",
        "CORES": str(measured["cores"]),
        "PEAK_MIB": str(int(measured["peak"]) // _MIB),
        "TABLE": "\n".join(rows),
    }
    templates = resources.files("sr_gan_tf.export_formats.deployment")
    written = []
    for file in FILES:
        text = (templates / file).read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        write_text(folder / file, text)
        written.append(folder / file)
    return written


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
