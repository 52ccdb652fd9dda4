"""The quickstart's adversarial stage shows what such a stage is for: LPIPS falls at hardly any cost in dB."""

import pytest

from sr_gan_tf.config import load_experiment
from sr_gan_tf.losses.package_weights import INSTALL_LPIPS, lpips_file
from sr_gan_tf.runs.history import History
from sr_gan_tf.training.run import fit


@pytest.mark.long
@pytest.mark.skipif(lpips_file("alexnet") is None, reason=INSTALL_LPIPS)
def test_the_adversarial_stage_lowers_lpips(repository, tmp_path):
    experiment = load_experiment(
        repository / "experiments" / "quickstart.json", ['validation_metrics=["psnr_y", "lpips", "spectrum"]']
    )
    fit(experiment, tmp_path / "run", say=lambda text: None)
    history = History(tmp_path / "run" / "history.csv")

    def last(name: str, stage: str) -> float:
        return history.last(f"validation/{name}", stage)

    assert last("lpips", "adversarial") < 0.96 * last("lpips", "pretraining")
    assert last("psnr_y", "adversarial") > last("psnr_y", "pretraining") - 1
    assert last("spectrum_20", "adversarial") > 1.05 * last("spectrum_20", "pretraining")
