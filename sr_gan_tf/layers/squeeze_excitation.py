"""Squeeze-and-excitation gates for a map of features (N, H, W, C), as MetaGAN uses them.

Spatial and channel gates: Roy et al. 2018 (arXiv:1803.02579), with hard sigmoids, and biases in every dense layer.
"""

import math
from typing import Literal

import keras
from keras import layers, ops

EXCITATIONS = ("sse", "cse", "csse")


@keras.saving.register_keras_serializable("sr_gan_tf")
class Excitation(layers.Layer):
    """(N, H, W, C) to the same shape: the input times a gate in [0, 1].

    Args:
        kind: `"sse"`, one gate per position, from its channels; `"cse"`, one gate per channel, from the average
            over all positions; `"csse"`, the larger of the two products.
    """

    def __init__(self, kind: Literal["sse", "cse", "csse"], **kwargs):
        super().__init__(**kwargs)
        if kind not in EXCITATIONS:
            raise ValueError(f"kind: {kind!r} is not known; expected one of {', '.join(map(repr, EXCITATIONS))}")
        self.kind = kind
        self.footprint = (0, 0, 1) if kind == "sse" else (-math.inf, math.inf, 1)

    def build(self, input_shape):
        channels = input_shape[-1]
        if self.kind != "cse":
            self.position_gate = layers.Dense(1, activation="hard_sigmoid", dtype=self.dtype_policy, name="position")
            self.position_gate.build((None, channels))
        if self.kind != "sse":
            self.squeeze = layers.Dense(channels // 2, activation="relu", dtype=self.dtype_policy, name="squeeze")
            self.squeeze.build((None, channels))
            self.excite = layers.Dense(channels, activation="hard_sigmoid", dtype=self.dtype_policy, name="excite")
            self.excite.build((None, channels // 2))

    def call(self, inputs):
        if self.kind == "sse":
            return inputs * self.position_gate(inputs)
        by_channel = inputs * self.excite(self.squeeze(ops.mean(inputs, axis=(1, 2), keepdims=True)))
        if self.kind == "cse":
            return by_channel
        return ops.maximum(inputs * self.position_gate(inputs), by_channel)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}
