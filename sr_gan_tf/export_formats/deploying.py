"""Writes the folder `deploy/` next to a SavedModel's versions: container, manifests, monitoring and a client.

Memory limits and time-outs are derived from a measurement of the SavedModel in a separate process. The version's card
stores it; a shipped network's card already contains one. Times are processor time, which other work on the machine
affects little.
"""

import json
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
# A picture of one megapixel is larger than a tile, so the measurement includes the tile's feature maps.
_MEASURED = (1000, 1000)
# Requested in the manifests.
_CORES = 2
# Margin for requests that overlap a little and for allocators that keep memory.
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
start = time.process_time()
serve(image_bytes=content)["output_bytes"].numpy()
seconds = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
try:  # On Linux, ru_maxrss includes the size of the process that started this one.
    with open("/proc/self/status") as status:
        peak = 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
except (OSError, StopIteration):
    pass
print(json.dumps({"processor_seconds": seconds, "peak": peak}))
"""


def check_free(folder: Path) -> None:
    """Raises InputError if an earlier deployment exists, which may have been edited, or if the name is unsuitable."""
    name = folder.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(
            f"--deploy: the name {name!r} of the folder cannot stand in a Dockerfile and in URLs; use letters, digits, "
            "dots, hyphens and underscores"
        )
    if (folder / FOLDER).exists():
        raise InputError(f"{folder / FOLDER} already exists; move it away, or leave --deploy out")


def measure(version: Path) -> dict[str, float]:
    """Measures the enlargement of one encoded picture of a megapixel in a separate process.

    Args:
        version: folder of a SavedModel.

    Returns:
        `megapixels`, `processor_seconds` of all threads, and the process's `peak` memory in bytes.

    Raises:
        InputError: the SavedModel failed.
    """
    command = [sys.executable, "-c", _MEASURE, str(version), *map(str, _MEASURED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{version} could not be measured: {(done.stderr.strip().splitlines() or ['?'])[-1][:200]}")
    measured = json.loads(done.stdout.splitlines()[-1])
    height, width = _MEASURED
    return {"megapixels": height * width / 1e6, **measured}


def memory_limit(card: dict, measured: dict[str, float]) -> int:
    """Bytes needed for one picture of the largest size: the measured memory, plus its additional enlarged pixels.

    The pixels have four channels of 16 bits and are held three times: as tiles, joined, and as PNG.
    """
    more = max(0.0, card["max_megapixels"] - measured["megapixels"])
    return int(_MARGIN * (measured["peak"] + more * 1e6 * card["scale"] ** 2 * 4 * 2 * 3))


def dns_name(name: str) -> str:
    """Converts a name for Kubernetes: at most 63 lowercase letters, digits and hyphens, starting with a letter."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"model-{plain}"
    return plain[:63].strip("-")


def write_deployment(version: Path, card: dict) -> list[Path]:
    """Writes `deploy/` next to the version's folder.

    Args:
        version: the SavedModel.
        card: its model card, with the result of `measure` as `measured`.

    Returns:
        The written files.
    """
    folder = version.parent / FOLDER
    measured = card["measured"]
    name = version.parent.resolve().name
    processor_seconds = measured["processor_seconds"] / measured["megapixels"]
    per_megapixel = processor_seconds / _CORES
    limit = memory_limit(card, measured)
    timeout = int(60 + 3 * per_megapixel * card["max_megapixels"])
    rows = [f"| {cores} | {limit // _MIB} | {60 / processor_seconds * cores:.1f} |" for cores in (1, 2, 4, 8, 16)]
    values = {
        "NAME": name,
        "DNS_NAME": dns_name(name),
        "VERSION": version.name,
        "SERVING": SERVING,
        "MEGAPIXELS": f"{card['max_megapixels']:g}",
        "TIMEOUT": str(timeout),
        "TIMEOUT_MS": str(1000 * timeout),
        "MEMORY_MIB": str(limit // _MIB),
        "REQUEST_MIB": str(int(_MARGIN * measured["peak"]) // _MIB),
        "CLIENT_SECONDS": f"{3 * per_megapixel:.1f}",
        "MEASURED": f"{measured['megapixels']:g}",
        "SECONDS": f"{measured['processor_seconds']:.1f}",
        "CORES": str(_CORES),
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
