"""Coordinates in pixels that metadata contains, converted to another picture size."""

from collections.abc import Sequence
from fractions import Fraction

Size = tuple[int, int]

# GeoTIFF's pixel scale, tie points and transformation (OGC 19-008r4, section 7.4): numbers per group.
GEOREFERENCE = {33550: 3, 33922: 6, 34264: 16}
# (index in the group, axis) of lengths per pixel, and of coordinates in pixels.
_PER_PIXEL = {33550: ((0, 0), (1, 1)), 34264: ((0, 0), (4, 0), (8, 0), (1, 1), (5, 1), (9, 1))}
_IN_PIXELS = {33922: ((0, 0), (1, 1))}


def georeference(tag: int, numbers: Sequence[float], before: Size, after: Size) -> list[float]:
    """Converts the georeference of a GeoTIFF to another picture size.

    Args:
        tag: one of `GEOREFERENCE`.
        numbers: its values.
        before: (width, height) of the picture.
        after: (width, height) of the result.
    """
    factors = after[0] / before[0], after[1] / before[1]
    result = list(numbers)
    for start in range(0, len(result), GEOREFERENCE[tag]):
        for index, axis in _PER_PIXEL.get(tag, ()):
            result[start + index] /= factors[axis]
        for index, axis in _IN_PIXELS.get(tag, ()):
            result[start + index] *= factors[axis]
    return result


def focal_plane(number: tuple[int, int], factor: float) -> tuple[int, int]:
    """EXIF's pixels per unit of the sensor, a fraction, for a picture enlarged by `factor`.

    Programs compute the size of the sensor, and from it the equivalent focal length, from the picture's size and this.
    """
    if not number[1]:
        return number
    scaled = (Fraction(*number) * Fraction(factor)).limit_denominator(4000)
    return (scaled.numerator, scaled.denominator) if scaled.numerator < 1 << 32 else number


def subject(numbers: tuple[int, ...], turn: int, stored: Size, before: Size, after: Size) -> list[int]:
    """Converts EXIF's subject area or location to the upright enlarged picture.

    Args:
        numbers: x and y of the center in the stored picture, and a diameter, or width and height.
        turn: EXIF orientation by which the picture was turned.
        stored: (width, height) as the camera stored it.
        before: (width, height) upright.
        after: (width, height) of the result.
    """
    if not 2 <= len(numbers) <= 4:
        return list(numbers)
    x, y, *size = numbers
    if turn in (2, 3):
        x = stored[0] - x
    if turn in (3, 4):
        y = stored[1] - y
    if turn >= 5:
        x, y = {5: (y, x), 6: (stored[1] - y, x), 7: (stored[1] - y, stored[0] - x), 8: (y, stored[0] - x)}[turn]
        size = size[::-1]
    across, down = after[0] / before[0], after[1] / before[1]
    factors = (across, down, *((across, down) if len(size) == 2 else (across,))[: len(size)])
    return [min(65535, max(0, round(value * factor))) for value, factor in zip((x, y, *size), factors, strict=True)]
