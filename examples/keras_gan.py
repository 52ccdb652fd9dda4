"""Trains a super-resolution GAN on a folder of photographs (.png, .jpg): `python keras_gan.py PHOTOS [EPOCHS]`."""

import sys

import keras
import tensorflow as tf

from sr_gan_tf.discriminators.patchgan import PatchGAN
from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.training.gan import GAN

photos, epochs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50


def patches(subset: str) -> tf.data.Dataset:
    """Batches of (lr, hr), float32 in [0, 1]: 96x96 patches, reduced to a quarter by bicubic."""

    def pair(photo):
        hr = tf.image.random_crop(photo, (96, 96, 3)) / 255
        lr = tf.image.resize(hr, (24, 24), "bicubic", antialias=True)
        return tf.clip_by_value(lr, 0, 1), hr

    files = keras.utils.image_dataset_from_directory(
        photos, labels=None, image_size=(384, 384), crop_to_aspect_ratio=True, batch_size=None,
        validation_split=0.2, subset=subset, seed=1,
    )  # fmt: skip
    return files.map(pair).batch(8).prefetch(2)


gan = GAN(SPAN(scale=4), PatchGAN(filters=32))
gan.compile(keras.optimizers.Adam(2e-4, beta_2=0.99), "mae", metrics=["psnr_y"])
callbacks = [
    keras.callbacks.ModelCheckpoint("gan.keras", "val_psnr_y", mode="max", save_best_only=True),
    keras.callbacks.EarlyStopping("val_psnr_y", mode="max", patience=5, restore_best_weights=True),
]
gan.fit(patches("training"), validation_data=patches("validation"), epochs=epochs, callbacks=callbacks)
gan.average.for_inference().save("generator.keras")
