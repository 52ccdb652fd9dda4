"""Writes a network as a PyTorch checkpoint in the layout of its published network, `.safetensors` or `.pth`.

Programs that use the library spandrel (chaiNNer, ComfyUI) recognize architecture, scale and channels from the names and
shapes of the weights. The written file is read back by the reader of published checkpoints, which is tested against the
output of the published code, and compared with the Keras model.
"""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.export_formats import verification
from sr_gan_tf.files import replacing
from sr_gan_tf.networks import Generator, Network
from sr_gan_tf.pytorch_checkpoints.pytorch import network_of, read_state
from sr_gan_tf.pytorch_checkpoints.writing import state_of, write_checkpoint

FORMATS = ("safetensors", "pth")
# In dB, for float16 weights: lower values indicate a broken file, not rounding.
_LEAST_PSNR = 40.0


def write_pytorch(network: Network, path: Path, half: bool = False) -> verification.Agreement:
    """Writes a checkpoint, reads it back and compares.

    Args:
        network: a generator or discriminator; one that isn't merged keeps its form for training.
        path: the file, `.safetensors` or `.pth`.
        half: store weights as float16.

    Raises:
        InputError: the published layout cannot represent this network, or its values differ; nothing was written.
    """
    state = state_of(network)
    with replacing(path) as temporary:
        write_checkpoint(temporary, state, half)
        again = network_of(read_state(temporary), str(path))
        name = f"{path.suffix.removeprefix('.')} {type(network).__name__}{' float16' if half else ''}"
        if isinstance(network, Generator):
            agreement = verification.compare(name, temporary, _predict(again), network)
            values = verification.largest_value(network)
        else:
            agreement, values = _compare_discriminators(name, temporary, again, network)
        if not half:
            verification.check(agreement, values)
        elif not agreement.psnr >= _LEAST_PSNR:
            raise InputError(
                f"{name}: {agreement.psnr:.1f} dB from the model, expected at least {_LEAST_PSNR:g} dB; nothing was "
                "written; remove --half"
            )
    return dataclasses.replace(agreement, path=path)


def _predict(network: keras.Model):
    return lambda pictures: network.predict_on_batch(pictures)


def _compare_discriminators(
    name: str, path: Path, again: keras.Model, network: keras.Model
) -> tuple[verification.Agreement, float]:
    """Compares logits of two pictures of a size that the network accepts; also returns their largest absolute value."""
    side = network.image_size or max(128, network.minimum_size)
    channels = network.inputs[0].shape[-1]
    pictures = np.concatenate([verification.photographs(2, side, side)] * (channels // 3), axis=-1)
    wanted, found = network.predict_on_batch(pictures), again.predict_on_batch(pictures)
    values = float(np.abs(wanted).max())
    difference = float(np.abs(found - wanted).max())
    error = float(np.mean(np.square((found - wanted) / max(1.0, values), dtype=np.float64)))
    psnr = float("inf") if error == 0 else -10 * float(np.log10(error))
    ours, theirs = verification.median_milliseconds(
        [lambda: again.predict_on_batch(pictures), lambda: network.predict_on_batch(pictures)]
    )
    size = verification.size_of(path)
    return verification.Agreement(name, path, size, ours, theirs, difference, psnr), values
