"""PyTorch checkpoints in the other forms that are published: older names, merged, without parts, other ranges."""

import functools

import keras
import numpy as np
import pytest
from references import assert_equal_to_reference, reference
from safetensors.numpy import save_file

from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.pytorch_checkpoints.pytorch import load_pytorch, network_of


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
    generator = GENERATORS["SharedResidual"].published(filters=8)
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


def test_compact_without_slopes_is_asked_about():
    state, _, _ = reference("compact_f8_c3_x4")
    assert network_of(state, "compact").activation == "prelu"
    state = {key: value for key, value in state.items() if value.ndim != 1 or key.endswith("bias")}
    with pytest.raises(InputError, match="do not determine its activation; pass --set 'activation=\"relu\"' or --set"):
        network_of(state, "compact")
    for activation in ("relu", "leaky_relu"):
        assert network_of(state, "compact", {"activation": activation}).activation == activation


@functools.cache
def network_of_reference(name: str) -> keras.Model:
    return network_of(reference(name)[0], name)


PREFIXES = [["module."], ["generator."], ["model."], ["net_g."], ["_orig_mod.", "module."]]


# RRDBNet's older names begin with `model.`, too.
@pytest.mark.parametrize(
    ("name", "prefixes"),
    [
        *[("compact_f8_c3_x4", prefixes) for prefixes in PREFIXES],
        ("rrdbnet_f8_b2_g4_x4", ["model."]),
        ("span_c8_x4", ["module."]),
    ],
)
def test_prefixes_of_frameworks_are_left_out(name, prefixes):
    state, _, _ = reference(name)
    expected = network_of_reference(name)
    for prefix in prefixes:
        state = {prefix + key: value for key, value in state.items()}
    # What an averaged model counts, and the other networks of a trainer, are none of this network's weights.
    others = {"n_averaged": np.array(5), "discriminator.conv0.weight": np.zeros((4, 3, 3, 3), np.float32)}
    found = network_of(state | others, name)
    for one, other in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_prefixes_in_a_file_with_what_stands_beside_them(tmp_path):
    """Counters are no weights; the average comes before what it averages; of two other networks none is guessed."""
    state, _, _ = reference("rrdbnet_f8_b2_g4_x4")
    expected = network_of(state, "here").weights
    under = lambda prefix, factor=1: {prefix + key: factor * value for key, value in state.items()}  # noqa: E731
    count = {"n_averaged": np.array(5), "step": np.array(7), "initted": np.array(True)}
    for content in (
        under("module.") | count,
        under("") | count,
        under("model.", 2) | under("ema_model.") | count,
        under("net_g.", 2) | under("net_g_ema."),
        under("sr_network.module."),
    ):
        save_file(content, tmp_path / "x.safetensors")
        for one, other in zip(load_pytorch(tmp_path / "x.safetensors").weights, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match=r"here holds several networks, one\. and two\.; save the weights of one"):
        network_of(under("one.") | under("two."), "here")
    with pytest.raises(InputError, match="has weights that it does not: extra"):
        network_of(state | {"extra": np.array(0.5, np.float32)}, "here")


@pytest.mark.parametrize(("scale", "inner_skips"), [(1, False), (2, False), (4, False), (8, False), (4, True)])
def test_esrgans_first_publication_at_every_scale(scale, inner_skips):
    """Without a pixel unshuffle; a network under these names gives back its own weights."""
    shape = {"filters": 6, "num_blocks": 2, "growth": 4, "inner_skips": inner_skips}
    network = GENERATORS["RRDBNet"].published(scale=scale, unshuffle=scale >= 4, **shape)
    random = np.random.default_rng(3)
    network.set_weights([random.normal(0.0, 0.1, weight.shape) for weight in network.weights])
    stages = int(np.log2(scale))
    numbers = {"first_conv": 0, "hr_conv": 3 * stages + 2, "last_conv": 3 * stages + 4}
    numbers |= {f"up{stage}_conv": 3 * stage for stage in range(1, stages + 1)}
    state = {}
    for layer in network.layers:
        if not layer.weights:
            continue
        if layer.name.startswith("block"):
            block, dense, part = layer.name.split("_")
            part = "conv1x1" if part == "skip" else f"{part}.0"
            name = f"1.sub.{int(block[5:]) - 1}.RDB{dense[5:]}.{part}"
        else:
            name = "1.sub.2" if layer.name == "body_conv" else numbers[layer.name]
        state[f"model.{name}.weight"] = layer.kernel.numpy().transpose(3, 2, 0, 1)
        if layer.use_bias:
            state[f"model.{name}.bias"] = layer.bias.numpy()
    found = network_of(state, "old")
    assert (found.scale, found.inner_skips) == (scale, inner_skips)
    picture = np.random.default_rng(0).random((1, 6, 5, 3), "float32")
    assert found(picture).shape == (1, 6 * scale, 5 * scale, 3)
    np.testing.assert_allclose(found(picture), network(picture), atol=1e-6)


def test_inner_skips_are_those_of_esrgan_plus():
    """One dense block by hand: the second features plus a 1x1 convolution of the input, the fourth plus the second."""
    network = GENERATORS["RRDBNet"].published(filters=4, num_blocks=1, growth=3, inner_skips=True)
    x = np.random.default_rng(0).normal(size=(1, 5, 6, 4)).astype("float32")
    features = [x]
    for index in range(1, 5):
        y = network.get_layer(f"block1_dense1_conv{index}")(np.concatenate(features, -1)).numpy()
        y = np.where(y > 0, y, 0.2 * y)
        if index == 2:
            y = y + network.get_layer("block1_dense1_skip")(x).numpy()
        if index == 4:
            y = y + features[2]
        features.append(y)
    expected = x + 0.2 * network.get_layer("block1_dense1_conv5")(np.concatenate(features, -1)).numpy()
    block = keras.Model(network.get_layer("first_conv").output, network.get_layer("block1_dense1").output)
    np.testing.assert_allclose(block(x), expected, atol=1e-5)


@pytest.mark.parametrize("form", ["recon_trunk", "BSRGAN x2"])
def test_other_names_of_the_same_networks(form):
    state, images, expected = reference("msrresnet_f8_b2_x4" if form == "recon_trunk" else "rrdbnet_f8_b2_g4_x4")
    if form == "recon_trunk":
        renamed = {key.replace("body.", "recon_trunk.").replace("conv_hr", "HRconv"): state[key] for key in state}
        assert_equal_to_reference(network_of(renamed, form)(images), expected)
        return
    renamed = {
        key.replace("body.", "RRDB_trunk.").replace("rdb", "RDB").replace("conv_RRDB_trunk", "trunk_conv")
        .replace("conv_up", "upconv").replace("conv_hr", "HRconv"): value
        for key, value in state.items() if "conv_up2" not in key
    }  # fmt: skip
    network = network_of(renamed, form)
    assert (network.scale, network.unshuffle) == (2, False)
    assert network(images).shape[1] == 2 * images.shape[1]


def test_msrresnet_scales_are_told_from_the_weights():
    state, _, _ = reference("msrresnet_f8_b2_x4")
    state = {key: value for key, value in state.items() if not key.startswith("upconv2")}
    assert network_of(state, "x2").scale == 2
    state["upconv1.weight"], state["upconv1.bias"] = np.zeros((72, 8, 3, 3), np.float32), np.zeros(72, np.float32)
    assert network_of(state, "x3").scale == 3
    state["upconv1.weight"] = np.zeros((70, 8, 3, 3), np.float32)
    with pytest.raises(InputError, match="70 channels before the pixel shuffle"):
        network_of(state, "broken")
