"""A tiny network and a photograph for the tests of the upscale command."""

import numpy as np
import pytest
from skimage import data
from tiny import faithful_generator

from sr_gan_tf.networks import Generator
from sr_gan_tf.pictures.reading import write_image


@pytest.fixture(scope="module")
def network() -> Generator:
    return faithful_generator(1, scale=2)


@pytest.fixture(scope="module")
def model(network, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("models") / "tiny_x2.keras"
    network.save(path)
    return str(path)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    return np.ascontiguousarray(data.chelsea()[90:170, 130:240])  # (80, 110, 3)


@pytest.fixture
def photo(cat, tmp_path) -> str:
    path = tmp_path / "cat.png"
    write_image(path, cat)
    return str(path)
