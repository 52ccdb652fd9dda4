"""Searches the settings of an experiment with KerasTuner: three trials of a tiny x2 network, a minute on two cores.

Run `python examples/tune.py FOLDER`. FOLDER receives the run folders of the trials, which `compare` can draw.
"""

import sys
from pathlib import Path

import keras_tuner

from sr_gan_tf import Experiment
from sr_gan_tf.fit import fit

PHOTOGRAPHS = {
    split: [{"class_name": "SamplePhotographs", "config": {"split": split}}] for split in ("train", "validation")
}
RATE = "stages.0.generator_optimizer.config.learning_rate"
EXPERIMENT = Experiment.from_dict(
    {
        "name": "tune",
        "scale": 2,
        "data": {**PHOTOGRAPHS, "patch_size": 32, "batch_size": 4, "validation_limit": 1},
        "generator": {"class_name": "Compact", "config": {"filters": 8, "num_convs": 2}},
        "stages": [
            {
                "name": "pretraining",
                "steps": 30,
                "content": [{"class_name": "MeanAbsoluteError"}],
                "generator_optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-3}},
            }
        ],
        "validate_every": 30,
        "log_every": 10,
    }
)


class Search(keras_tuner.RandomSearch):
    """Trains one experiment per trial, in a separate run folder."""

    def run_trial(self, trial, steps):
        values = trial.hyperparameters
        experiment = EXPERIMENT.override(
            {
                "stages.0.steps": steps,
                RATE: values.Float("learning_rate", 3e-4, 1e-2, sampling="log"),
                "generator.config.filters": values.Choice("filters", [8, 16]),
                "generator.config.activation": values.Choice("activation", ["prelu", "relu"]),
            },
            validate_every=steps,
        )
        run = fit(experiment, Path(self.directory) / f"trial_{trial.trial_id}", say=lambda line: None)
        return {"psnr_y": run.history["validation/psnr_y"][-1]}


def search(folder: str, steps: int = 30) -> dict:
    """The best of three settings by validation PSNR."""
    tuner = Search(
        objective=keras_tuner.Objective("psnr_y", "max"), max_trials=3, directory=folder, project_name="tuner", seed=1
    )
    tuner.search(steps=steps)
    return tuner.get_best_hyperparameters()[0].values


if __name__ == "__main__":
    print(search(sys.argv[1] if len(sys.argv) > 1 else "runs/tune"))
