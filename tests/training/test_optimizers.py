"""Adam in one operation is Keras's Adam; Muon's steps are orthogonal; what a setting may be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.training.adam import Adam
from sr_gan_tf.training.muon import Muon, orthogonalized
from sr_gan_tf.training.optimizers import build_optimizer
from sr_gan_tf.training.schedules import SCHEDULES, build_schedule


def stepper(optimizer, variable, compiled: bool):
    def step(gradient):
        optimizer.apply([gradient], [variable])

    return tf.function(step, jit_compile=True) if compiled else step


@pytest.mark.parametrize("settings", [{}, {"beta_1": 0.5, "epsilon": 1e-3, "global_clipnorm": 0.5}, {"amsgrad": True}])
@pytest.mark.parametrize("compiled", [False, True])
def test_adam_is_kerass(settings, compiled):
    random = np.random.default_rng(0)
    start = random.normal(size=(7, 5)).astype("float32")
    pairs = []
    for family in (Adam, keras.optimizers.Adam):
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.01])
        optimizer, variable = family(rate, **settings), keras.Variable(start)
        optimizer.build([variable])
        pairs.append((variable, optimizer, stepper(optimizer, variable, compiled)))
    for _ in range(4):
        gradient = tf.constant(random.normal(size=(7, 5)), tf.float32)
        for *_, step in pairs:
            step(gradient)
    (own, mine, _), (other, theirs, _) = pairs
    np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-6)
    assert [v.shape for v in mine.variables] == [v.shape for v in theirs.variables]
    for first, second in zip(mine.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-7)


def test_adam_takes_one_operation_a_variable():
    optimizer = build_optimizer(Spec("Adam", {"learning_rate": 0.1}), "here")
    variables = [keras.Variable(np.zeros(3, "float32")) for _ in range(2)]
    optimizer.build(variables)
    graph = tf.function(lambda: optimizer.apply([tf.ones(3)] * 2, variables)).get_concrete_function().graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 2
    assert "Sqrt" not in kinds


def test_a_cosine_continues_where_an_earlier_run_was():
    config = {"initial_learning_rate": 1e-5, "warmup_target": 1e-3, "warmup_steps": 10, "decay_steps": 90}
    whole = build_schedule(Spec("CosineDecay", config), "rate")
    rest = build_schedule(Spec("CosineDecay", {**config, "first_step": 40}), "rate")
    assert [float(rest(step)) for step in range(60)] == [float(whole(step + 40)) for step in range(60)]
    with pytest.raises(InputError, match="first_step: -1 is too small"):
        build_schedule(Spec("CosineDecay", {**config, "first_step": -1}), "rate")


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (12, 12)])
def test_singular_values_come_close_to_one(shape):
    matrix = np.random.default_rng(1).normal(size=shape).astype("float32")
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    found = orthogonalized(tf.constant(1e-3 * matrix)).numpy()
    values = np.linalg.svd(found, compute_uv=False)
    assert values.min() > 0.5
    assert values.max() < 1.3
    # The directions are those of the matrix itself.
    turned = left.T @ found @ right.T
    np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=2e-3)
    assert not orthogonalized(tf.zeros(shape)).numpy().any()


def test_muon_moves_all_directions_of_a_kernel_alike():
    """The step on a convolution's kernel is the orthogonal matrix, sized like Adam's; a bias gets Adam's own step."""
    random = np.random.default_rng(2)
    kernel, bias = keras.Variable(np.zeros((3, 3, 8, 6), "float32")), keras.Variable(np.zeros(6, "float32"))
    gradients = [random.normal(size=v.shape).astype("float32") for v in (kernel, bias)]
    optimizer = Muon(0.01, newton_schulz_steps=5, rms=0.3)
    optimizer.apply([tf.constant(g) for g in gradients], [kernel, bias])
    step = kernel.numpy().reshape(72, 6)
    ahead = 1.95 * gradients[0].reshape(72, 6)
    expected = -0.01 * 0.3 * 72**0.5 * orthogonalized(tf.constant(ahead)).numpy()
    np.testing.assert_allclose(step, expected, atol=1e-6)
    assert 0.5 < np.sqrt(np.mean(step**2)) / (0.01 * 0.3) < 1.3
    np.testing.assert_allclose(bias.numpy(), -0.01 * np.sign(gradients[1]), rtol=1e-3)


def test_muon_continues_from_its_slots_and_configuration():
    random = np.random.default_rng(3)
    gradients = [tf.constant(random.normal(size=(3, 3, 4, 5)), tf.float32) for _ in range(4)]
    whole, half = keras.Variable(np.ones((3, 3, 4, 5), "float32")), keras.Variable(np.ones((3, 3, 4, 5), "float32"))
    settings = {"learning_rate": 0.1, "weight_decay": 0.1, "global_clipnorm": 2.0, "momentum": 0.8}
    first = build_optimizer(Spec("Muon", settings), "here")
    for gradient in gradients:
        first.apply([gradient], [whole])
    second = build_optimizer(Spec("Muon", settings), "here")
    for gradient in gradients[:2]:
        second.apply([gradient], [half])
    third = Muon.from_config(second.get_config())
    third.build([half])
    for ours, theirs in zip(third.variables, second.variables, strict=True):
        ours.assign(theirs)
    for gradient in gradients[2:]:
        third.apply([gradient], [half])
    np.testing.assert_allclose(half, whole, atol=1e-6)


@pytest.mark.parametrize("setting", [{"momentum": 1.0}, {"newton_schulz_steps": 0}, {"rms": 0.0}])
def test_muon_refuses(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        build_optimizer(Spec("Muon", setting), "here")


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Muon", "SGD"])
def test_a_weight_decay_that_erases_the_network(name):
    settings = {"learning_rate": 0.01, "weight_decay": 100.0}
    with pytest.raises(InputError, match=r"weight_decay: 100 times the learning rate 0.01 sets all weights to 0"):
        build_optimizer(Spec(name, settings), "here")
    schedule = {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.01, "decay_steps": 100}}
    with pytest.raises(InputError, match="expected less than 100"):
        build_optimizer(Spec(name, settings | {"learning_rate": schedule}), "here", 100)
    assert build_optimizer(Spec(name, settings | {"weight_decay": 50.0}), "here").weight_decay == 50


def rate(name: str, **config) -> dict:
    return {"class_name": name, "config": config}


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("Adam", {"use_ema": True}, "use_ema: has no effect, because the run keeps its own average: set ema_decay"),
        ("Adam", {"ema_momentum": 0.9}, "ema_momentum: has no effect"),
        ("SGD", {"loss_scale_factor": 1024.0}, "loss_scale_factor: has no effect, because losses are not scaled"),
        ("Adam", {"loss_scale_factor": 0}, "loss_scale_factor: has no effect"),
        ("Adam", {"ema_momentum": 0.0}, "ema_momentum: has no effect"),
        ("Adam", {"gradient_accumulation_steps": 0}, "gradient_accumulation_steps: expected a whole number from 2"),
        ("Adam", {"gradient_accumulation_steps": 101}, "101 is more than the stage's 100 steps"),
        ("Adam", {"name": "mine"}, "name: has no effect"),
        ("Adam", {"beta_1": 1.5}, r"beta_1: expected a number from 0 to below 1, found 1.5"),
        ("Adam", {"beta_1": -1.0}, "beta_1: expected"),
        ("Adam", {"beta_2": 1.0}, "beta_2: expected"),
        ("Adam", {"beta_1": 1 - 1e-9}, "beta_1: expected at most 0.9999999, because float32 rounds"),
        ("RMSprop", {"rho": 1.0}, "rho: expected"),
        ("Adam", {"epsilon": -1.0}, "epsilon: expected a number above 0"),
        ("Adam", {"global_clipnorm": -1.0}, "global_clipnorm: expected a number above 0"),
        ("Adam", {"clipvalue": 0}, "clipvalue: expected a number above 0"),
        ("Adam", {"weight_decay": -0.1}, "weight_decay: expected a number from 0"),
        ("Adam", {"learning_rate": 0}, "learning_rate: expected a number above 0 or a schedule, found 0"),
        ("Adam", {"learning_rate": True}, "learning_rate: expected a number"),
        ("Adam", {"amsgrad": "yes"}, "amsgrad: expected true or false, found 'yes'"),
        ("RMSprop", {"centered": 1}, "centered: expected true or false, found 1"),
        *(
            ("Adam", {"learning_rate": rate(name, initial_learning_rate=1e-3, decay_steps=9, **config)}, said)
            for name, config, said in (
                ("PolynomialDecay", {"power": "1"}, "config.power: expected a number, found '1'"),
                ("PolynomialDecay", {"cycle": 1}, "config.cycle: expected true or false, found 1"),
                ("ExponentialDecay", {"decay_rate": [0.5]}, r"config.decay_rate: expected a number, found \[0.5\]"),
            )
        ),
        (
            "Adam",
            {"learning_rate": rate("PiecewiseConstantDecay", boundaries=[10], values=[1e-3, "0"])},
            "config.values: expected a list of numbers",
        ),
        (
            "Adam",
            {"learning_rate": rate("PiecewiseConstantDecay", boundaries=10, values=[1e-3, 1e-4])},
            "config.boundaries: expected a list of numbers, found 10",
        ),
        ("SGD", {"nesterov": True}, "nesterov: has no effect without momentum"),
        (
            "Adam",
            {"learning_rate": rate("CosineDecay", initial_learning_rate=-1e-3, decay_steps=9)},
            "is -0.001 at step",
        ),
        (
            "Adam",
            {"learning_rate": rate("PiecewiseConstantDecay", boundaries=[10], values=[1e-3, -1e-3])},
            "learning_rate: is -0.001 at step 11",
        ),
        (
            "Adam",
            {"learning_rate": rate("PiecewiseConstantDecay", boundaries=[10, 5], values=[3e-3, 1e-3, 1e-4])},
            "boundaries: expected increasing steps",
        ),
        (
            "Adam",
            {"learning_rate": rate("CosineDecay", initial_learning_rate=1e-3, decay_steps=1)},
            "learning_rate: is 0 at step 97 of the stage's 100, so nothing is learned after it",
        ),
        (
            "Adam",
            {"learning_rate": rate("CosineDecay", initial_learning_rate=1e-3, decay_steps=200, warmup_steps=5)},
            "warmup_steps and warmup_target have no effect without each other",
        ),
    ],
)
def test_optimizers_refuse_what_the_train_step_would_not_honor(name, config, said):
    with pytest.raises(InputError, match=said):
        build_optimizer(Spec(name, config), "stages.0.generator_optimizer", steps=100)


def test_optimizers_take_whole_numbers_and_schedules_that_end_with_the_stage():
    assert float(build_optimizer(Spec("SGD", {"learning_rate": 1}), "here").learning_rate) == 1
    cosine = rate("CosineDecay", initial_learning_rate=0.0, decay_steps=100, warmup_target=1e-3, warmup_steps=5)
    build_optimizer(Spec("Adam", {"learning_rate": cosine, "use_ema": False}), "here", steps=100)
    assert float(build_schedule(Spec(**cosine), "here")(5)) == pytest.approx(1e-3)
    assert set(SCHEDULES) >= {"CosineDecay", "PiecewiseConstantDecay"}
