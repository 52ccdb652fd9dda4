"""Experiment trackers in addition to TensorBoard: Weights & Biases and MLflow, through their clients.

They receive the same curves as TensorBoard, with the same names and steps. The experiment becomes the configuration of
the run. A resumed run continues the tracker's run, whose id is in the run folder (`trackers.json`).
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from sr_gan_tf.config import Experiment
from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.files import write_text
from sr_gan_tf.runs.folder import RunFolder, flatten
from sr_gan_tf.training.session import Session

_PACKAGES = {"wandb": "wandb", "mlflow": "mlflow"}
# MLflow's limits on parameters per call and on the length of values.
_MOST_PARAMETERS, _LONGEST = 100, 500


class Tracker(Protocol):
    """The interface of a tracker."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """Logs values by name at a step."""

    def close(self, finished: bool) -> None:
        """Ends this process's part of the run; `finished`: whether the run is complete."""


class WandB:
    """A run of Weights & Biases; `WANDB_MODE=offline` keeps it local, in the run folder."""

    def __init__(self, experiment: Experiment, folder: RunFolder):
        wandb = importlib.import_module("wandb")
        known = _known(folder, "wandb")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "sr_gan_tf"), name=experiment.name, dir=str(folder.path),
            config=dataclasses.asdict(experiment), id=known, resume="allow",
        )  # fmt: skip
        _remember(folder, "wandb", self._run.id)

    def log(self, step: int, values: dict[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)


class MLflow:
    """A run of MLflow at MLFLOW_TRACKING_URI; without it, in the folder `mlruns` next to the run folder."""

    def __init__(self, experiment: Experiment, folder: RunFolder):
        place = os.environ.get("MLFLOW_TRACKING_URI")
        if not place:
            place = (folder.path.resolve().parent / "mlruns").as_uri()
            # A folder of files needs no server or database; MLflow requires an explicit request for it.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        self._client = importlib.import_module("mlflow.tracking").MlflowClient(tracking_uri=place)
        self._entities = importlib.import_module("mlflow.entities")
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "sr_gan_tf")
        self._id = _known(folder, "mlflow")
        if self._id is not None:
            self._client.update_run(self._id, status="RUNNING")
            return
        group = self._client.get_experiment_by_name(name)
        group_id = self._client.create_experiment(name) if group is None else group.experiment_id
        self._id = self._client.create_run(group_id, run_name=experiment.name).info.run_id
        settings = {key: str(value)[:_LONGEST] for key, value in flatten(dataclasses.asdict(experiment)).items()}
        parameters = [self._entities.Param(key, value) for key, value in settings.items()]
        for first in range(0, len(parameters), _MOST_PARAMETERS):
            self._client.log_batch(self._id, params=parameters[first : first + _MOST_PARAMETERS])
        _remember(folder, "mlflow", self._id)

    def log(self, step: int, values: dict[str, float]) -> None:
        metric = self._entities.Metric
        # MLflow accepts no other characters in a name.
        named = {re.sub(r"[^\w\-. /]", "_", name): value for name, value in values.items()}
        self._client.log_batch(self._id, metrics=[metric(name, value, 0, step) for name, value in named.items()])

    def close(self, finished: bool) -> None:
        self._client.set_terminated(self._id, "FINISHED" if finished else "KILLED")


_TRACKERS: dict[str, Callable[[Experiment, RunFolder], Tracker]] = {"wandb": WandB, "mlflow": MLflow}


def check_trackers(experiment: Experiment) -> None:
    """Raises InputError if a tracker's package is not installed, or a setting has no effect without a tracker."""
    for name in experiment.trackers:
        if name in _PACKAGES and importlib.util.find_spec(_PACKAGES[name]) is None:
            raise InputError(f"trackers: {name} is not installed; pip install 'sr_gan_tf[{name}]', or remove it")
    if experiment.histograms and "tensorboard" not in experiment.trackers:
        raise InputError('histograms: has no effect without the tracker "tensorboard"; remove it, or add the tracker')


@contextlib.contextmanager
def tracking(session: Session) -> Iterator[None]:
    """Context in which the experiment's trackers are open; always closes them."""
    opened: list[Tracker] = []
    finished = False
    try:
        for name in session.experiment.trackers:
            if name in _TRACKERS:
                opened.append(_opened(name, session))
        session.trackers = opened
        yield
        finished = True
    finally:
        for tracker in opened:
            tracker.close(finished)


def _opened(name: str, session: Session) -> Tracker:
    try:
        return _TRACKERS[name](session.experiment, session.folder)
    except Exception as error:  # any error of its client: no login, no server, no write permission
        raise InputError(
            f"trackers: {name} cannot be opened: {one_line(error)[:300]}; see its documentation, or remove it"
        ) from error


def _file(folder: RunFolder) -> Any:
    return folder.path / "trackers.json"


def _ids(folder: RunFolder) -> dict[str, str]:
    try:
        return json.loads(_file(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _known(folder: RunFolder, name: str) -> str | None:
    """The id of this run in a tracker, if it has one."""
    return _ids(folder).get(name)


def _remember(folder: RunFolder, name: str, number: str) -> None:
    write_text(_file(folder), json.dumps(_ids(folder) | {name: number}, indent=2) + "\n")
