"""PyTorch checkpoints in the other forms that are published: older names, merged, without parts, other ranges."""

import numpy as np
import pytest
from references import assert_equal_to_reference, reference

from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.pytorch_checkpoints.pytorch import network_of


@pytest.mark.parametrize("name", ["span_c8_x2", "span_c8_x4", "span_c8_x4_nonorm"])
def test_merged_span_equals_the_reference(name):
    """All other files, and SPAN's training form, are compared in tests/pytorch_checkpoints/test_pytorch_weights.py."""
    state, images, expected = reference(name)
    assert_equal_to_reference(network_of(state, name).for_inference()(images), expected)


def test_shared_residual_equals_both_references():
    """With running statistics as published, and with the batch's own, in both forms of the network."""
    state, images, by_running_statistics = reference("shared_residual_f8_eval")
    published = network_of(state, "shared_residual_f8_eval")
    pictures = (images + 1) / 2
    assert_equal_to_reference(2 * published(pictures).numpy() - 1, by_running_statistics)

    state, images, by_batch = reference("shared_residual_f8_batch")
    published = network_of(state, "shared_residual_f8_batch")
    assert_equal_to_reference(2 * published(pictures, training=True).numpy() - 1, by_batch)
    generator = GENERATORS["SharedResidual"](filters=8)
    for layer in generator.layers:
        if layer.name == "affine":
            layer.set_weights(published.get_layer("norm").get_weights()[:2])
        elif layer.weights and not layer.name.startswith("statistics"):
            layer.set_weights(published.get_layer(layer.name).get_weights())
    assert_equal_to_reference(2 * generator(pictures, training=True).numpy() - 1, by_batch)


@pytest.mark.parametrize("form", ["RRDB_trunk", "model"])
def test_older_names_of_rrdbnet(form):
    """The same network under the names of ESRGAN's own file and of its first publication."""
    state, images, expected = reference("rrdbnet_f8_b2_g4_x4")
    renamed = {}
    for key, value in state.items():
        if form == "RRDB_trunk":
            key = key.replace("body.", "RRDB_trunk.").replace("rdb", "RDB").replace("conv_RRDB_trunk", "trunk_conv")
            key = key.replace("conv_up", "upconv").replace("conv_hr", "HRconv")
        else:
            parts = {"conv_first": "0", "conv_body": "1.sub.2", "conv_up1": "3", "conv_up2": "6", "conv_hr": "8"}
            head, _, tail = key.partition(".")
            if head == "body":
                block, dense, conv, kind = tail.split(".")
                key = f"model.1.sub.{block}.{dense.upper()}.{conv}.0.{kind}"
            else:
                key = f"model.{parts.get(head, '10')}.{tail}"
        renamed[key] = value
    assert not set(renamed) & set(state) - {
        f"conv_{end}.{kind}" for end in ("first", "last") for kind in ("weight", "bias")
    }
    assert_equal_to_reference(network_of(renamed, form)(images), expected)


def test_span_from_merged_convolutions_alone():
    """Files for inference hold `eval_conv` only; those for training may hold both."""
    state, images, expected = reference("span_c8_x4")
    merged = network_of(state, "span").for_inference()
    plain = dict(state)
    for layer in merged.layers:
        if layer.name in ("first", "body") or layer.name[-5:-1] == "conv":
            source = {"first": "conv_1", "body": "conv_2"}.get(layer.name)
            source = source or layer.name.replace("block", "block_").replace("_conv", ".c") + "_r"
            kernel, bias = layer.get_weights()
            plain = {key: value for key, value in plain.items() if not key.startswith(f"{source}.")}
            plain |= {f"{source}.eval_conv.weight": kernel.transpose(3, 2, 0, 1), f"{source}.eval_conv.bias": bias}
    generator = network_of(plain, "span")
    assert generator.merged
    assert generator.count_params() == merged.count_params()
    assert_equal_to_reference(generator(images), expected)
    both = state | {key: value for key, value in plain.items() if "eval_conv" in key}
    assert not network_of(both, "span").merged


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_compact_without_slopes(activation):
    state, _, _ = reference("compact_f8_c3_x4")
    if activation == "relu":
        state = {key: value for key, value in state.items() if value.ndim != 1 or key.endswith("bias")}
    assert network_of(state, "compact").activation == activation


def test_msrresnet_scales_are_told_from_the_weights():
    state, _, _ = reference("msrresnet_f8_b2_x4")
    state = {key: value for key, value in state.items() if not key.startswith("upconv2")}
    assert network_of(state, "x2").scale == 2
    state["upconv1.weight"], state["upconv1.bias"] = np.zeros((72, 8, 3, 3), np.float32), np.zeros(72, np.float32)
    assert network_of(state, "x3").scale == 3
    state["upconv1.weight"] = np.zeros((70, 8, 3, 3), np.float32)
    with pytest.raises(InputError, match="70 channels before the pixel shuffle"):
        network_of(state, "broken")
