"""Accumulation and recomputation: less memory, the same training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from seeding import start_from
from test_training import SGD, content, make_gan, make_generator
from tiny_experiments import experiment

from sr_gan_tf.config import parse_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluation.costs import graph_bytes, graph_multiply_adds
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.losses import PENALTIES
from sr_gan_tf.runs.history import History
from sr_gan_tf.training.accumulation import in_parts
from sr_gan_tf.training.advice import note_batch_statistics
from sr_gan_tf.training.assembly import build_networks, build_stage
from sr_gan_tf.training.checks import check_settings
from sr_gan_tf.training.graph_memory import peak_bytes, step_function
from sr_gan_tf.training.muon import Muon
from sr_gan_tf.training.recomputation import recomputed
from sr_gan_tf.training.run import fit
from sr_gan_tf.training.supervised import Supervised
from sr_gan_tf.training.terms import constant


@pytest.fixture
def batches():
    """Three batches of eight pairs."""
    hr = np.random.default_rng(0).random((3, 8, 16, 16, 3), "float32")
    return [(tf.constant(one[:, ::2, ::2]), tf.constant(one)) for one in hr]


def plain():
    """Few weights, and no batch statistics."""
    start_from(1)
    return GENERATORS["Compact"](scale=2, filters=4, num_convs=1)


def supervised(accumulate, optimizer=None):
    trainer = Supervised(plain(), ema_decay=0.9)
    trainer.compile(optimizer or SGD(0.1), content(), accumulate=accumulate)
    return trainer


def clipped_and_scheduled(accumulate):
    """The norm is clipped and the rate falls at the second update; parts count as neither."""
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.01])
    return supervised(accumulate, SGD(rate, momentum=0.9, global_clipnorm=0.02))


def adversarial(accumulate, **balance):
    penalty = constant("R1", PENALTIES["R1"](), 0.5)
    return make_gan(optimizer=lambda rate: SGD(rate / 10), balance=balance, penalties=[penalty], accumulate=accumulate)


def trained(trainer, batches, graph=True):
    step = tf.function(trainer.train_step) if graph else trainer.train_step
    logs = [{name: float(value) for name, value in step(batch).items()} for batch in batches]
    return [value.numpy() for part in trainer.state().values() for value in part], logs


KINDS = {
    "supervised": supervised,
    "clipped and scheduled": clipped_and_scheduled,
    "Muon": lambda accumulate: supervised(accumulate, Muon(1e-3)),
    "adversarial": adversarial,
    "two steps of the discriminator, historical averaging": lambda accumulate: adversarial(
        accumulate, discriminator_steps=2, historical_averaging=0.1
    ),
    "every other step, warm-up": lambda accumulate: adversarial(
        accumulate, discriminator_every=2, discriminator_warm_up=2
    ),
    "resting by accuracy": lambda accumulate: adversarial(accumulate, accuracy_bound=0.45, adaptive_d=0.49),
}


@pytest.mark.parametrize("kind", KINDS)
def test_parts_give_the_same_weights_and_logs_as_the_whole_batch(kind, batches, monkeypatch):
    monkeypatch.setattr("test_training.make_generator", plain)
    trainer = KINDS[kind](1)
    start = [value.numpy() for value in trainer.state()["generator"]]
    expected, whole = trained(trainer, batches, graph=False)  # three steps take less than a graph
    assert max(np.abs(a - b).max() for a, b in zip(start, expected, strict=False)) > 5e-5
    got, parts = trained(KINDS[kind](4), batches)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    for ours, theirs in zip(parts, whole, strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert ours[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_parts_are_the_same_without_a_graph(batches):
    expected, _ = trained(supervised(4), batches)
    got, _ = trained(supervised(4), batches, graph=False)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_batch_that_cannot_be_divided_is_refused(batches):
    with pytest.raises(tf.errors.InvalidArgumentError, match="the batch cannot be split into 3 equal parts"):
        supervised(3).train_step(batches[0])
    with pytest.raises(ValueError, match="accumulate: 0 is too small; expected 1 or more"):
        supervised(0)


def test_parts_of_unknown_size_are_joined_in_order():
    @tf.function(input_signature=[tf.TensorSpec((None, None, 3))])
    def run(pictures):
        return in_parts(3, lambda part: (tf.reduce_mean(part), part + 1), pictures)

    pictures = tf.random.normal((6, 2, 3))
    mean, joined = run(pictures)
    assert float(mean) == pytest.approx(float(tf.reduce_mean(pictures)), abs=1e-6)
    np.testing.assert_allclose(joined, pictures + 1)


@pytest.fixture
def plain_blocks(monkeypatch):
    """Blocks to recompute that take a third of the time to trace: MSRResNet's, of two convolutions instead of 15."""
    names = lambda network: ["first_activation", *(f"block{n}" for n in range(1, network.num_blocks + 1))]  # noqa: E731
    monkeypatch.setattr(GENERATORS["MSRResNet"], "block_names", names, raising=False)


@pytest.mark.usefixtures("plain_blocks")
def test_a_run_counts_updates_and_resumes(tmp_path):
    """Two batches of two to an update draw the samples of one of four, and give its losses."""

    def run(folder, steps, batch_size, **settings):
        raw = experiment(generator="MSRResNet", **settings)
        raw["data"] |= {"cache_dir": str(tmp_path / "cache"), "batch_size": batch_size, "validation": []}
        raw |= {"log_every": 1, "validate_every": 2, "checkpoint_every": 1, "trackers": []}
        raw["stages"][0] |= {"steps": steps}
        fit(parse_experiment(raw, "x.json"), tmp_path / folder, say=lambda line: None)
        return History(tmp_path / folder / "history.csv").series("generator_loss")

    whole = run("whole", 4, batch_size=4)
    run("parts", 2, batch_size=2, accumulate=2, recompute=True)
    parts = run("parts", 4, batch_size=2, accumulate=2, recompute=True)
    assert parts[0] == whole[0] == [1, 2, 3, 4]
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-4)


def rrdbnet(num_blocks, **form):
    keras.utils.set_random_seed(0)
    return GENERATORS["RRDBNet"](filters=8, num_blocks=num_blocks, growth=4, bicubic_skip=True, **form)


FORMS = [{}, {"scale": 2, "inner_skips": True}, {"scale": 2, "unshuffle": False}]


@pytest.mark.parametrize(("form", "graph"), [(FORMS[0], False), (FORMS[1], False), (FORMS[2], True)])
def test_recomputation_has_the_same_gradients(form, graph):
    """A graph of each form takes longer than its few steps without one."""
    network = rrdbnet(1 if form else 2, **form)
    lr = tf.random.stateless_uniform((2, 8, 8, 3), (1, 2))
    run = recomputed(network)

    def gradients(paint):
        with tf.GradientTape() as tape:
            sr = paint(lr)
            loss = tf.reduce_mean(tf.square(sr - 0.3))
        return sr, tape.gradient(loss, [weight.value for weight in network.trainable_variables])

    network.get_layer("last_conv").kernel.assign(tf.random.stateless_normal((3, 3, 8, 3), (3, 4)) / 10)
    gradients = tf.function(gradients) if graph else gradients
    sr, expected = gradients(lambda pictures: network(pictures, training=True))
    again, got = gradients(run)
    np.testing.assert_allclose(again, sr, atol=1e-6)
    for ours, theirs in zip(got, expected, strict=True):
        assert np.abs(theirs).max() > 0
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def peaks(network):
    """Of the whole step; in parts; with recomputation; with both."""
    shapes = [(4, 16, 16, 3), (4, 16 * network.scale, 16 * network.scale, 3)]
    for arguments in ({}, {"accumulate": 4}, {"recompute": True}, {"recompute": True, "accumulate": 4}):
        trainer = Supervised(network, ema_decay=0.9)
        trainer.compile(SGD(0.1), content(), **arguments)
        yield peak_bytes(step_function(trainer, shapes))


@pytest.mark.usefixtures("plain_blocks")
def test_both_take_less_memory_by_the_graph():
    keras.utils.set_random_seed(0)
    whole, parts, again, both = peaks(GENERATORS["MSRResNet"](scale=1, filters=8, num_blocks=3))
    assert parts < 0.4 * whole
    assert again < 0.8 * whole
    assert both < 0.3 * whole


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_both_take_less_memory_by_the_graph_of_an_rrdbnet(form):
    whole, parts, again, both = peaks(rrdbnet(2, **form))
    assert parts < 0.4 * whole
    assert again < 0.8 * whole
    assert both < 0.3 * whole


def test_the_products_of_a_loop_are_not_counted():
    shapes = [(4, 8, 8, 3), (4, 16, 16, 3)]
    assert graph_multiply_adds(step_function(supervised(1), shapes)) > 0
    assert graph_bytes(step_function(supervised(1), shapes)) > 0
    assert graph_multiply_adds(step_function(supervised(4), shapes)) is None
    assert graph_bytes(step_function(supervised(4), shapes)) is None


@pytest.mark.parametrize("generator", ["SPAN", "Compact", "SRResNet"])
def test_a_network_without_blocks_is_refused(generator):
    parsed = parse_experiment(experiment(generator=generator, recompute=True), "x.json")
    with pytest.raises(InputError, match=r"stages\.0\.recompute: .* has no blocks to recompute.*; remove recompute"):
        build_stage(parsed, 0, build_networks(parsed))


@pytest.mark.parametrize("key", ["generator_optimizer", "discriminator_optimizer"])
def test_batches_are_not_accumulated_twice(key):
    raw = experiment(discriminator="TinyDiscriminator", accumulate=2)
    raw["stages"][0][key]["config"]["gradient_accumulation_steps"] = 4
    with pytest.raises(InputError, match=rf"{key}\.config\.gradient_accumulation_steps: the stage already accumulates"):
        check_settings(parse_experiment(raw, "x.json"))


@pytest.mark.parametrize("setting", [{"accumulate": 2}, {"recompute": True}])
def test_distribution_refuses_both(setting):
    raw = experiment(generator="RRDBNet", **setting)
    raw["distribution"] = "mirrored"
    said = rf"stages\.0\.{next(iter(setting))}: .* distribution.*; remove one of them"
    with pytest.raises(InputError, match=said):
        check_settings(parse_experiment(raw, "x.json"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"normalization": "none"}, None),
        ({}, "the generator's batch normalization uses the statistics of one batch, not of all 4"),
    ],
)
def test_a_note_names_what_sees_one_batch(arguments, said):
    trainer = Supervised(make_generator(**arguments))
    lines: list[str] = []
    trainer.compile(SGD(0.1), content())
    note_batch_statistics(trainer, 0, lines.append)
    assert not lines
    trainer.compile(SGD(0.1), content(), accumulate=4)
    note_batch_statistics(trainer, 0, lines.append)
    assert lines == ([f"note: stages.0.accumulate: {said}"] if said else [])


def test_the_note_names_a_relativistic_loss():
    lines: list[str] = []
    note_batch_statistics(make_gan("RelativisticAverage", accumulate=2), 1, lines.append)
    assert lines == ["note: stages.1.accumulate: the relativistic loss uses the statistics of one batch, not of all 2"]
