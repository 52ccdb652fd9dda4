"""What goes to TensorBoard: read back as it was given, and without a trace in memory."""

import types

import numpy as np
import psutil
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from sr_gan_tf.config import load_experiment
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.runs.history import History
from sr_gan_tf.training.session import Session
from sr_gan_tf.training.tensorboard import finish, show_scalars


def test_scalars_arrive_with_their_steps(tmp_path):
    session = types.SimpleNamespace(trackers=[], writer=tf.summary.create_file_writer(str(tmp_path)), step=7)
    show_scalars(session, {"train/loss": 0.25, "validation/psnr_y": 30.5})
    session.step = 2**33
    show_scalars(session, {"train/loss": 0.125})
    session.writer.close()
    found = EventAccumulator(str(tmp_path)).Reload()
    events = found.Tensors("train/loss")
    assert [event.step for event in events] == [7, 2**33]
    assert [tf.make_ndarray(event.tensor_proto).item() for event in events] == [0.25, 0.125]
    assert found.Tensors("validation/psnr_y")[0].step == 7
    show_scalars(types.SimpleNamespace(trackers=[], writer=None, step=1), {"train/loss": 0.25})


def test_a_long_training_leaves_nothing_in_memory(tmp_path):
    """Python's numbers in the place of NumPy's grow by 4 MB here."""
    session = types.SimpleNamespace(trackers=[], writer=tf.summary.create_file_writer(str(tmp_path)), step=0)
    process, random, memory = psutil.Process(), np.random.default_rng(0), []
    for step in range(260):
        session.step = step
        show_scalars(session, {f"train/{index}": value for index, value in enumerate(random.random(25).tolist())})
        if step in (60, 259):
            memory.append(process.memory_info().rss / 1e6)
    session.writer.close()
    assert memory[1] - memory[0] < 2


def hyperparameters(path) -> tuple[dict, list[str]]:
    """Settings and names of the metrics that the HParams page reads, and nothing else that `finish` wrote."""
    settings, metrics = {}, []
    for file in path.rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                content = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
                assert value.tag.startswith("_hparams_"), f"a single dot: {value.tag}"
                for key, item in content.session_start_info.hparams.items():
                    settings[key] = getattr(item, item.WhichOneof("kind"))
                metrics += [info.name.tag for info in content.experiment.metric_infos]
    return settings, metrics


def test_a_table_of_runs_shows_the_settings_that_differ(repository, tmp_path):
    """And the main ones; the metrics are the validation's curves."""
    path = repository / "experiments" / "tiny.json"

    def ended(name, *overrides):
        session = Session(load_experiment(path, list(overrides)), RunFolder(tmp_path / name), History(tmp_path / "h"))
        with session.folder.claim(session.experiment):
            pass
        session.history.add(8, "pretraining", {"validation/psnr_y": 30.0, "validation/bicubic_psnr_y": 29.0})
        session.writer = tf.summary.create_file_writer(str(session.folder.logs))
        finish(session)
        return hyperparameters(session.folder.logs)

    main = {
        "data.batch_size": 4.0,
        "data.patch_size": 32.0,
        "generator.class_name": "SRResNet",
        "stages.0.generator_optimizer.config.learning_rate": 1e-3,
        "stages.1.generator_optimizer.config.learning_rate": 1e-4,
        "stages.1.discriminator_optimizer.config.learning_rate": 1e-4,
    }
    assert ended("first") == (main, ["validation/psnr_y"])
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "experiment.json").write_text("{")
    settings, _ = ended("second", "stages.1.adversarial.weight=0.01", "seed=3")
    assert settings == main | {"stages.1.adversarial.weight": 0.01, "seed": 3.0}
    others = [f"{name}_every={number}" for number, name in enumerate(("log", "validate", "checkpoint"), 2)]
    others += ["patience=7", "ema_decay=0.9", "generator.config.filters=12", "stages.0.content.0.weight=0.5"]
    settings, _ = ended("third", *others)
    assert {"generator.config.filters", "stages.0.content.0.weight"} <= settings.keys()
    assert len(settings) == len(main) + 5, "a table of everything shows nothing"
