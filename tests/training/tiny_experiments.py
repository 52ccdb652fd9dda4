"""Tiny experiments of all kinds, every setting of theirs, and what two steps of training make of them."""

import copy
import inspect
import typing

import numpy as np
import tensorflow as tf

from sr_gan_tf.config import Experiment, batch_size, parse_experiment, patch_size
from sr_gan_tf.data.augmentation import AUGMENTATIONS
from sr_gan_tf.data.catalog import DEGRADATIONS
from sr_gan_tf.data.sampler import Sampler
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.training.assembly import Networks, build_networks, build_stage
from sr_gan_tf.training.optimizers import OPTIMIZERS
from sr_gan_tf.training.randomness import seeded
from sr_gan_tf.training.run import stage_data
from sr_gan_tf.training.schedules import SCHEDULES
from sr_gan_tf.training.supervised import Supervised

# Small forms of each generator and discriminator, for patches of 16.
TINY_GENERATORS = {
    "Compact": {"filters": 4, "num_convs": 1},
    "SmallResidual": {"filters": 4, "num_blocks": 1},
    "SRResNet": {"filters": 4, "num_blocks": 1},
    "SPAN": {"filters": 4, "num_blocks": 1, "input_gain": 5.0},
    "MSRResNet": {"filters": 4, "num_blocks": 1},
    "RRDBNet": {"filters": 4, "num_blocks": 1, "growth": 2},
    "SharedResidual": {"filters": 4, "num_uses": 1},
}
TINY_DISCRIMINATORS = {
    "TinyDiscriminator": {"filters": 4},
    "PatchGAN": {"filters": 4, "num_layers": 1, "normalization": "none"},
    "UNetDiscriminator": {"filters": 4},
}
# Settings of experiments/tiny.json for tests of what surrounds the steps: less to trace, to validate and to log.
SMALLEST = {
    "generator": {"class_name": "Compact", "config": TINY_GENERATORS["Compact"]},
    "data.validation_limit": 1,
    "trackers": [],
}
# Content losses that need neither weights nor more than a patch of 16, with arguments for such a patch.
TINY_CONTENT = {
    "MeanAbsoluteError": {}, "MeanSquaredError": {}, "LogMeanSquaredError": {}, "Charbonnier": {}, "Huber": {},
    "SSIM": {"window": 5}, "MSSSIM": {"window": 5, "scales": 2}, "TotalVariation": {}, "MeanColor": {},
    "LowPassColor": {"sigma": 1.0}, "FourierAmplitude": {}, "Consistency": {}, "Wavelet": {}, "ColorHistogram": {},
    "FrequencyBand": {},
}  # fmt: skip


def experiment(generator="Compact", discriminator=None, content=("MeanAbsoluteError",), scale=2, **stage) -> dict:
    """The JSON of one stage on scikit-image's photographs, adversarial if there is a discriminator."""
    raw = {
        "name": "trial",
        "scale": scale,
        "seed": 3,
        "data": {
            "train": [{"class_name": "SamplePhotographs", "config": {"split": "train"}}],
            "validation": [{"class_name": "SamplePhotographs", "config": {"split": "validation"}}],
            "patch_size": 16,
            "batch_size": 2,
        },
        "generator": {"class_name": generator, "config": TINY_GENERATORS[generator]},
        "stages": [
            {
                "name": "only",
                "steps": 2,
                "content": [{"class_name": name, "config": TINY_CONTENT[name]} for name in content],
                "generator_optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-3}},
            }
        ],
    }
    if discriminator is not None:
        raw["discriminator"] = {"class_name": discriminator, "config": TINY_DISCRIMINATORS[discriminator]}
        raw["stages"][0] |= {
            "adversarial": {"class_name": "BinaryCrossentropy", "weight": 0.1},
            "discriminator_optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-3}},
        }
    raw["stages"][0] |= stage
    return copy.deepcopy(raw)


def trainer_of(parsed: Experiment) -> tuple[Networks, Supervised, tuple[tf.Tensor, tf.Tensor]]:
    """Networks, the first stage's trainer, and its first batch."""
    networks = build_networks(parsed)
    trainer = build_stage(parsed, 0, networks)
    sampler = Sampler(stage_data(parsed, parsed.stages[0]), parsed.scale, parsed.seed)
    lr, hr = (tf.constant(part, tf.float32) / 255 for part in sampler.batch(0, batch_size(parsed, parsed.stages[0])))
    assert hr.shape[1] == patch_size(parsed, parsed.stages[0])
    return networks, trainer, (lr, hr)


def result(raw: dict, steps: int = 2) -> list[np.ndarray]:
    """All state after some steps, and all that they logged; the same experiment gives the same to the bit."""
    parsed = parse_experiment(raw)
    logged = []
    with seeded(parsed.seed, deterministic=True):
        _, trainer, batch = trainer_of(parsed)
        for _ in range(steps):
            logs = trainer.train_step(batch)
            logged.append(np.array([float(logs[name]) for name in sorted(logs)]))
    return [np.asarray(v) for variables in trainer.state().values() for v in variables] + logged


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether two results are equal to the bit."""
    shapes = [part.shape for part in one] == [part.shape for part in other]
    return shapes and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


_CATALOGS = {
    "generator": GENERATORS, "discriminator": DISCRIMINATORS, "content": CONTENT_LOSSES,
    "adversarial": ADVERSARIAL_LOSSES, "features": FEATURE_LOSSES, "penalties": PENALTIES, "degradation": DEGRADATIONS,
    "generator_optimizer": OPTIMIZERS, "discriminator_optimizer": OPTIMIZERS, "learning_rate": SCHEDULES,
    "weight": SCHEDULES, "instance_noise": SCHEDULES, "augmentations": AUGMENTATIONS,
}  # fmt: skip
# What takes the place of None, by the argument's name.
_INSTEAD_OF_NONE = {
    "weight_decay": 0.1, "clipnorm": 1e-7, "global_clipnorm": 1e-7, "clipvalue": 1e-9, "gradient_accumulation_steps": 2,
    "use_ema": True, "ema_overwrite_frequency": 1, "loss_scale_factor": 8.0, "ending": {"class_name": "nothing"},
    "accuracy_bound": 0.6, "patch_size": 24, "batch_size": 3, "best_metric": "gmsd", "patience": 1, "sample_every": 1,
    "name": "another",
}  # fmt: skip


def arguments_of(raw: dict) -> list[tuple[str, typing.Any]]:
    """(dotted path, another value) for each constructor argument of each object of an experiment."""
    found: list[tuple[str, typing.Any]] = []

    def visit(value, path: str, key: str) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                visit(item, f"{path}.{index}", key)
        elif isinstance(value, dict) and "class_name" in value and key in _CATALOGS:
            constructor = _CATALOGS[key][value["class_name"]]
            config = value.get("config", {})
            for name, parameter in inspect.signature(constructor).parameters.items():
                if parameter.kind is parameter.VAR_KEYWORD:
                    continue
                now = config.get(name, None if parameter.default is parameter.empty else parameter.default)
                if isinstance(now, dict) and "class_name" in now:
                    visit(now, f"{path}.config.{name}", name)
                    continue
                for other in another(name, now, parameter.annotation):
                    found.append((f"{path}.config.{name}", other))
            if "weight" in value or key in ("content", "adversarial", "features", "penalties"):
                weight = value.get("weight", 1.0)
                visit(weight, f"{path}.weight", "weight")
                if isinstance(weight, (int, float)):
                    found.append((f"{path}.weight", 0.5 * weight))
        elif isinstance(value, dict):
            for name, item in value.items():
                visit(item, f"{path}.{name}" if path else name, name)

    visit(raw, "", "")
    return found


# Other values of what isn't an object's argument, by dotted path; those of `balance` need an adversarial stage. Bounds
# that two steps needn't reach are left out (`accuracy_bound`, `adaptive_d`, `max_bad_steps`, `patience`).
_PLAIN = {
    "seed": 4, "scale": 1, "ema_decay": 0.05, "precision": "mixed_bfloat16", "data.patch_size": 24,
    "data.minimum_detail": 30.0, "data.augmentations": ["turn"], "data.degradation": {"class_name": "BlurResize"},
    "stages.0.patch_size": 24, "stages.0.batch_size": 4, "generator.config.filters": 5,
}  # fmt: skip
_OF_ADVERSARIAL_STAGES = {
    "stages.0.balance.discriminator_steps": 3, "stages.0.balance.discriminator_every": 2,
    "stages.0.balance.discriminator_warm_up": 1, "stages.0.balance.instance_noise": 0.2,
    "stages.0.balance.replay_buffer": 4, "stages.0.balance.historical_averaging": 0.5,
}  # fmt: skip


def settings_of(raw: dict) -> list[tuple[str, typing.Any]]:
    """(dotted path, another value) for settings of the experiment, its data and its stage."""
    found = _PLAIN | {"data.batch_size": raw["data"]["batch_size"] + 1}
    return list((found | (_OF_ADVERSARIAL_STAGES if "adversarial" in raw["stages"][0] else {})).items())


def another(name: str, value, annotation=None) -> list:
    """Values that an argument could also have."""
    choices = [choice for choice in typing.get_args(annotation) if isinstance(choice, str)]
    if choices:
        return [choice for choice in choices if choice != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, float):
        # A loss has only one form below its `delta`, so the other value must lie below most differences.
        return [value * (0.01 if name == "delta" else 0.75) if value else 0.25]
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, (int, float)) for item in value):
        return [[item + 1 if isinstance(item, int) else item * 0.9 + 0.01 for item in value]]
    return [_INSTEAD_OF_NONE[name]] if value is None and name in _INSTEAD_OF_NONE else []


def put(raw: dict, path: str, value) -> dict:
    """The experiment with another value at a dotted path."""
    raw = copy.deepcopy(raw)
    *places, last = path.split(".")
    item = raw
    for place in places:
        item = item[int(place)] if isinstance(item, list) else item.setdefault(place, {})
    item[int(last) if isinstance(item, list) else last] = value
    return raw
