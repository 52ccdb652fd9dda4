"""What goes to TensorBoard: read back as it was given, and without a trace in memory."""

import types

import numpy as np
import psutil
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sr_gan_tf.training.tensorboard import show_scalars


def test_scalars_arrive_with_their_steps(tmp_path):
    session = types.SimpleNamespace(writer=tf.summary.create_file_writer(str(tmp_path)), step=7)
    show_scalars(session, {"train/loss": 0.25, "validation/psnr_y": 30.5})
    session.step = 2**33
    show_scalars(session, {"train/loss": 0.125})
    session.writer.close()
    found = EventAccumulator(str(tmp_path)).Reload()
    events = found.Tensors("train/loss")
    assert [event.step for event in events] == [7, 2**33]
    assert [tf.make_ndarray(event.tensor_proto).item() for event in events] == [0.25, 0.125]
    assert found.Tensors("validation/psnr_y")[0].step == 7
    show_scalars(types.SimpleNamespace(writer=None, step=1), {"train/loss": 0.25})


def test_a_long_training_leaves_nothing_in_memory(tmp_path):
    """Python's numbers in the place of NumPy's grow by 6 MB here."""
    session = types.SimpleNamespace(writer=tf.summary.create_file_writer(str(tmp_path)), step=0)
    process, random, memory = psutil.Process(), np.random.default_rng(0), []
    for step in range(400):
        session.step = step
        show_scalars(session, {f"train/{index}": value for index, value in enumerate(random.random(25).tolist())})
        if step in (100, 399):
            memory.append(process.memory_info().rss / 1e6)
    session.writer.close()
    assert memory[1] - memory[0] < 2
