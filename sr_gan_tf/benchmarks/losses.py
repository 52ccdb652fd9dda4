"""`python -m sr_gan_tf.benchmarks.losses`: measures the cost of each loss, and its value for bicubic enlargement.

The cost is the median time of the value and the gradient of a loss inside a compiled graph. The losses take turns
within one run, with a whole train step of SRResNet x4 and the mean absolute error. The weight of a content loss makes
its gradient norm equal to that of the mean absolute error (Euclidean norm over the pixels). Use it as an initial
weight.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any, cast

import keras
import numpy as np
import skimage.data
import tensorflow as tf

from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.errors import Parser, command
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.losses.package_weights import dists_file, lpips_file
from sr_gan_tf.losses.vgg import layer_names
from sr_gan_tf.losses.vgg_weights import load_trunk
from sr_gan_tf.resampling import imresize

SCALE = 4


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.benchmarks.losses", description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=16, help="images per step (default: 16)")
    parser.add_argument("--patch-size", type=int, default=96, help="side of the patches in HR pixels (default: 96)")
    parser.add_argument("--repeats", type=int, default=7, help="measurements per loss (default: 7)")
    parser.add_argument("--network", choices=("vgg16", "vgg19"), default="vgg16", help="perceptual trunk")
    parser.add_argument(
        "--weights", default="hed", help='"hed" (default), "lpips", "imagenet" or a file; see losses/vgg_weights.py'
    )
    arguments = parser.parse_args(argv)
    if min(arguments.batch_size, arguments.repeats) < 1 or arguments.patch_size < 64:
        parser.error("--batch-size and --repeats must be 1 or more, --patch-size 64 or more")
    # One graph per loss is intended; TensorFlow would warn about many graphs.
    tf.get_logger().setLevel("ERROR")
    lr, hr, sr = photographs(arguments.batch_size, arguments.patch_size // SCALE * SCALE)
    content = content_losses(arguments.network, arguments.weights, hr.shape[1])

    steps = {"step": generator_step(lr, hr)}
    steps |= {name: gradient_step(lambda x, loss=loss: loss(hr, x, lr), sr) for name, loss in content.items()}
    steps |= discriminator_steps(hr, sr)
    seconds = measure(steps, arguments.repeats)

    plain = seconds.pop("step")
    lengths = {name: float(tf.norm(steps[name]()[1])) for name in content}
    print(f"{hr.shape[0]} images of {hr.shape[1]} x {hr.shape[2]}, median of {arguments.repeats}")
    print(f"a train step of SRResNet x{SCALE} with MeanAbsoluteError: {plain:.3f} s\n")
    print("| loss | time (s) | share of the step | value for bicubic | weight for the gradient norm of MAE |")
    print("|---|---|---|---|---|")
    for name, value in seconds.items():
        row = [name, f"{value:.4f}", f"{100 * value / plain:.1f} %"]
        if name in content:
            row += [f"{float(steps[name]()[0]):.4g}", f"{lengths['MeanAbsoluteError'] / lengths[name]:.2g}"]
        print("| " + " | ".join(row + [""] * (5 - len(row))) + " |")


def photographs(batch: int, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """LR, HR and bicubic enlargements of LR: alternating crops of scikit-image's portrait and cat."""
    random = np.random.default_rng(1)
    crops = []
    for index in range(batch):
        photograph = (skimage.data.astronaut(), skimage.data.chelsea())[index % 2]
        top, left = (random.integers(0, side - size + 1) for side in photograph.shape[:2])
        crops.append(photograph[top : top + size, left : left + size])
    hr = np.stack(crops)
    lr = imresize(hr, 1 / SCALE)
    return tuple(tf.constant(image.astype("float32") / 255) for image in (lr, hr, imresize(lr, SCALE)))


def content_losses(network: str, weights: str, patch: int) -> dict:
    """Every content loss with its default configuration, if the patch size and the trunk allow it."""
    # Loaded first: the error of a loss without its trunk refers to the experiment file.
    load_trunk(network, weights)
    trunk = {"network": network, "weights": weights}
    losses = {}
    for name, constructor in cast(dict[str, Any], CONTENT_LOSSES).items():
        if name == "MSSSIM":
            scales = max(n for n in range(1, 6) if constructor(scales=n).smallest_size <= patch)
            losses[f"{name} ({scales} scales)"] = constructor(scales=scales)
        elif (name in ("LPIPS", "DISTS") and lpips_file("vgg16") is None) or (name == "DISTS" and dists_file() is None):
            continue
        elif name == "VGGFeatures":
            deepest = layer_names(network)[-2]
            srgan = {"layers": {deepest: 1.0}, "distance": "mse"}
            losses[f"{name} ({deepest}, mse)"] = constructor(**trunk, **srgan)
            losses[f"{name} ({deepest}, mse, bfloat16)"] = constructor(**trunk, **srgan, precision="bfloat16")
        else:
            losses[name] = constructor(**(trunk if name == "GramStyle" else {}))
    return losses


def generator_step(lr: tf.Tensor, hr: tf.Tensor) -> Callable:
    """A complete supervised step: SRResNet, mean absolute error, gradients, Adam."""
    generator = GENERATORS["SRResNet"](scale=SCALE)
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(generator.trainable_variables)
    loss = CONTENT_LOSSES["MeanAbsoluteError"]()

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            value = loss(hr, generator(lr, training=True))
        gradients = tape.gradient(value, generator.trainable_variables)
        optimizer.apply(gradients, generator.trainable_variables)
        return value

    return step


def gradient_step(function: Callable, variable) -> Callable:
    """Value and gradient of `function` at a tensor, or at a list of them."""

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            tape.watch(variable)
            value = function(variable)
        return value, tape.gradient(value, variable, unconnected_gradients="zero")

    return step


def discriminator_steps(hr: tf.Tensor, sr: tf.Tensor) -> dict[str, Callable]:
    """Adversarial and feature losses on the outputs of a PatchGAN; penalties include the passes through it."""
    critic = DISCRIMINATORS["PatchGAN"](normalization="none")
    *features, logits = critic.feature_model()(hr)
    *fake_features, fake = critic.feature_model()(sr)
    steps = {}
    for name, constructor in ADVERSARIAL_LOSSES.items():
        loss = constructor()
        steps[name] = gradient_step(
            lambda x, loss=loss: tf.add_n([loss.generator_loss(x[1], x[0]), *loss.discriminator_loss(*x)]),
            [logits, fake],
        )
    for name, constructor in FEATURE_LOSSES.items():
        loss = constructor()
        steps[name] = gradient_step(lambda x, loss=loss: loss(features, x), fake_features)
    weights = [variable.value for variable in critic.trainable_variables]
    for name, constructor in PENALTIES.items():
        loss = constructor()
        steps[f"{name} (PatchGAN)"] = gradient_step(lambda x, loss=loss: loss(critic, hr, sr), weights)
    return steps


def measure(steps: dict[str, Callable], repeats: int) -> dict[str, float]:
    """Median seconds per step. The steps take turns; the first calls (compilation) do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 1):
        for name, step in steps.items():
            begin = time.perf_counter()
            tf.nest.flatten(step())[-1].numpy()
            if repeat:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    raise SystemExit(main())
