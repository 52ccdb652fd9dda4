"""Scale and offset per channel; one pair can serve several normalizations or a residual branch."""

import keras


@keras.saving.register_keras_serializable("sr_gan_tf")
class ChannelAffine(keras.layers.Layer):
    """x * scale + offset, one pair per channel; starts as the identity.

    Args:
        offset: whether an offset is added.
    """

    footprint = (0, 0, 1)  # pixel by pixel

    def __init__(self, offset: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.use_offset = offset

    def build(self, input_shape):
        self.scale = self.add_weight(shape=input_shape[-1:], initializer="ones", name="scale")
        if self.use_offset:
            self.offset = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="offset")

    def call(self, inputs):
        x = inputs * self.scale
        return x + self.offset if self.use_offset else x

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "offset": self.use_offset}
