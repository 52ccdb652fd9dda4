"""Writes a generator as a TF.js graph model, with the converter in a separate environment.

The converter (`tensorflowjs`) pins an older TensorFlow than ours, so it is run by another Python, on a frozen float32
graph that both versions can read.
"""

import dataclasses
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from sr_gan_tf.errors import InputError, Unavailable
from sr_gan_tf.export_formats import verification
from sr_gan_tf.export_formats.network import INPUT, OUTPUT, network_function
from sr_gan_tf.files import writing

ENVIRONMENT = "python3.11 -m venv tfjs && tfjs/bin/pip install tensorflowjs==4.22.0 ydf==0.11.0"


def write_tfjs(
    generator: keras.Model, folder: Path, python: str | Path | None, overwrite: bool = False
) -> verification.Agreement:
    """Writes a folder with `model.json` and its weights: `images` (N, H, W, 3) float32 in [0, 1] to `outputs`.

    The graph that is passed to the converter is compared with the Keras model here; a long test runs the result with
    Node (`docs/export.md`).

    Args:
        generator: (N, H, W, 3) to (N, scale*H, scale*W, 3).
        folder: of the TF.js model.
        python: of the environment that has the converter.
        overwrite: whether an existing TF.js model may be replaced.

    Raises:
        InputError: no Python with the converter was given, it failed, or the folder already exists.
    """
    if python is None:
        raise Unavailable(
            "--format tfjs needs the converter, whose TensorFlow is older than ours, in an environment of its own: "
            f"{ENVIRONMENT}; then pass --tfjs-python tfjs/bin/python"
        )
    check_folder(folder, overwrite)
    check_converter(python)
    with tempfile.TemporaryDirectory() as scratch, writing(folder):
        saved, converted = Path(scratch) / "saved_model", Path(scratch) / "converted"
        _write_frozen(generator, saved)
        agreement = verification.compare("tfjs (its graph, by TensorFlow)", saved, _runner(saved), generator)
        verification.check(agreement, verification.largest_value(generator))
        _convert(python, saved, converted)
        temporary = folder.with_name(f".{folder.name}.tmp")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(converted, temporary)
            if folder.exists():
                shutil.rmtree(folder)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return dataclasses.replace(agreement, path=folder, size=verification.size_of(folder))


def check_folder(folder: Path, overwrite: bool) -> None:
    """Rejects an existing folder before the work begins; `overwrite` replaces a TF.js model, and nothing else."""
    if not folder.exists():
        return
    if not overwrite:
        raise InputError(f"{folder} already exists; pass --overwrite or choose another name")
    if not (folder / "model.json").is_file():
        raise InputError(f"{folder} already exists and is no TF.js model; choose another name")


def check_converter(python: str | Path) -> None:
    """Rejects a Python that cannot be run or has no converter, without the seconds that its import takes."""
    search = "import importlib.util, sys; sys.exit(importlib.util.find_spec('tensorflowjs') is None)"
    try:
        missing = subprocess.run([str(python), "-c", search], capture_output=True).returncode
    except OSError as error:
        raise InputError(f"--tfjs-python {python}: {error.strerror}; give the Python of its environment") from error
    if missing:
        raise InputError(f"--tfjs-python {python}: has no tensorflowjs; its environment: {ENVIRONMENT}")


def _write_frozen(generator: keras.Model, folder: Path) -> None:
    function = network_function(generator, (None, None, None))
    module = tf.Module()
    module.weights = [variable.value for variable in generator.variables]
    logger = tf.get_logger()
    before = logger.level
    logger.setLevel("ERROR")
    try:
        tf.saved_model.save(module, str(folder), signatures={"serving_default": function})
    finally:
        logger.setLevel(before)


def _runner(folder: Path):
    loaded = tf.saved_model.load(str(folder))
    return lambda pictures: loaded.signatures["serving_default"](**{INPUT: tf.constant(pictures)})[OUTPUT].numpy()


def _convert(python: str | Path, source: Path, target: Path) -> None:
    command = [
        str(python), "-m", "tensorflowjs.converters.converter", "--input_format=tf_saved_model",
        "--output_format=tfjs_graph_model", "--signature_name=serving_default", str(source), str(target),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not (target / "model.json").is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"the TF.js converter failed: {last[:200]}; its environment: {ENVIRONMENT}")
    description = json.loads((target / "model.json").read_text(encoding="utf-8"))
    for node in description.get("modelTopology", {}).get("node", []):
        if node["op"] == "EnsureShape":  # TF.js has no such operation; it changes nothing
            node["op"] = "Identity"
            node.get("attr", {}).pop("shape", None)
    (target / "model.json").write_text(json.dumps(description), encoding="utf-8")
