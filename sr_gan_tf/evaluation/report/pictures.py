"""Pictures for the report: encoded within a byte budget, with error maps and the places of the largest errors."""

import base64
import io

import numpy as np
from PIL import Image

from sr_gan_tf.evaluation.test_sets import Pair
from sr_gan_tf.metrics.psnr_ssim import luma_pair
from sr_gan_tf.resampling import imresize

ERROR_PEAK = 64  # luma levels drawn in the brightest color
_QUALITY = 92
_BYTES_PER_PIXEL = 0.35  # of WebP at that quality, as an initial estimate
_REGIONS = 3


def encode_picture(
    pair: Pair, outputs: dict[str, np.ndarray], scale: int, budget: int
) -> tuple[dict[str, dict[str, str]], dict]:
    """Returns (data URIs of pictures and error maps, details) for the picture, or for the part that fits the budget.

    Args:
        pair: HR and LR.
        outputs: enlarged picture by method; `nearest` is shown as the LR picture with large pixels.
        scale: HR size divided by LR size.
        budget: bytes before base64.
    """
    errors = {name: _luma_error(pair.hr, sr) for name, sr in outputs.items()}
    models = [name for name in outputs if name not in ("nearest", "bicubic")] or ["bicubic"]
    worst = np.mean([errors[name] for name in models], axis=0, dtype=np.float32)
    regions = largest_errors(np.asarray(worst), scale)
    # Encoded at full size: HR and every method except nearest.
    area = budget / (_BYTES_PER_PIXEL * len(outputs))
    for _ in range(4):
        top, left, height, width = _window(pair.hr.shape[:2], area, regions[0], scale)
        inside = (slice(top, top + height), slice(left, left + width))
        pictures = {"HR": _webp(pair.hr[inside])}
        for name, sr in outputs.items():
            pictures[name] = _webp(sr[inside])
        if "nearest" in pictures:
            lr_inside = tuple(slice(part.start // scale, part.stop // scale) for part in inside)
            pictures["nearest"] = _webp(pair.lr[lr_inside])
        size = sum(map(len, pictures.values()))
        if size <= budget:
            break
        area = min(area, height * width) * 0.9 * budget / size
    maps = {name: _error_map(error[inside]) for name, error in errors.items()}
    views = {
        "pictures": {name: _uri(data) for name, data in pictures.items()},
        "errors": {name: _uri(data) for name, data in maps.items()},
    }
    shown = [region for region in regions if _within(region, top, left, height, width)]
    details = {
        "view": {"x": left, "y": top, "width": width, "height": height},
        "thumbnail": _uri(_thumbnail(pair.hr)),
        "regions": [
            {
                "x": x - left,
                "y": y - top,
                "width": side,
                "height": side,
                "errors": {name: float(error[y : y + side, x : x + side].mean()) for name, error in errors.items()},
            }
            for y, x, side in shown
        ],
    }
    return views, details


def largest_errors(error: np.ndarray, scale: int) -> list[tuple[int, int, int]]:
    """Finds (top, left, side) of non-overlapping squares with the largest mean error, the largest first."""
    height, width = error.shape
    side = min(height, width, max(32, 12 * scale, min(height, width) // 8))
    # Sums over squares are differences of cumulative sums.
    table = np.pad(error.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]
    found: list[tuple[int, int, int]] = []
    while len(found) < _REGIONS and np.any(sums > -1):
        top, left = (int(place) for place in np.unravel_index(np.argmax(sums), sums.shape))
        found.append((top, left, side))
        sums[max(0, top - side + 1) : top + side, max(0, left - side + 1) : left + side] = -np.inf
    return found


def _window(shape: tuple[int, int], area: float, around: tuple[int, int, int], scale: int) -> tuple[int, int, int, int]:
    """Returns (top, left, height, width) of at most `area` pixels with the picture's proportions, around a square."""
    factor = min(1.0, (area / (shape[0] * shape[1])) ** 0.5)
    sizes, starts = [], []
    for length, start in zip(shape, around[:2], strict=True):
        size = min(length, max(int(length * factor), around[2]) // scale * scale + (scale if factor < 1 else 0))
        size = length if factor == 1.0 else size // scale * scale
        first = min(max(start + around[2] // 2 - size // 2, 0), length - size) // scale * scale
        sizes.append(size)
        starts.append(first)
    return starts[0], starts[1], sizes[0], sizes[1]


def _within(region: tuple[int, int, int], top: int, left: int, height: int, width: int) -> bool:
    y, x, side = region
    return top <= y and y + side <= top + height and left <= x and x + side <= left + width


def _luma_error(hr: np.ndarray, sr: np.ndarray) -> np.ndarray:
    """Absolute difference of luma, (H, W) uint8."""
    first, second = luma_pair(hr, sr, 0)
    return np.abs(first.astype(np.int16) - second).astype(np.uint8)


def _error_map(error: np.ndarray) -> bytes:
    """Encodes the error at half size as a gray picture, white at ERROR_PEAK; the page adds the colors."""
    height, width = (max(1, length // 2) for length in error.shape)
    small = imresize(error.astype(np.float32), size=(height, width), kernel="area")
    return _webp(np.clip(small * (255 / ERROR_PEAK), 0, 255).astype(np.uint8), quality=70)


def _thumbnail(hr: np.ndarray) -> bytes:
    image = Image.fromarray(hr)
    image.thumbnail((240, 124))
    return _webp(np.asarray(image), quality=70)


def _webp(pixels: np.ndarray, quality: int = _QUALITY) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "WEBP", quality=quality, method=3)
    return buffer.getvalue()


def _uri(data: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(data).decode("ascii")
