"""The card of an exported model: its origin, training data and quality."""

import json
from pathlib import Path

import keras

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import sha256
from sr_gan_tf.inference.keras_enlarger import enlarger_of
from sr_gan_tf.metrics import score
from sr_gan_tf.networks import Generator
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.runs.history import History
from sr_gan_tf.shipped import WEIGHTS, shipped_models
from sr_gan_tf.version import __version__

NAME = "model_card.json"


def model_card(source: str | Path, generator: keras.Model, license: str | None = None) -> dict:
    """Describes a model by what is known about its source.

    Args:
        source: the argument of `sr_gan_tf.models.load`.
        generator: the loaded model, merged.
        license: of the weights; default: from the card of a shipped model, otherwise "not stated".
    """
    card = {
        "name": generator.name,
        "scale": int(generator.scale),
        "class_name": type(generator).__name__,
        "config": generator.get_config(),
        "parameters": int(generator.count_params()),
        "input": "RGB in [0, 1], float32; or uint8",
        "experiment": None,
        "data": None,
        "figures": {},
        "license": "not stated",
        "source": str(source),
        "written_by": f"sr_gan_tf {__version__}",
    }
    file = _file_of(source)
    if file is not None:
        card["sha256"] = sha256(file)
    shipped = WEIGHTS / f"{source}.json"
    if str(source) in shipped_models() and shipped.is_file():
        own = json.loads(shipped.read_text(encoding="utf-8"))
        keys = ("name", "data", "figures", "license", "limits", "measured")
        card |= {key: own[key] for key in keys if own.get(key) is not None}
        card["experiment"] = own.get("experiments")
    elif Path(source).is_dir():
        card |= _of_run(RunFolder(source))
    if license is not None:
        card["license"] = license
    return card


def _of_run(run: RunFolder) -> dict:
    if not run.experiment_file.is_file():
        return {}
    experiment = json.loads(run.experiment_file.read_text(encoding="utf-8"))
    figures = {}
    history = History(run.history)
    metric = experiment.get("best_metric") or "psnr_y"
    # Both files belong to the last stage.
    steps, values = history.series(f"validation/{metric}", history.stages[-1] if len(history) else None)
    if steps:
        _, best = max(zip(values, steps, strict=True), key=lambda item: score(metric, item[0]))
        best = steps[-1] if run.model == run.last else best
        row = history.row(history.steps.index(best))
        figures = {
            name: value for name, value in row.items() if name.startswith("validation/") and "bicubic" not in name
        }
        figures |= {"step": best, "steps_of_the_run": history.steps[-1]}
    return {"experiment": experiment, "data": experiment.get("data"), "figures": figures}


def metadata(card: dict, generator: keras.Model) -> dict:
    """Metadata for a file without a card next to it: name, scale, license, the halo that tiles need."""
    field = enlarger_of(generator).field
    return {
        "name": card["name"],
        "scale": card["scale"],
        "license": card["license"],
        "source": Path(card["source"]).name,
        "written_by": card["written_by"],
        "tile_halo": "none: the network sees the whole picture" if field.halo is None else field.halo,
        "tile_alignment": field.alignment,
        "range": "RGB in [0, 1]; uint8 0 to 255",
    }


def _file_of(source: str | Path) -> Path | None:
    path = shipped_models().get(str(source), Path(source))
    path = RunFolder(path).model if path.is_dir() else path
    return path if path.is_file() else None


def of_version(folder: Path) -> dict:
    """Reads the card from a version's folder."""
    return json.loads((folder / NAME).read_text(encoding="utf-8"))


def to_text(card: dict) -> str:
    """Formats the card for a file."""
    return json.dumps(card, indent=2, ensure_ascii=False) + "\n"


def exportable(model: keras.Model, source: str | Path) -> Generator:
    """Returns the generator in its form for inference.

    Raises:
        InputError: the model was exported already.
    """
    if not isinstance(model, Generator):
        raise exported_already(source)
    return model.for_inference()


def exported_already(source: str | Path | keras.Model) -> InputError:
    """The error for a model that is itself the result of an export."""
    return InputError(f"{source} was exported already; give the .keras file, run folder or name it came from")
