"""What `fit` adds to its steps: callbacks, logs and the loop around them."""

import json
import time

import pytest

from sr_gan_tf.config import load_experiment
from sr_gan_tf.fit import fit
from sr_gan_tf.training.supervised import Supervised

STEPS = 60


@pytest.mark.long
def test_fit_adds_less_than_three_hundredths(repository, tmp_path, monkeypatch):
    """Between the end of a step and the beginning of the next; SRResNet x4, 16 patches of 96x96, logged every 10."""
    inside = []
    make = Supervised.make_train_function

    def made(self, force=False):
        make(self, force)
        step = self.train_function

        def clocked(iterator):
            begin = time.perf_counter()
            logs = step(iterator)
            inside.append((begin, time.perf_counter()))
            return logs

        self.train_function = clocked

    monkeypatch.setattr(Supervised, "make_train_function", made)
    photographs = json.dumps([{"class_name": "SamplePhotographs", "config": {"split": "train"}}])
    settings = [f"data.train={photographs}", "data.validation=[]", f"stages.0.steps={STEPS}", "log_every=10"]
    settings.append("data.cache_dir=" + json.dumps(str(tmp_path / "cache")))
    fit(
        load_experiment(repository / "experiments" / "srresnet_x4.json", settings), tmp_path / "run", say=lambda text: 0
    )
    assert len(inside) == STEPS
    # The first steps trace and warm up; the last one is followed by the stage's own end.
    begins, ends = zip(*inside[5:], strict=True)
    between = sum(begin - end for begin, end in zip(begins[1:], ends[:-1], strict=True))
    share = between / sum(end - begin for begin, end in zip(begins, ends, strict=True))
    print(f"\nfit adds {share:.2%} to a step of {(ends[-1] - begins[0]) / len(begins):.3f} s")
    assert share < 0.03
