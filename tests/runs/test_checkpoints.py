"""Checkpoints and history: whole or not at all, damage is noticed, nothing starts afresh in silence."""

import tracemalloc

import keras
import numpy as np
import pytest

from sr_gan_tf.errors import InputError
from sr_gan_tf.runs.checkpoints import checkpoint_files, read_newest, restore, save_checkpoint
from sr_gan_tf.runs.history import History


def make_state(value: float) -> dict:
    return {
        "network": [keras.Variable(np.full((2, 3), value, "float32")), keras.Variable(np.float32(value))],
        "counters": [keras.Variable(np.int64(value), dtype="int64")],
    }


def test_round_trip_keeps_values_shapes_and_notes(tmp_path):
    save_checkpoint(tmp_path, 7, make_state(5), {"stage": 1, "best": 0.1})
    notes, tensors = read_newest(tmp_path)
    state = make_state(0)
    restore(state, tensors)
    assert notes == {"stage": 1, "best": 0.1}
    assert np.array_equal(state["network"][0], np.full((2, 3), 5))
    assert int(state["counters"][0]) == 5


def test_only_the_last_two_are_kept(tmp_path):
    for step in (9, 10, 100):
        save_checkpoint(tmp_path, step, make_state(step), {})
    assert [path.name for path in checkpoint_files(tmp_path)] == [
        "step_000000100.safetensors",
        "step_000000010.safetensors",
    ]
    assert not [path for path in tmp_path.iterdir() if "tmp" in path.name]


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-5])


def _flip_last_bit(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _flip_bit_of_header(path):
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_truncate, _flip_last_bit, _flip_bit_of_header, _empty])
def test_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, damage):
    save_checkpoint(tmp_path, 1, make_state(1), {"step": 1})
    damage(save_checkpoint(tmp_path, 2, make_state(2), {"step": 2}))
    said = []
    notes, _ = read_newest(tmp_path, warn=said.append)
    assert notes == {"step": 1}
    assert len(said) == 1
    assert "step_000000002.safetensors is damaged" in said[0]


def test_never_a_silent_fresh_start(tmp_path):
    assert read_newest(tmp_path) is None
    _truncate(save_checkpoint(tmp_path, 1, make_state(1), {}))
    with pytest.raises(InputError, match="no checkpoint can be read"):
        read_newest(tmp_path, warn=lambda text: None)


def test_checkpoint_of_another_network_is_refused(tmp_path):
    save_checkpoint(tmp_path, 1, make_state(1), {})
    _, tensors = read_newest(tmp_path)
    state = make_state(0)
    with pytest.raises(InputError, match="has no counterpart"):
        restore({"network": state["network"]}, tensors)
    state["network"][0] = keras.Variable(np.zeros((3, 2), "float32"))
    with pytest.raises(InputError, match=r"network/00000 is \(2, 3\), expected \(3, 2\)"):
        restore(state, tensors)


def test_history_goes_back_to_a_step_and_writes_the_same_file(tmp_path):
    history = History(tmp_path / "history.csv")
    history.add(1, "first", {"loss": 0.5})
    history.add(2, "first", {"loss": 0.25})
    history.add(2, "first", {"psnr": 30.0})
    history.write()
    whole = (tmp_path / "history.csv").read_text()
    assert whole == "step,stage,loss,psnr\n1,first,0.5,\n2,first,0.25,30\n"
    again = History(tmp_path / "history.csv")
    assert again.series("psnr") == ([2], [30.0])
    again.forget_after(1)
    again.add(2, "first", {"loss": 0.25})
    again.add(2, "first", {"psnr": 30.0})
    again.write()
    assert (tmp_path / "history.csv").read_text() == whole
    assert again.row(1) == {"loss": 0.25, "psnr": 30.0}
    assert len(again) == 2
    assert again.series("loss", "second") == ([], [])
    again.forget_after(1)
    assert again.columns() == ["step", "stage", "loss"]
    again.add(3, "second", {"psnr": float("nan")})
    assert again.columns() == ["step", "stage", "loss"]
    assert len(again) == 2
    assert again.last("loss") == 0.5
    assert np.isnan(again.last("psnr"))


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "step,stage,loss\nx,first,1\n", "step,stage,loss\n1,first,high\n"])
def test_another_file_is_no_history(tmp_path, text):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(InputError, match=r"history\.csv is no history\.csv"):
        History(tmp_path / "history.csv")


def test_a_long_history_stays_small(tmp_path):
    history = History(tmp_path / "history.csv")
    names = [f"value_{index}" for index in range(25)]
    tracemalloc.start()
    for step in range(10_000):
        history.add(step, "adversarial", dict.fromkeys(names, step / 7))
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 3.5e6  # 25 columns of 8 bytes, a step and a stage: 2.2 MB
