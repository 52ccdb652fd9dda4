"""Training samples by number: sample i is a function of (seed, i) alone.

Hashes determine the source, the picture, the position of the crop, its degradation and augmentation. A resumed run
therefore starts at its first sample and receives the same samples as an undisturbed run. In an epoch of a source, each
picture is drawn as often as disjoint patches fit in it, in an order shuffled over the whole source.
"""

from typing import NamedTuple, cast

import numpy as np

from sr_gan_tf import config
from sr_gan_tf.data.augmentation import build_augmentations, check_cutblur
from sr_gan_tf.data.catalog import build_degradation, build_sources, check_degradation
from sr_gan_tf.data.sampling import Draws, Mixture, below, hashed, permuted
from sr_gan_tf.data.sources import Source
from sr_gan_tf.data.store import TileStore
from sr_gan_tf.data.store_writer import open_stores, say_skipped
from sr_gan_tf.errors import InputError

# Purposes of a hash; Mixture uses 1.
_ORDER, _TOP, _LEFT, _TILE, _DEGRADE, _AUGMENT = 2, 3, 4, 5, 6, 7
_PIXEL = np.dtype("V3")  # copying rotated pictures by whole pixels is twice as fast
_PARTNERS = 2**40  # first number of samples to mix with


class Places(NamedTuple):
    """Positions of samples: numbers of store and picture; top and left corner in LR pixels."""

    store: np.ndarray
    picture: np.ndarray
    y: np.ndarray
    x: np.ndarray


class Sampler:
    """uint8 training pairs of the experiment's sources.

    Args:
        data: the experiment's `data`.
        scale: HR pixels per LR pixel.
        seed: equal seeds give equal samples.
        stores: the stores of the training sources; default: opened or created.

    Raises:
        InputError: a source or setting cannot be used, or a picture is smaller than the patch.
    """

    def __init__(self, data: config.Data, scale: int, seed: int, stores: list[TileStore] | None = None):
        if data.patch_size % scale:
            near = max(1, round(data.patch_size / scale)) * scale
            raise InputError(f"data.patch_size {data.patch_size} is not a multiple of the scale {scale}; use {near}")
        self.scale, self.seed, self.patch = scale, seed, data.patch_size
        self.degradation = build_degradation(data, scale)
        self.augmentations = build_augmentations(data, scale)
        self.mixture = Mixture([source.weight for source in data.train], seed)
        sources = build_sources(data.train, "data.train", scale)
        for spec, source in zip(data.train, sources, strict=True):
            check_degradation(data.degradation, spec, source, "train")
        check_cutblur(self.augmentations, self.degradation, sources)
        self.stores = stores or open_stores(sources, self.degradation, data.cache_dir, data.on_bad_file)
        self._frames = [_Frames(*pair, data) for pair in zip(self.stores, sources, strict=True)]

    def batch(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples `first` to `first + count`: (count, p, p, 3) LR and (count, P, P, 3) HR."""
        lr, hr = self.nothing(count)
        index = np.arange(first, first + count)
        places = self.places(index)
        for number in range(count):
            pair = self._sample(first + number, *(int(column[number]) for column in places))
            for target, part in zip((lr[number], hr[number]), pair, strict=True):
                target.view(_PIXEL)[...] = part.view(_PIXEL)
        return lr, hr

    def nothing(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Black pictures with the shapes of a batch."""
        lr, hr = (np.zeros((count, side, side, 3), np.uint8) for side in (self.patch // self.scale, self.patch))
        return lr, hr

    def places(self, index: np.ndarray) -> Places:
        """Positions of the crops of these samples."""
        store, number = self.mixture.places(index)
        picture, y, x = (np.empty_like(number) for _ in range(3))
        for name in np.unique(store):
            chosen = np.flatnonzero(store == name)
            picture[chosen], y[chosen], x[chosen] = self._frames[name].places(
                self.seed, int(name), index[chosen], number[chosen]
            )
        return Places(store, picture, y, x)

    def _sample(self, index: int, store: int, picture: int, y: int, x: int) -> tuple[np.ndarray, np.ndarray]:
        lr, hr = self._crop(index, store, picture, y, x)

        def partner():
            other = index + _PARTNERS
            return self._crop(other, *(int(column[0]) for column in self.places(np.array([other]))))

        for number, augmentation in enumerate(self.augmentations):
            lr, hr = augmentation(lr, hr, Draws(self.seed, _AUGMENT + number, index), partner)
        return lr, hr

    def _crop(self, index: int, store: int, picture: int, y: int, x: int) -> tuple[np.ndarray, np.ndarray]:
        """(lr, hr) before augmentation; makes LR if the store contains none."""
        low, tiles = self.patch // self.scale, self.stores[store]
        if tiles.layout.has_lr:
            hr, lr = tiles.crop(picture, y, x, low, low)
            return cast(np.ndarray, lr), hr
        draws = Draws(self.seed, _DEGRADE, index)
        margin = self.degradation.margin // self.scale
        around = self._around(tiles, picture, y - margin, x - margin, low + 2 * margin)
        lr = self.degradation.degrade(around, draws)
        edge = margin * self.scale
        inner = slice(edge, edge + self.patch)
        return lr[margin : margin + low, margin : margin + low], around[inner, inner]

    def _around(self, tiles: TileStore, picture: int, y: int, x: int, side: int) -> np.ndarray:
        """HR of a square that may extend beyond the picture, with edge pixels repeated."""
        height, width = int(tiles.heights[picture]) // self.scale, int(tiles.widths[picture]) // self.scale
        top, left = max(0, y), max(0, x)
        bottom, right = min(height, y + side), min(width, x + side)
        hr, _ = tiles.crop(picture, top, left, bottom - top, right - left)
        if hr.shape[0] == hr.shape[1] == side * self.scale:
            return hr
        outside = [(top - y, y + side - bottom), (left - x, x + side - right), (0, 0)]
        return np.pad(hr, [(before * self.scale, after * self.scale) for before, after in outside], "edge")


class _Frames:
    """Draws crops from one store.

    With `minimum_detail`, draws a tile with enough detail first, then a crop whose center is in it.
    """

    def __init__(self, store: TileStore, source: Source, data: config.Data):
        scale, side = store.layout.scale, store.layout.small
        self.low = data.patch_size // scale
        self.heights, self.widths = store.heights.astype(np.int64) // scale, store.widths.astype(np.int64) // scale
        small = (self.heights < self.low) | (self.widths < self.low)
        if small.any():
            _report_small(store, source, data, small)
        share = 1.0
        self.side, self.columns, self.store_firsts = side, -(-self.widths // side), store.firsts
        self.detailed = None
        if data.minimum_detail:
            is_detailed = store.details >= data.minimum_detail
            before = np.concatenate([[0], np.cumsum(is_detailed)])
            self.detailed = np.flatnonzero(is_detailed)
            self.firsts, self.lasts = before[store.firsts[:-1]], before[store.firsts[1:]]
            share = (self.lasts - self.firsts) / np.diff(store.firsts)
        patches = np.rint(self.heights * self.widths * share / self.low**2).astype(np.int64)
        self.ends = np.cumsum(np.where(small | (share == 0), 0, np.maximum(patches, 1)))
        if not self.ends[-1]:
            flat = f", or set data.minimum_detail below {store.details.max():.1f}" if data.minimum_detail else ""
            raise InputError(
                f"{source} has no picture of at least {data.patch_size} x {data.patch_size} pixels; "
                f"add larger ones{flat}"
            )

    def places(self, seed: int, name: int, index: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, ...]:
        """(picture, y, x) of samples: `number` counts within this source, `index` within the run."""
        epoch, place = np.divmod(number, self.ends[-1])
        place = permuted(place, int(self.ends[-1]), seed, _ORDER, name, epoch)
        picture = np.searchsorted(self.ends, place, side="right")
        heights, widths = self.heights[picture] - self.low + 1, self.widths[picture] - self.low + 1
        top, left = hashed(seed, _TOP, index), hashed(seed, _LEFT, index)
        if self.detailed is None:
            return picture, below(top, heights), below(left, widths)
        count = self.lasts[picture] - self.firsts[picture]
        tile = self.detailed[self.firsts[picture] + below(hashed(seed, _TILE, index), count)]
        row, column = np.divmod(tile - self.store_firsts[picture], self.columns[picture])
        y = row * self.side + below(top, self.side) - self.low // 2
        x = column * self.side + below(left, self.side) - self.low // 2
        return picture, np.clip(y, 0, heights - 1), np.clip(x, 0, widths - 1)


def _report_small(store: TileStore, source: Source, data: config.Data, small: np.ndarray) -> None:
    names, numbers = store.names, np.flatnonzero(small)
    first = numbers[0]
    about = f"{names[first]} is {store.widths[first]}x{store.heights[first]} pixels, less than data.patch_size"
    if data.on_bad_file == "error":
        more = f" (and {len(numbers) - 1} more of {source})" if len(numbers) > 1 else ""
        raise InputError(
            f'{about} {data.patch_size}{more}; use a smaller patch, remove it, or set data.on_bad_file="skip"'
        )
    say_skipped(source, [f"{names[number]}: smaller than data.patch_size {data.patch_size}" for number in numbers])
