"""One tiny network exported once for all tests of the folder."""

import functools
import os

import pytest
import tensorflow as tf
from exporting import Server, calm
from tiny import tiny_generator

from sr_gan_tf.export import export
from sr_gan_tf.export_formats import transparency, verification
from sr_gan_tf.export_formats.saved_model import Serving
from sr_gan_tf.files import locked


@pytest.fixture(autouse=True)
def _no_long_timing(monkeypatch):
    """Exports are timed by one call each: what the milliseconds are is nothing that a test could judge."""
    once = functools.partial(verification.median_milliseconds, seconds=0.0)
    monkeypatch.setattr(verification, "median_milliseconds", once)


@pytest.fixture(scope="session")
def generator():
    """A SPAN that is not merged yet; x3, looks 6 pixels far."""
    return calm(tiny_generator("SPAN", merged=False, num_blocks=1))


@pytest.fixture(scope="session")
def merged(generator):
    """The same network for inference; its functions are traced once."""
    return generator.for_inference()


@pytest.fixture(scope="session")
def served(generator, tmp_path_factory):
    """Folder of a model's versions for a server, with tiles of 16 pixels and a limit of 0.05 megapixels.

    The workers of one run share it: exporting takes longer than all that looks at it.
    """
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "serving" / "tiny_span"
    folder.parent.mkdir(exist_ok=True)
    with locked(folder.with_suffix(".lock"), lambda: None):
        if not (folder / "1").is_dir():
            # Verified as it was traced; the tests let it be optimized, as a server does.
            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(transparency, "_LEVELS", 6)  # the tests' pictures have less than 64 pixels a side
                export(generator, folder, serving=Serving(tile=16, max_megapixels=0.05), license="CC0-1.0")
            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    return folder


@pytest.fixture(scope="session")
def server(served):
    return Server(served / "1")
