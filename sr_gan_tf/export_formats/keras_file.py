"""Writes a generator in its form for inference as a `.keras` file, reloads it and compares."""

import dataclasses
from pathlib import Path

import keras

from sr_gan_tf.export_formats import verification
from sr_gan_tf.files import replacing


def write_keras(generator: keras.Model, path: Path) -> verification.Agreement:
    """Writes the file for `sr_gan_tf.load` and, with the package imported, `keras.saving.load_model`."""
    with replacing(path) as temporary:
        generator.save(temporary)
        loaded = keras.saving.load_model(temporary, compile=False, safe_mode=True)
        agreement = verification.compare("keras", temporary, loaded.predict_on_batch, generator)
        verification.check(agreement, verification.largest_value(generator))
    return dataclasses.replace(agreement, path=path)
