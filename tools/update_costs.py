"""Processor time of what a train step of SPAN does, mostly besides its convolutions, and of other ways to do it.

`python tools/update_costs.py`: gradient norm, Adam and the average, variable by variable or on one flat vector; the
products of Conv3XC's kernels with their gradients; Muon's orthogonalization in float32, in bfloat16 and of all kernels
in one batched product; on maps of a batch of 16 patches of 192 x 192, the pixelwise kernels, and gradients of kernels
as matrix products. Compare with `processor ms` of `python -m sr_gan_tf.benchmark --mode step --networks
SPAN@16,192,192,3`.
"""

import argparse
import functools
import math
import statistics
import sys
import time
from collections.abc import Callable

import sr_gan_tf
from sr_gan_tf.errors import InputError, Parser, command

MAPS = (16, 48, 48, 48)


def processor_milliseconds(call: Callable[[], object], repeats: int) -> float:
    """Median processor time of a call, of all threads, after one that traces."""
    call()
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return 1000 * statistics.median(taken)


def updates(merged: bool) -> dict[str, Callable[[], object]]:
    """The update of all weights with constant gradients: as in training, and on one vector."""
    import tensorflow as tf

    from sr_gan_tf.generators.span import SPAN
    from sr_gan_tf.layers.conv3xc import Conv3XC
    from sr_gan_tf.training.adam import Adam
    from sr_gan_tf.training.supervised import Supervised

    network = SPAN(merged=merged)
    trainer = Supervised(network)
    trainer.compile(Adam(1e-4), "mae")
    gradients = [tf.random.normal(variable.shape) for variable in network.trainable_variables]
    sizes = [math.prod(gradient.shape) for gradient in gradients]
    weights, first, second, average = (tf.Variable(tf.zeros(sum(sizes))) for _ in range(4))

    def separate():
        logs: dict = {}
        finite = trainer.update(network, trainer.generator_optimizer, tf.constant(0.0), gradients, logs, "generator")
        trainer.end_step(finite, logs)
        return list(logs.values())

    def flat():
        gradient = tf.concat([tf.reshape(each, [-1]) for each in gradients], 0)
        norm = tf.norm(gradient)
        tf.raw_ops.ResourceApplyAdam(
            var=weights.handle, m=first.handle, v=second.handle, beta1_power=0.9, beta2_power=0.99, lr=1e-4, beta1=0.9,
            beta2=0.99, epsilon=1e-7, grad=gradient,
        )  # fmt: skip
        average.assign_sub(0.001 * (average - weights))
        parts = tf.split(weights, sizes)  # the network's kernels
        return [norm, *(tf.reshape(part, each.shape) for part, each in zip(parts, gradients, strict=True))]

    layers = [layer for layer in network.layers if isinstance(layer, Conv3XC)]
    kernels = [variable.value for layer in layers for variable in layer.trainable_variables]

    def merging():
        with tf.GradientTape() as tape:
            sums = [tf.reduce_sum(part) for layer in layers for part in layer.merged()]
            total = tf.add_n(sums)
        return tape.gradient(total, kernels)

    form = "merged" if merged else "unmerged"
    calls = {f"update, {form}, by variable": separate, f"update, {form}, one vector": flat}
    if layers:
        calls["products of Conv3XC's kernels, with gradients"] = merging
    return {name: tf.function(call, autograph=False) for name, call in calls.items()}


def orthogonalizations(count: int = 20) -> dict[str, Callable[[], object]]:
    """Newton-Schulz iterations for as many kernels as SPAN has."""
    import tensorflow as tf

    from sr_gan_tf.training.muon import orthogonalized

    matrices = [tf.random.normal((864, 96)) for _ in range(count)]

    def rounded():
        return [orthogonalized(tf.cast(matrix, tf.bfloat16)) for matrix in matrices]

    def batched():
        return iterated(tf.transpose(tf.stack(matrices), (0, 2, 1)))

    calls = {
        f"Muon, {count} kernels, float32": lambda: [orthogonalized(matrix) for matrix in matrices],
        f"Muon, {count} kernels, bfloat16": rounded,
        f"Muon, {count} kernels, one batched product": batched,
    }
    return {name: tf.function(call, autograph=False) for name, call in calls.items()}


def iterated(x, steps: int = 5):
    """`orthogonalized` of a batch (K, M, N) with M up to N."""
    import tensorflow as tf

    from sr_gan_tf.training.muon import _CUBIC, _LINEAR, _QUINTIC

    x /= tf.norm(x, axis=(1, 2), keepdims=True) + 1e-12
    for _ in range(steps):
        gram = tf.matmul(x, x, transpose_b=True)
        x = _LINEAR * x + tf.matmul(_CUBIC * gram + _QUINTIC * tf.matmul(gram, gram), x)
    return x


def pixelwise(precision: str) -> dict[str, Callable[[], object]]:
    """SPAN's kernels between convolutions, each on one map; a step has 12 of SiLU's and 6 of the gate's."""
    import tensorflow as tf

    from sr_gan_tf.layers import gate
    from sr_gan_tf.layers.one_pass import one_pass, wide

    x, other, above = (tf.cast(tf.random.normal(MAPS), precision) for _ in range(3))
    layer = gate.SymmetricGate(dtype=precision)

    @one_pass
    def by_tanh(x, upstream):
        values, above = wide(x, upstream)
        tanh = tf.tanh(0.5 * values)
        return tf.cast(above * (0.5 + 0.5 * tanh + values * (0.25 - 0.25 * tanh * tanh)), x.dtype)

    @one_pass
    def without_sigmoid(x, upstream):
        values, above = wide(x, upstream)
        return tf.cast(above * values, x.dtype)

    return {
        f"SiLU, {precision}": tf.function(lambda: tf.nn.silu(x)),
        f"SiLU's gradient, {precision}": lambda: gate._silu_backward(x, above),
        f"SiLU's gradient by tanh, {precision}": lambda: by_tanh(x, above),
        f"a product of the same maps, {precision}": lambda: without_sigmoid(x, above),
        f"gate, {precision}": lambda: gate._gate_forward(x, other),
        f"gate of upscaling, {precision}": tf.function(lambda: layer([x, other])),
        f"gate's gradient, {precision}": lambda: gate._gate_backward(x, other, above),
    }


def convolutions(precision: str) -> dict[str, Callable[[], object]]:
    """The gradient of a 3x3 kernel, and of the 1x1 kernel that joins the depths: as oneDNN's and as matrix products."""
    import tensorflow as tf

    channels = MAPS[-1]
    above = tf.cast(tf.random.normal(MAPS), precision)
    calls: dict[str, Callable[[], object]] = {}
    for side, depth in ((3, channels), (1, 4 * channels)):
        x = tf.cast(tf.random.normal((*MAPS[:3], depth)), precision)
        shape = (side, side, depth, channels)
        name = f"{side}x{side} kernel's gradient, {precision}"
        calls[f"{name}, convolution"] = functools.partial(kernel_gradient, x, above, shape)
        calls[f"{name}, by {side**2} products"] = functools.partial(by_products, x, above, side)
        if side > 1:
            calls[f"{name}, by one product of all taps"] = functools.partial(by_one_product, x, above, side)
    return {name: tf.function(call, autograph=False) for name, call in calls.items()}


def kernel_gradient(x, above, shape):
    """The gradient of a kernel (k, k, C, F) for inputs (N, H, W, C) and the gradient (N, H, W, F) of the outputs."""
    import tensorflow as tf

    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=shape, out_backprop=above, strides=[1, 1, 1, 1], padding="SAME"
    )


def by_products(x, above, side):
    """`kernel_gradient` tap by tap: in flattened padded maps, a shift of the picture is an offset."""
    import tensorflow as tf

    reach = side // 2
    padding = [[0, 0], [reach, reach], [reach, reach], [0, 0]]
    x, above = tf.pad(x, padding), tf.pad(above, padding)
    width = x.shape[2]
    x, above = (tf.reshape(each, (-1, each.shape[-1])) for each in (x, above))
    margin = reach * (width + 1)
    inner = above[margin : above.shape[0] - margin]
    length = inner.shape[0]
    offsets = [down * width + across for down in range(side) for across in range(side)]
    taps = [tf.matmul(x[offset : offset + length], inner, transpose_a=True) for offset in offsets]
    return tf.reshape(tf.stack(taps), (side, side, x.shape[-1], -1))


def by_one_product(x, above, side):
    """`kernel_gradient` as one product with the shifted maps of all taps side by side."""
    import tensorflow as tf

    reach, (_, height, width, depth) = side // 2, x.shape
    padded = tf.pad(x, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    shifted = [padded[:, top : top + height, left : left + width] for top in range(side) for left in range(side)]
    columns = tf.reshape(tf.concat(shifted, -1), (-1, side**2 * depth))
    product = tf.matmul(columns, tf.reshape(above, (columns.shape[0], -1)), transpose_a=True)
    return tf.reshape(product, (side, side, depth, -1))


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the tool with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python tools/update_costs.py", description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    arguments: argparse.Namespace = parser.parse_args(argv)
    if arguments.repeats < 1:
        raise InputError(f"--repeats {arguments.repeats}: expected 1 or more")
    sr_gan_tf.start()
    calls = updates(True) | updates(False) | orthogonalizations()
    for precision in ("float32", "bfloat16"):
        calls |= pixelwise(precision) | convolutions(precision)
    for name, call in calls.items():
        print(f"{processor_milliseconds(call, arguments.repeats):8.2f} ms  {name}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
