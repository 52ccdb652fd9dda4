"""Shared fixtures: quiet TensorFlow, float32 policy, the folders of pictures outside the repository.

TensorFlow is imported by fixtures only: the process that starts the workers reads this file, too, and they wait for it.
"""

import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def _folder(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / name))
    if not folder.is_dir():
        pytest.skip(f"no {name} beside the repository; set {variable} to the folder")
    return folder


# The workers share the files out in this order: those that take longest come first, so that none is left for the end.
LONGEST = (
    "test_saving_memory.py", "test_page.py", "test_pytorch_files.py", "test_faults.py", "test_keras_files.py",
    "test_saved_model.py", "test_generators.py", "test_keras_fit.py", "test_fit.py", "test_discriminators.py",
    "test_initial_weights.py", "test_from_python.py", "test_experiments.py", "test_defaults.py",
    "test_keras_compile.py", "test_training.py", "test_other_formats.py", "test_benchmark.py", "test_losses.py",
    "test_pytorch_forms.py", "test_prolong.py", "test_fine_tuning.py", "test_tiling.py", "test_weights.py",
    "test_application_formats.py", "test_documents.py", "test_coverage.py", "test_bad_input.py",
    "test_properties.py", "test_pytorch_weights.py", "test_balance.py", "test_deploying.py", "test_graph_tiles.py",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """The short form gives the same verdict every time; `--hypothesis-profile=default` draws other examples.

    Hypothesis is imported where tests run only: the workers wait for the process that starts them.
    """
    if config.getoption("dist", "no") == "no":
        from hypothesis import settings

        settings.register_profile("same", derandomize=True)
        settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """Leaves what the imports made out of garbage collections, which took a tenth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 20)


def pytest_sessionfinish() -> None:
    """Writes the measurement of coverage, if there is one: pytest-xdist kills a worker that is slow to end."""
    write = getattr(sys.modules.get("sitecustomize"), "write", None)
    if write is not None:
        write()


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def benchmarks() -> Path:
    """Set5 and Set14 with the published LR pictures: SET/x2|x4/HR|LR/imgNNN.png."""
    return _folder("SR_GAN_TF_BENCHMARKS", "benchmarks")


@pytest.fixture(scope="session")
def photos() -> Path:
    """Training photographs: train/*.webp, valid/*.webp."""
    return _folder("SR_GAN_TF_PHOTOS", "photos")


# They look at the chart of a training.
CHARTS = ("test_fit", "test_chart")


@pytest.fixture(autouse=True, scope="module")
def no_charts(request):
    """Elsewhere no chart is drawn: it takes as long as a tiny training itself."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ not in CHARTS:
            patch.setattr("sr_gan_tf.training.validation.draw_chart", lambda history, path, title: None)
        yield


@pytest.fixture(autouse=True, scope="module")
def same_numbers():
    """TensorFlow's own random numbers are the same in every run of a file."""
    import tensorflow as tf

    tf.random.set_seed(20)


# The folders whose tests run each graph a few times, and their files that look at graphs as users run them.
PLAIN = (
    "benchmarks", "data", "examples", "films", "registry", "reliability", "tests", "training", "weights",
)  # fmt: skip
OPTIMIZED = (
    "test_compiled_experiments", "test_fit_overhead", "test_keras_compile", "test_pairs", "test_training_economy",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def plain_graphs(request):
    """Graphs run as they were traced: TensorFlow's optimization of a graph takes longer than the few runs of a test."""
    import tensorflow as tf

    plain = request.path.parent.name in PLAIN and request.path.stem not in OPTIMIZED
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": plain})


@pytest.fixture(autouse=True)
def same_start():
    """Initial weights are the same in every run; a test's precision policy and determinism end with it."""
    import keras
    from seeding import start_from
    from tensorflow.python.framework import config as determinism

    start_from(20)
    yield
    keras.config.set_dtype_policy("float32")
    determinism.disable_op_determinism()


@pytest.fixture
def no_random_weights(monkeypatch):
    """Kernels start as zeros: drawing millions of random numbers takes longer than the rest of a large network."""
    import keras

    zeros = lambda initializer, shape, dtype=None: keras.ops.zeros(shape, dtype)  # noqa: E731
    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)


@pytest.fixture(autouse=True)
def no_parts_are_left():
    """What a test allows with `--import` ends with it; its environment variable would reach other tests' processes."""
    from sr_gan_tf.registry import imports

    before, allowed = os.environ.get(imports.VARIABLE), dict(imports._allowed)
    yield
    os.environ.pop(imports.VARIABLE, None)
    if before is not None:
        os.environ[imports.VARIABLE] = before
    imports._allowed.clear()
    imports._allowed.update(allowed)
