"""Shared fixtures: quiet TensorFlow, float32 policy, the folders of pictures outside the repository."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
from hypothesis import settings
from tensorflow.python.framework import config as determinism

# The short form must give the same verdict every time; `--hypothesis-profile=default` draws other examples.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

REPOSITORY = Path(__file__).resolve().parent.parent


def _folder(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / name))
    if not folder.is_dir():
        pytest.skip(f"no {name} beside the repository; set {variable} to the folder")
    return folder


# Two workers share the files out in this order: those that take longest come first, so that none is left for the end.
LONGEST = ("test_resume.py", "test_dry_run.py", "test_fit.py", "test_pairs.py", "test_training.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


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


@pytest.fixture(autouse=True)
def same_start():
    """Initial weights are the same in every run; a test's precision policy and determinism end with it."""
    keras.utils.set_random_seed(20)
    yield
    keras.config.set_dtype_policy("float32")
    determinism.disable_op_determinism()
