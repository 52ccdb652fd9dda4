"""A small training in this process, ways to let something happen at one of its steps, and damage to files."""

import json
from typing import ClassVar

import numpy as np
from PIL import Image
from skimage import data

from sr_gan_tf.fit import main
from sr_gan_tf.training import callbacks

ADAM = {"class_name": "Adam", "config": {"learning_rate": 1e-3}}
# Half as much to trace as the network of a trial, and without running statistics.
PLAIN = {"class_name": "Compact", "config": {"num_convs": 1, "filters": 4}}


class Trial:
    """A small deterministic training in this process, and what happens in it.

    Args:
        folder: where its pictures, experiment and run folders lie.
    """

    # By experiment: deterministic runs on the same pictures are equal, wherever these lie.
    undisturbed_histories: ClassVar[dict[str, str]] = {}

    def __init__(self, folder, monkeypatch, capsys):
        self.folder, self.monkeypatch, self.capsys = folder, monkeypatch, capsys
        self.photos = folder / "photos"
        self.photos.mkdir(exist_ok=True)
        for name in ("chelsea", "astronaut", "coffee"):
            Image.fromarray(getattr(data, name)()[:96, :96]).save(self.photos / f"{name}.png")
        (folder / "valid").mkdir(exist_ok=True)
        Image.fromarray(data.rocket()[100:148, 100:148]).save(folder / "valid" / "rocket.png")
        stage = {"content": [{"class_name": "MeanAbsoluteError"}], "generator_optimizer": ADAM}
        self.experiment = {
            "name": "trial", "scale": 2, "deterministic": True,
            "data": {
                "train": [{"class_name": "Folder", "config": {"path": str(self.photos)}}],
                "validation": [{"class_name": "Folder", "config": {"path": str(folder / "valid")}}],
                "patch_size": 16, "batch_size": 2, "cache_dir": str(folder / "cache"),
            },
            "generator": {"class_name": "SRResNet", "config": {"num_blocks": 1, "filters": 4}},
            "stages": [{"name": "pretraining", "steps": 8, **stage}],
            "validate_every": 4, "checkpoint_every": 2, "log_every": 1, "ema_decay": 0.9,
            "trackers": [],
        }  # fmt: skip

    def adversarial(self) -> None:
        """Adds a second stage, against a discriminator."""
        stage = self.experiment["stages"][0]
        against = {"adversarial": {"class_name": "BinaryCrossentropy", "weight": 1e-3}, "discriminator_optimizer": ADAM}
        self.experiment["stages"].append(stage | {"name": "adversarial"} | against)
        self.experiment["discriminator"] = {"class_name": "TinyDiscriminator", "config": {"filters": 4}}

    def fit(self, run, *more) -> tuple[int, str]:
        """Exit code of the command and what it wrote to standard error."""
        file = self.folder / "trial.json"
        file.write_text(json.dumps(self.experiment))
        self.capsys.readouterr()
        code = main([str(file), "--run-dir", str(run), *more])
        said = self.capsys.readouterr().err
        assert "Traceback" not in said
        return code, said

    def refused(self, run, *more) -> str:
        """The one error line of a command that must fail."""
        code, said = self.fit(run, *more)
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert (code, len(lines)) == (2, 1), said
        return lines[0]

    def undisturbed(self) -> str:
        """The history of a run that is left alone."""
        key = json.dumps({**self.experiment, "data": None, "trackers": None})
        if key not in Trial.undisturbed_histories:
            code, said = self.fit(self.folder / "undisturbed")
            assert code == 0, said
            Trial.undisturbed_histories[key] = (self.folder / "undisturbed" / "history.csv").read_text()
        return Trial.undisturbed_histories[key]

    def goes_on(self, run) -> str:
        """Starts again on a run folder, which must end as the undisturbed one; what it wrote to standard error."""
        expected = self.undisturbed()
        code, said = self.fit(run)
        assert code == 0, said
        assert (run / "history.csv").read_text() == expected
        assert (run / "best.keras").is_file()
        assert not [item for item in run.rglob("*") if ".tmp" in item.name]
        return said

    def at_step(self, step: int, action) -> None:
        """Lets `action(trainer)` happen once, at the end of this step of the next run, before it is logged."""
        original = callbacks.Count.on_train_batch_end

        def then(callback, batch, logs=None):
            original(callback, batch, logs)
            if callback.session.step == step:
                self.monkeypatch.setattr(callbacks.Count, "on_train_batch_end", original)
                action(callback.model)

        self.monkeypatch.setattr(callbacks.Count, "on_train_batch_end", then)


def damage(content: bytes, generator: np.random.Generator) -> bytes:
    """A file as a failing disk leaves it: cut short, or with one bit turned over."""
    if generator.integers(2):
        return content[: generator.integers(len(content))]
    place = int(generator.integers(len(content)))
    return content[:place] + bytes([content[place] ^ (1 << int(generator.integers(8)))]) + content[place + 1 :]
