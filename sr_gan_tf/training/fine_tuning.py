"""Fine-tuning: creates the experiment that adapts a trained generator to new pictures.

It keeps the network and degradation of the base. The learning rate is a tenth of that for training from scratch. A
quarter of the samples come from the original domain, so that it is not forgotten. best.keras is the best model on
pictures that are not in the training data.
"""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sr_gan_tf.config import Experiment, parse_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.json_files import override
from sr_gan_tf.models import load
from sr_gan_tf.networks import Generator
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.shipped import shipped_models

# Degradations of the shipped models; all others were trained on bicubic reduction.
_REALISTIC = {"class_name": "Realistic", "config": {"clean": 0.25}}
_DEGRADATIONS: dict[str, dict] = {"span_x4_real": _REALISTIC, "span_x4_photo": _REALISTIC}
OLD_SHARE = 0.25  # of the samples
RATE = 1e-4


def fine_tuning(
    base: str,
    train_data: Sequence[str],
    steps: int,
    validation_data: Sequence[str] = (),
    base_data: str | None = None,
    overrides: Sequence[str] = (),
) -> Experiment:
    """An experiment that trains `base` further, on other pictures.

    Args:
        base: a shipped name, a run folder or a `.keras` file.
        train_data: folders of the new pictures.
        steps: generator updates; 500 to 5,000 for a few hundred pictures.
        validation_data: folders of new pictures outside the training data; without it, two photographs from
            scikit-image select the best generator, and overfitting does not show.
        base_data: folder of pictures like the training data of the base; default: scikit-image's photographs.
        overrides: `KEY=JSON` changes of the experiment.

    Raises:
        InputError: the base does not exist, or cannot be trained further.
    """
    if steps < 1:
        raise InputError(f"--steps {steps}: expected a positive number, e.g. --steps 2000")
    generator, scale, degradation = _base(base)
    photographs = {"class_name": "SamplePhotographs", "config": {"split": "train"}}
    old = _folder(base_data) if base_data else photographs
    held_out = [{"class_name": "SamplePhotographs", "config": {"split": "validation"}}]
    if validation_data:
        held_out = [_folder(path) for path in validation_data]
    share = (1 - OLD_SHARE) / len(train_data)
    every = max(1, steps // 10)
    raw: dict[str, Any] = {
        "name": f"{Path(base).stem}_fine_tuned",
        "note": f"{base} fine-tuned on {', '.join(train_data)}",
        "scale": scale,
        "data": {
            "train": [*(_folder(path) | {"weight": share} for path in train_data), old | {"weight": OLD_SHARE}],
            "validation": held_out,
            "degradation": degradation,
            "patch_size": 32 * scale,
            "batch_size": 8,
        },
        "generator": generator,
        "stages": [
            {
                "name": "fine_tuning",
                "steps": steps,
                "initial_weights": base,
                "content": [{"class_name": "MeanAbsoluteError"}],
                "generator_optimizer": {
                    "class_name": "Adam",
                    "config": {"beta_2": 0.99, "global_clipnorm": 0.5, "learning_rate": _rate(steps)},
                },
            }
        ],
        "validate_every": every,
        "checkpoint_every": every,
        "log_every": min(50, every),
        "patience": 4,
    }
    for text in overrides:
        override(raw, text)
    return parse_experiment(raw, f"--from {base}")


def _folder(path: str) -> dict[str, Any]:
    return {"class_name": "Folder", "config": {"path": path}}


def _rate(steps: int) -> dict:
    warm_up = min(100, steps // 10)
    config = {"initial_learning_rate": RATE, "decay_steps": max(1, steps - warm_up), "alpha": 0.05}
    if warm_up:
        config |= {"initial_learning_rate": RATE / 100, "warmup_target": RATE, "warmup_steps": warm_up}
    return {"class_name": "CosineDecay", "config": config}


def _base(base: str) -> tuple[dict, int, dict]:
    """Generator, scale and degradation of a trained model, in the form of an experiment.

    For a run folder, the network as it was trained, because training starts from its newest checkpoint.
    """
    run = RunFolder(base)
    if base not in shipped_models() and run.experiment_file.is_file():
        experiment = run.experiment()
        spec, degradation = experiment.generator, experiment.data.degradation
        return (
            {"class_name": spec.class_name, "config": dict(spec.config)},
            experiment.scale,
            {"class_name": degradation.class_name, "config": dict(degradation.config)},
        )
    network = load(base)
    kind = type(network)
    if not isinstance(network, Generator) or GENERATORS.get(kind.__name__) is not kind:
        raise InputError(
            f"--from {base}: {kind.__name__} cannot be trained further; pass a shipped name, a run folder or a "
            f".keras file of {', '.join(GENERATORS)}"
        )
    defaults = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
    given = {name: value for name, value in network.get_config().items() if value != _plain(defaults.get(name))}
    config = {name: value for name, value in given.items() if name not in ("name", "scale")}
    made_by = _DEGRADATIONS.get(base, {"class_name": "Bicubic"})
    return {"class_name": kind.__name__, "config": config}, network.scale, made_by


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
