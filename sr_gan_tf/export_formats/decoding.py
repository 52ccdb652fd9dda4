"""Decodes PNG, JPEG and WebP bytes in a TensorFlow graph; reports failures as text instead of raising.

TensorFlow's decoders raise on damaged bytes, which would fail a whole request. Here each runs in a small tf.data
pipeline that drops elements that raise (`ignore_errors`); all of these are stock operations of a model server. The
headers are checked first: TensorFlow 2.21's decoder of animated WebP writes beyond its buffer and crashes the process,
and a picture of a few bytes can claim any size.
"""

from collections.abc import Callable

import tensorflow as tf

UNKNOWN = "not a decodable image: expected the bytes of a PNG, JPEG or WebP file"
EMPTY = "not a decodable image: no bytes"
DAMAGED = "not a decodable image: its bytes are damaged or incomplete"
ANIMATED = "not a decodable image: animated WebP is not supported, send a still one"
_HEADER = 64
_PNG, _JPEG, _WEBP = 1, 2, 3


class Decoder:
    """Decodes bytes to (uint8 pixels, uint16 pixels, status); call it inside a tf.function.

    A 16-bit picture (PNG only) is returned as uint16 (H, W, C), any other as uint8; the unused array is (0, 0, 0). C is
    1, 2 (gray and alpha), 3 or 4. For an unusable picture both are empty, and `status` says why.

    Args:
        max_megapixels: pictures that are larger according to their header are refused before they are decoded.
    """

    def __init__(self, max_megapixels: float):
        self.max_megapixels = max_megapixels
        self.most = int(max_megapixels * 1e6)

    def __call__(self, contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # Zeros are appended, because a slice must not reach beyond the end of a string.
        header = tf.strings.join([tf.strings.substr(contents, 0, _HEADER), tf.constant(b"\0" * _HEADER)])
        byte = tf.cast(tf.io.decode_raw(tf.strings.substr(header, 0, _HEADER), tf.uint8), tf.int64)
        kind = self._kind(header)
        height, width = self._size(contents, header, byte, kind)
        text = "image of {}x{} pixels is larger than the limit of " + f"{self.max_megapixels:g} megapixels"
        is_animated = tf.logical_and(_tag(header, 12) == b"VP8X", byte[20] // 2 % 2 == 1)
        status = tf.case(
            [
                (tf.equal(tf.strings.length(contents), 0), lambda: tf.constant(EMPTY)),
                (tf.equal(kind, 0), lambda: tf.constant(UNKNOWN)),
                (tf.logical_and(tf.equal(kind, _WEBP), is_animated), lambda: tf.constant(ANIMATED)),
                (height * width <= 0, lambda: tf.constant(DAMAGED)),
                (height * width > self.most, lambda: tf.strings.format(text, (width, height))),
            ],
            default=lambda: tf.constant(""),
        )
        is_deep = tf.logical_and(tf.equal(kind, _PNG), tf.equal(byte[24], 16))
        branch = tf.where(tf.equal(status, ""), tf.where(is_deep, 0, kind), 4)
        empty, deep = tf.zeros((0, 0, 0), tf.uint8), tf.zeros((0, 0, 0), tf.uint16)
        eight, sixteen = tf.switch_case(
            branch,
            [
                lambda: (empty, _guarded(_deep_png, contents, deep)),
                lambda: (_guarded(tf.io.decode_png, contents, empty), deep),
                lambda: (_guarded(_jpeg, contents, empty), deep),
                lambda: (_guarded(_webp, contents, empty), deep),
                lambda: (empty, deep),
            ],
        )
        eight, sixteen = (tf.ensure_shape(pixels, (None, None, None)) for pixels in (eight, sixteen))
        is_damaged = tf.logical_and(tf.equal(status, ""), tf.equal(tf.size(eight) + tf.size(sixteen), 0))
        return eight, sixteen, tf.where(is_damaged, DAMAGED, status)

    def _kind(self, header: tf.Tensor) -> tf.Tensor:
        is_png = tf.equal(tf.strings.substr(header, 0, 8), b"\x89PNG\r\n\x1a\n")
        is_jpeg = tf.equal(tf.strings.substr(header, 0, 3), b"\xff\xd8\xff")
        is_webp = tf.logical_and(tf.equal(_tag(header, 0), b"RIFF"), tf.equal(_tag(header, 8), b"WEBP"))
        return tf.where(is_png, _PNG, tf.where(is_jpeg, _JPEG, tf.where(is_webp, _WEBP, 0)))

    def _size(self, contents, header, byte, kind) -> tuple[tf.Tensor, tf.Tensor]:
        """Height and width according to the header."""

        def number(first: int, count: int, big_endian: bool = False) -> tf.Tensor:
            places = range(count - 1, -1, -1) if big_endian else range(count)
            return sum(byte[first + index] * 256**place for index, place in enumerate(places))

        def jpeg():
            shape = _guarded(tf.image.extract_jpeg_shape, contents, tf.zeros((3,), tf.int32))
            return tf.cast(shape[0], tf.int64), tf.cast(shape[1], tf.int64)

        def webp():
            extended = number(27, 3) + 1, number(24, 3) + 1
            packed = number(21, 4)  # 14 bits of width - 1, 14 bits of height - 1
            lossless = packed // 2**14 % 2**14 + 1, packed % 2**14 + 1
            lossy = number(28, 2) % 2**14, number(26, 2) % 2**14
            chunk = _tag(header, 12)
            return tuple(
                tf.where(tf.equal(chunk, b"VP8X"), a, tf.where(tf.equal(chunk, b"VP8L"), b, c))
                for a, b, c in zip(extended, lossless, lossy, strict=True)
            )

        zero = tf.zeros((), tf.int64)
        return tf.switch_case(
            kind, [lambda: (zero, zero), lambda: (number(20, 4, True), number(16, 4, True)), jpeg, webp]
        )


def _tag(header: tf.Tensor, first: int) -> tf.Tensor:
    return tf.strings.substr(header, first, 4)


def _deep_png(contents: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_png(contents, dtype=tf.uint16)


def _jpeg(contents: tf.Tensor) -> tf.Tensor:
    # The accurate transform, as in Pillow and browsers.
    return tf.io.decode_jpeg(contents, dct_method="INTEGER_ACCURATE")


def _webp(contents: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_webp(contents)[0]  # the only frame


@tf.autograph.experimental.do_not_convert
def _guarded(decode: Callable[[tf.Tensor], tf.Tensor], contents: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
    """Returns `decode(contents)`, or `otherwise` if it raises.

    The pipeline is rebuilt at each call of the graph, so it contains as little as possible.
    """
    results = tf.data.Dataset.from_tensors(contents).map(decode).ignore_errors(log_warning=False)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.threading.private_threadpool_size = 1
    return results.with_options(options).reduce(otherwise, lambda _, result: result)
