"""imresize in NumPy and TensorFlow: the benchmark's LR pictures to the bit, and MATLAB's rules one by one."""

from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sr_gan_tf.resampling import KERNELS, Border, imresize, imresize_tf

RANDOM = np.random.default_rng(7)
SMALL = RANDOM.integers(0, 256, (13, 17, 3), np.uint8)


def read(path):
    return np.asarray(Image.open(path))


def channels(image):
    return image if image.ndim == 3 else image[..., None]


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_published_lr_pictures_to_the_bit(benchmarks, name, scale):
    folder = benchmarks / name / f"x{scale}"
    paths = sorted((folder / "HR").iterdir())
    assert len(paths) == int(name[3:])
    for path in paths:
        lr = imresize(read(path), 1 / scale)
        np.testing.assert_array_equal(lr, read(folder / "LR" / path.name), err_msg=path.name)


def test_published_lr_pictures_to_the_bit_in_tensorflow(benchmarks):
    pairs = [
        (channels(read(path)), channels(read(folder / "LR" / path.name)), scale)
        for scale in (2, 4)
        for folder in (benchmarks / "Set5" / f"x{scale}", benchmarks / "Set14" / f"x{scale}")
        for path in sorted((folder / "HR").iterdir())
    ]
    assert len(pairs) == 38
    for hr, lr, scale in pairs[::6]:
        np.testing.assert_array_equal(imresize_tf(hr, 1 / scale), lr)
    for scale in (2, 4):
        some = [pair for pair in pairs if pair[2] == scale]
        # tf.data: sizes unknown when the graph is made.
        dataset = tf.data.Dataset.from_generator(
            lambda some=some: iter(hr for hr, _, _ in some),
            output_signature=tf.TensorSpec((None, None, None), tf.uint8),
        ).map(lambda hr, scale=scale: imresize_tf(hr, 1 / scale))
        for made, (_, lr, _) in zip(dataset, some, strict=True):
            np.testing.assert_array_equal(made, lr)


def test_xla_at_fixed_size(benchmarks):
    hr = read(benchmarks / "Set5" / "x4" / "HR" / "img003.png")[:96, :96]
    batch = np.stack([hr, hr[::-1]])
    compiled = tf.function(lambda images: imresize_tf(images, 1 / 4), jit_compile=True)
    np.testing.assert_array_equal(compiled(batch), imresize(batch, 1 / 4))


@pytest.mark.parametrize("kernel", KERNELS)
def test_both_versions_agree(kernel):
    for border in get_args(Border):
        for scale in (1 / 3, 0.37, 1.9, (0.5, 2.0)):
            ours = imresize(SMALL, scale, kernel=kernel, border=border)
            np.testing.assert_array_equal(imresize_tf(SMALL, scale, kernel=kernel, border=border), ours)


@pytest.mark.parametrize("kernel", ["bicubic", "area", "lanczos3", "nearest"])
def test_sizes_and_scales_known_only_to_the_graph(kernel):
    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((2,), tf.int32)])
    def to_size(image, size):
        return imresize_tf(image, size=size, kernel=kernel)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((), tf.float64)])
    def by_scale(image, scale):
        return imresize_tf(image, scale, kernel=kernel)

    for size in ((5, 6), (6, 5), (13, 17), (40, 9)):
        np.testing.assert_array_equal(to_size(SMALL, size), imresize(SMALL, size=size, kernel=kernel))
    for scale in (0.3, 1.7):
        np.testing.assert_array_equal(by_scale(SMALL, scale), imresize(SMALL, scale, kernel=kernel))


def test_rules_worked_by_hand():
    step = np.array([[0, 0, 200, 200]], np.uint8)
    # x2, a = -0.5: an output pixel lies a quarter pixel from its neighbor; cubic weights
    # h(.25) = .8671875, h(.75) = .2265625, h(1.25) = -.0703125, h(1.75) = -.0234375
    assert imresize(step, size=(1, 8)).tolist() == [[0, 0, 0, 41, 159, 214, 205, 200]]
    wide = imresize(step.astype(np.float64), size=(1, 8))[0]
    np.testing.assert_allclose(wide[3], 200 * (0.2265625 - 0.0234375), atol=1e-12)
    np.testing.assert_allclose(wide[4], 200 * (1 - 0.2265625 + 0.0234375), atol=1e-12)
    # The first output pixel reaches one and two pixels over the edge: replicated both are 0, mirrored 0 and 100.
    pair = np.array([[0.0, 100.0, 50.0]])
    np.testing.assert_allclose(imresize(pair, size=(1, 6))[0, [0, 5]], [100 * -0.0703125, 46.484375])
    np.testing.assert_allclose(
        imresize(pair, size=(1, 6), border="symmetric")[0, [0, 5]], [100 * (-0.0703125 - 0.0234375), 45.3125]
    )
    # Each output pixel covers 2.5 input pixels.
    np.testing.assert_allclose(imresize(np.array([[0, 1, 10, 20, 30.0]]), size=(1, 2), kernel="area"), [[2.4, 22]])
    np.testing.assert_allclose(imresize(np.array([[0, 1, 10, 20, 30.0, 8]]), 0.5, kernel="box")[0], [0.5, 15, 19])
    # Without antialiasing a third is a sample of every third pixel's center.
    line = np.arange(9.0)[None] ** 3
    np.testing.assert_allclose(imresize(line, (1, 1 / 3), antialias=False)[0], [1, 64, 343])
    np.testing.assert_allclose(imresize(line, (1, 1 / 3), kernel="nearest")[0], [1, 64, 343])


def test_integers_are_rounded_between_the_passes_vertical_first():
    image = RANDOM.integers(0, 256, (8, 12), np.uint8)
    down = np.clip(np.floor(imresize(image.astype(np.float64), (0.5, 1)) + 0.5), 0, 255)
    expected = np.clip(np.floor(imresize(down, (1, 0.5)) + 0.5), 0, 255)
    np.testing.assert_array_equal(imresize(image, 0.5), expected)
    assert np.any(imresize(image, 0.5) != imresize(image.T, 0.5).T)  # the order shows
    # The axis that shrinks more comes first.
    np.testing.assert_array_equal(imresize(image, (0.5, 0.25)), imresize(image.T, (0.25, 0.5)).T)


def test_types_shapes_and_large_pictures():
    deep = RANDOM.integers(0, 65536, (12, 8), np.uint16)
    assert imresize(deep, 2).dtype == np.uint16
    assert imresize(deep, 2).max() > 255
    np.testing.assert_array_equal(imresize_tf(deep[..., None], 2)[..., 0], imresize(deep, 2))
    real = SMALL.astype(np.float32) / 255
    assert imresize(real, 2).dtype == np.float32
    np.testing.assert_allclose(imresize_tf(real, 2), imresize(real, 2), atol=1e-7)
    np.testing.assert_array_equal(imresize(SMALL[None], 0.5)[0], imresize(SMALL, 0.5))
    assert imresize(np.zeros((9, 10)), 1 / 3).shape == (3, 4)
    np.testing.assert_array_equal(imresize(SMALL, 1), SMALL)
    # More columns than a block holds, more rows than one step.
    wide = RANDOM.integers(0, 256, (70, 1500, 3), np.uint8)
    np.testing.assert_array_equal(imresize(wide, 0.5), imresize_tf(wide, 0.5))
    assert np.all(imresize(np.full((31, 23, 3), 77, np.uint8), 0.29) == 77)


def test_gradient_is_the_transpose():
    x = tf.constant(RANDOM.random((1, 8, 8, 1)), tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(imresize_tf(x, 0.5))
    gradient = tape.gradient(total, x)[0, :, :, 0].numpy()
    basis = np.eye(64).reshape(64, 8, 8)
    np.testing.assert_allclose(gradient, imresize(basis[..., None], 0.5).sum(axis=(1, 2, 3)).reshape(8, 8), atol=1e-12)


@pytest.mark.parametrize("resize", [imresize, imresize_tf])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(scale=2, kernel="cubic"), "no kernel 'cubic'; expected one of bicubic"),
        (dict(scale=2, border="mirror"), "no border 'mirror'"),
        (dict(), "either scale or size"),
        (dict(scale=2, size=(3, 3)), "either scale or size"),
        (dict(scale=0), "cannot resize 13 x 17"),
        (dict(size=(0, 4)), "cannot resize 13 x 17"),
    ],
)
def test_wrong_arguments(resize, arguments, message):
    with pytest.raises(ValueError, match=message):
        resize(SMALL, **arguments)


@pytest.mark.parametrize("resize", [imresize, imresize_tf])
def test_what_is_no_picture(resize):
    for image in (np.zeros((4, 4, 3), np.int32), np.zeros((2, 2, 2, 2, 2), np.uint8)):
        with pytest.raises(ValueError, match="takes"):
            resize(image, 2)
