"""One small network for all tests of the folder."""

import pytest


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A x2 network, small and untrained, as a file."""
    import keras

    from sr_gan_tf.generators import GENERATORS

    path = tmp_path_factory.mktemp("models") / "small.keras"
    keras.utils.set_random_seed(1)
    GENERATORS["SRResNet"](scale=2, num_blocks=1, filters=8).save(path)
    return path
