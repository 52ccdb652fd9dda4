"""losses.png: it is drawn from whatever the history holds, and nothing of it stays in memory."""

import gc
import types
import weakref

import psutil
import pytest
from PIL import Image

from sr_gan_tf.runs.history import History
from sr_gan_tf.training import chart, validation


@pytest.fixture
def history(tmp_path):
    history = History(tmp_path / "history.csv")
    for step in (10, 20):
        history.add(step, "adversarial", {"generator_loss": 0.3, "discriminator_loss": 0.6, "BinaryCrossentropy": 0.7})
    return history


def test_a_chart_is_let_go(history, tmp_path, monkeypatch):
    made = []

    class Watched(chart.Figure):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(weakref.ref(self))

    monkeypatch.setattr(chart, "Figure", Watched)
    gc.disable()
    try:
        for _ in range(2):
            chart.draw_chart(history, tmp_path / "losses.png", "twice")
    finally:
        gc.enable()
    # Matplotlib's caches keep the last one.
    assert len(made) == 2
    assert made[0]() is None
    with Image.open(tmp_path / "losses.png") as image:
        assert image.width > 500


@pytest.mark.parametrize(("seconds", "drawn"), [(0.0, [4, 8, 10]), (1000.0, [10])])
def test_a_chart_is_drawn_unless_one_was_just_drawn(monkeypatch, seconds, drawn):
    session = types.SimpleNamespace(
        stage_step=0, history=None, folder=types.SimpleNamespace(chart=None),
        experiment=types.SimpleNamespace(validate_every=4, name="trial"),
    )  # fmt: skip
    session.due = lambda every: session.stage_step % every == 0 or session.at_stage_end
    steps = []
    monkeypatch.setattr(validation, "draw_chart", lambda *_: steps.append(session.stage_step))
    callback = validation.Chart(session, seconds)
    for session.stage_step in range(1, 11):
        session.at_stage_end = session.stage_step == 10
        callback.on_train_batch_end(0)
    assert steps == drawn


@pytest.mark.long
def test_forty_charts_leave_memory_level(history, tmp_path):
    sizes = []
    for _ in range(41):
        chart.draw_chart(history, tmp_path / "losses.png", "many times")
        sizes.append(psutil.Process().memory_info().rss / 1e6)
    print("resident MB after each tenth chart:", *(f"{size:.0f}" for size in sizes[::10]))
    assert sizes[-1] - sizes[10] < 15


def test_an_empty_history_has_an_empty_chart(tmp_path):
    chart.draw_chart(History(tmp_path / "history.csv"), tmp_path / "losses.png", "nothing yet")
    assert (tmp_path / "losses.png").exists()
