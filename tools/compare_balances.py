"""`python tools/compare_balances.py --initial-weights FILE`: compares balances of adversarial training.

Each balance is experiments/small/span_x4_gan_long.json with some values changed, trained for a few hundred steps with
the same seed. After every run, the command prints a table of LPIPS on AlexNet, DISTS, flat noise and power in the
frequency bands. The best balance has the lowest LPIPS and DISTS without noise. A stopped run resumes; a finished one is
only read.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from sr_gan_tf.evaluation.figures import aligned
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.runs.history import History

EXPERIMENT = Path(__file__).resolve().parents[1] / "experiments" / "small" / "span_x4_gan_long.json"
FIGURES = ("psnr_y", "lpips", "dists", "flat_noise", "spectrum_10", "spectrum_20", "spectrum_30", "spectrum_40")
_WEIGHT = "stages.0.adversarial.weight.config.end_learning_rate"

# Name of the balance to its changes; "no_discriminator" is the same training without a discriminator.
BALANCES: dict[str, dict[str, object]] = {
    "base": {},
    "weak": {_WEIGHT: 0.05},
    "strong": {_WEIGHT: 0.3},
    "patchgan": {
        "discriminator": {
            "class_name": "PatchGAN",
            "config": {"filters": 32, "num_layers": 2, "normalization": "spectral"},
        }
    },
    "wavelet": {
        "discriminator": {
            "class_name": "PatchGAN",
            "config": {"filters": 32, "num_layers": 2, "normalization": "spectral", "high_bands": True},
        },
        "stages.0.content.0.class_name": "Wavelet",
    },
    "features": {
        "discriminator": {
            "class_name": "FeatureDiscriminator",
            "config": {"network": "vgg16", "trunk_weights": "lpips", "precision": "bfloat16"},
        },
        "stages.0.balance.adaptive_d": None,
    },
    "relativistic": {"stages.0.adversarial.class_name": "RelativisticAverage"},
    "r1": {"stages.0.penalties": [{"class_name": "R1", "weight": 1.0}], "stages.0.balance.adaptive_d": None},
    "no_discriminator": {
        "discriminator": None,
        "stages.0.adversarial": None,
        "stages.0.discriminator_optimizer": None,
        "stages.0.balance": {},
    },
}


def changes(name: str, steps: int, initial_weights: str | None = None) -> dict[str, object]:
    """Changes to the experiment for a run of `steps` steps: the balance, and schedules as long as the run."""
    rate = "stages.0.generator_optimizer.config.learning_rate.config"
    found: dict[str, object] = {
        "stages.0.steps": steps,
        f"{rate}.warmup_steps": steps // 20,
        f"{rate}.decay_steps": steps - steps // 20,
        "validate_every": steps,
        "checkpoint_every": max(1, steps // 4),
        "log_every": max(1, steps // 10),
        "ema_decay": 0.99,
    }
    if name != "no_discriminator":
        found |= {
            "stages.0.adversarial.weight.config.decay_steps": max(1, steps // 10),
            "stages.0.balance.instance_noise.config.decay_steps": steps,
            "stages.0.balance.discriminator_warm_up": steps // 20,
        }
    if initial_weights is not None:
        found["stages.0.initial_weights"] = initial_weights
    return found | BALANCES[name]


def row(folder: Path) -> list[str]:
    """The last validation metrics of a run, `-` if there are none yet."""
    history = History(RunFolder(folder).history)
    values = [history.last(f"validation/{name}") for name in FIGURES]
    return ["-" if value != value else f"{value:.4f}" for value in values]


def main(argv: list[str] | None = None) -> int:
    """Trains the balances in sequence and prints the table after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500, help="steps per run (default: 500)")
    parser.add_argument("--initial-weights", metavar="FILE", help="initial weights; default: those of the experiment")
    parser.add_argument("--folder", type=Path, default=Path("runs/balances"), help="location of the run folders")
    parser.add_argument(
        "--only", default=",".join(BALANCES), metavar="A,B", help=f"balances from {', '.join(BALANCES)}"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=JSON", help="override for all runs, as in fit"
    )
    options = parser.parse_args(argv)
    if options.steps < 20:
        parser.error("--steps must be 20 or more")
    unknown = [name for name in options.only.split(",") if name not in BALANCES]
    if unknown:
        parser.error(f"--only: unknown balance {unknown[0]!r}; expected some of {', '.join(BALANCES)}")
    rows = [["balance", *FIGURES]]
    for name in options.only.split(","):
        folder = options.folder / name
        words = [
            f"{key}={json.dumps(value)}" for key, value in changes(name, options.steps, options.initial_weights).items()
        ]
        command = [sys.executable, "-m", "sr_gan_tf.fit", str(EXPERIMENT), "--run-dir", str(folder)]
        for word in (*words, *options.set):
            command += ["--set", word]
        finished = subprocess.run(command, check=False)
        if finished.returncode:
            return finished.returncode
        rows.append([name, *row(folder)])
        print(aligned(rows), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
