"""`python tools/open_gates.py MODEL.keras PHOTOGRAPHS OUT.keras --gate 2`: lets the gates of a trained SPAN act.

With `initial_gate` 4, the outputs y of the third convolutions stay near 4, where sigmoid(y) - 0.5 hardly varies: no
attention is learned. This rewrites a network for a smaller value, at which the gates have a slope, and keeps its
function nearly the same: for small d around the new value c, (c + d + x) * (sigmoid(c + d) - 0.5) is linear in d and x,
so both are rescaled such that each block returns its former output times a constant per channel, and the convolutions
that read it divide by that constant. The statistics are those of crops of the photographs.

Prints the PSNR of both networks on the crops, and the variation of the gates.
"""

import argparse
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import sr_gan_tf
from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.pictures.reading import read_rgb
from sr_gan_tf.resampling import imresize

INSIDE = np.s_[:, 4:-4, 4:-4]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="unmerged SPAN")
    parser.add_argument("photographs", type=Path, help="folder of training photographs of at least 256 x 256 pixels")
    parser.add_argument("out", type=Path)
    parser.add_argument("--gate", type=float, default=2.0, help="the new initial_gate (default 2)")
    arguments = parser.parse_args()
    if arguments.out.exists():
        sys.exit(f"error: {arguments.out} already exists; choose another name")
    old = sr_gan_tf.load(arguments.model)
    lr, hr = crops(arguments.photographs, old.scale)
    new = opened(old, arguments.gate, lr)
    for name, network in {"before": old, "after": new}.items():
        gates = [_gate(values(network, f"block{i}_conv3", lr)) for i in range(1, old.num_blocks + 1)]
        spread = ", ".join(f"{np.median(g.std((0, 1, 2))):.3f}" for g in gates)
        error = np.mean((network(lr).numpy() - hr)[:, 8:-8, 8:-8] ** 2)
        print(f"{name}: PSNR {-10 * np.log10(error):.2f} dB; standard deviation of the gates per block: {spread}")
    new.save(arguments.out)


def crops(folder: Path, scale: int, count: int = 48, size: int = 256) -> tuple[tf.Tensor, np.ndarray]:
    """(count, size/scale, size/scale, 3) LR and (count, size, size, 3) HR crops, in [0, 1]."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    random = np.random.default_rng(0)
    hr = []
    for file in files[:: max(1, len(files) // count)][:count]:
        picture = read_rgb(file)
        top, left = (random.integers(0, side - size + 1) for side in picture.shape[:2])
        hr.append(picture[top : top + size, left : left + size].astype("float32") / 255)
    lr = [np.clip(imresize(picture, 1 / scale), 0, 1).astype("float32") for picture in hr]
    return tf.constant(np.stack(lr)), np.stack(hr)


def opened(old: SPAN, gate: float, lr: tf.Tensor) -> SPAN:
    """A SPAN with `initial_gate` = `gate` and nearly the function of `old`.

    Args:
        old: an unmerged SPAN.
        gate: mean of the outputs of the third convolutions.
        lr: (N, H, W, 3) pictures in [0, 1].
    """
    new = SPAN(**{**old.get_config(), "initial_gate": gate})
    for layer in old.layers:
        if layer.weights:
            new.get_layer(layer.name).set_weights(layer.get_weights())
    open_, slope = _gate(gate), 0.25 * (1 - np.tanh(gate / 2) ** 2)
    back = 1.0  # factors per channel from a new block's output to the old one's
    incoming = values(old, "first", lr)  # what the block reads, in the new network and in the old one
    incoming_old = incoming
    for i in range(1, old.num_blocks + 1):
        scale(new.get_layer(f"block{i}_conv1"), of_inputs=back)
        center(new, f"block{i}_conv1", mean(values(old, f"block{i}_conv1", lr)), lr)
        third = f"block{i}_conv3"
        middle = mean(values(old, third, lr))
        open_old, slope_old = _gate(middle), 0.25 * (1 - np.tanh(middle / 2) ** 2)
        by_third = (open_old + slope_old * (middle + mean(incoming_old))) * open_ / open_old
        scale(new.get_layer(third), of_outputs=by_third / back / (open_ + slope * (gate + mean(incoming))))
        center(new, third, np.full(old.filters, gate), lr)
        incoming_old, incoming = (values(network, f"block{i}", lr) for network in (old, new))
        changes = (incoming - mean(incoming))[INSIDE]
        back = np.mean(changes * (incoming_old - mean(incoming_old))[INSIDE], (0, 1, 2)) / np.mean(
            changes**2, (0, 1, 2)
        )
        if i == 1:
            fuse_first_block(new, old, back, mean(incoming), mean(incoming_old))
    scale(new.get_layer("body"), of_inputs=back)
    center(new, "body", mean(values(old, "body", lr)), lr)
    return new


def values(network: SPAN, name: str, lr: tf.Tensor) -> np.ndarray:
    """(N, H, W, C) output of a layer."""
    return np.asarray(keras.Model(network.input, network.get_layer(name).output)(lr), "float32")


def mean(maps: np.ndarray) -> np.ndarray:
    """(C,) away from the borders."""
    return maps[INSIDE].mean((0, 1, 2))


def _gate(y):
    return 0.5 * np.tanh(y / 2)


def scale(layer, of_inputs=None, of_outputs=None) -> None:
    """Makes a Conv3XC read inputs, or return outputs, that are scaled per channel."""
    if of_inputs is not None:
        for kernel in (layer.first_kernel, layer.skip_kernel):
            kernel.assign(kernel * np.float32(np.broadcast_to(of_inputs, kernel.shape[:1]))[:, None])
    if of_outputs is not None:
        for weight in (layer.last_kernel, layer.last_bias, layer.skip_kernel, layer.skip_bias):
            weight.assign(weight * np.float32(of_outputs))


def center(network: SPAN, name: str, target: np.ndarray, lr: tf.Tensor) -> None:
    """Changes the bias of a convolution until its mean output is (C,) `target`."""
    bias = network.get_layer(name).skip_bias
    bias.assign(bias + np.float32(target - mean(values(network, name, lr))))


def fuse_first_block(new: SPAN, old: SPAN, back: np.ndarray, mean_new: np.ndarray, mean_old: np.ndarray) -> None:
    """Makes the 1x1 convolution that joins all depths read the rescaled output of the first block."""
    part = slice(2 * old.filters, 3 * old.filters)
    centers = [np.asarray(network.get_layer("centered").offset)[part] for network in (new, old)]
    kernel, bias = new.get_layer("fuse").get_weights()
    bias += kernel[0, 0, part].T @ (mean_old + centers[1])
    kernel[0, 0, part] *= back[:, None]
    bias -= kernel[0, 0, part].T @ (mean_new + centers[0])
    new.get_layer("fuse").set_weights([kernel, bias])


if __name__ == "__main__":
    main()
