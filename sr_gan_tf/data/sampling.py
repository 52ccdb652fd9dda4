"""Counter-based random numbers: everything about sample i is a hash of (seed, i), so there is no state to save.

The hash is splitmix64's finalizer (Steele, Lea, Flood 2014), chained over its arguments. A shuffle without a
buffer is a permutation that can be evaluated at any position: a Feistel network over the next power of four, iterated
until the result is in range (Black, Rogaway 2002, "Ciphers with arbitrary finite domains").
"""

import numpy as np

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_MASK = 2**64 - 1
_ROUNDS = 6  # four rounds leave a measurable correlation
_BLOCK = 1024  # samples over which the shares of the sources are exact


def hashed(*words) -> np.ndarray:
    """uint64 hash of integers (arrays broadcast): equal words give equal hashes on every machine."""
    state: np.ndarray | np.uint64 = np.uint64(0)
    with np.errstate(over="ignore"):
        for word in words:
            state = _finalize(np.bitwise_xor(state, np.asarray(word).astype(np.uint64)))
    return np.asarray(state)


def _finalize(state):
    state = state + np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_FIRST)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_SECOND)
    return state ^ (state >> np.uint64(31))


def _finalize_one(state: int) -> int:
    """`_finalize` for one Python integer, much faster than NumPy."""
    state = (state + _GOLDEN) & _MASK
    state = ((state ^ (state >> 30)) * _FIRST) & _MASK
    state = ((state ^ (state >> 27)) * _SECOND) & _MASK
    return state ^ (state >> 31)


def below(hashes: np.ndarray, limits) -> np.ndarray:
    """int64 in [0, limit) from hashes; the upper 53 bits scale the limit, which stays below 2^50."""
    fraction = (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.floor(fraction * limits).astype(np.int64)


def permuted(index: np.ndarray, size: int, *key) -> np.ndarray:
    """Maps each index by a permutation of range(size) selected by the key; the key may differ per index."""
    index = np.asarray(index).astype(np.uint64)
    keys = np.broadcast_to(hashed(size, *key), index.shape)
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    result = _feistel(index, half, keys)
    outside = np.flatnonzero(result >= size)
    while len(outside):
        result[outside] = _feistel(result[outside], half, keys[outside])
        outside = outside[result[outside] >= size]
    return result.astype(np.int64)


def _feistel(value: np.ndarray, half: int, key: np.ndarray) -> np.ndarray:
    shift, mask = np.uint64(half), np.uint64(2**half - 1)
    left, right = value >> shift, value & mask
    with np.errstate(over="ignore"):
        for number in range(_ROUNDS):
            mixed = _finalize(right ^ (key + np.uint64(number)))
            left, right = right, left ^ (mixed & mask)
    return (left << shift) | right


class Mixture:
    """Determines the source of sample i, and its number among the samples of that source.

    In every block of 1024 samples, each source has the same number of samples: its share of the weights, rounded, but
    at least one. The order is shuffled per block.
    """

    def __init__(self, weights: list[float], seed: int):
        self.seed = seed
        shares = np.asarray(weights, np.float64) / np.sum(weights) * _BLOCK
        counts = np.maximum(np.floor(shares).astype(np.int64), 1)
        while counts.sum() != _BLOCK:
            step = 1 if counts.sum() < _BLOCK else -1
            counts[np.argmax(np.where(counts + step > 0, (shares - counts) * step, -np.inf))] += step
        self.counts, self.ends = counts, np.cumsum(counts)

    def places(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(source, number within it) of each sample."""
        block, place = np.divmod(np.asarray(index, np.int64), _BLOCK)
        if len(self.counts) == 1:
            return np.zeros_like(place), block * _BLOCK + place
        slot = permuted(place, _BLOCK, self.seed, 1, block)
        source = np.searchsorted(self.ends, slot, side="right")
        return source, block * self.counts[source] + slot - (self.ends - self.counts)[source]


class Draws:
    """The random numbers of one sample: a stream that depends only on its words (seed, sample, purpose)."""

    def __init__(self, *words: int):
        self._state = 0
        for word in words:
            self._state = _finalize_one(self._state ^ (int(word) & _MASK))

    def bits(self) -> int:
        """64 random bits."""
        result = _finalize_one(self._state)
        self._state = (self._state + _GOLDEN) & _MASK
        return result

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * (self.bits() >> 11) * 2.0**-53

    def integer(self, limit: int) -> int:
        """An integer in [0, limit)."""
        return self.bits() * limit >> 64

    def chance(self, probability: float) -> bool:
        return self.uniform() < probability

    def choice(self, names: list, weights: list[float]):
        """One of the names, in proportion to the weights."""
        place = self.uniform(0.0, sum(weights))
        for name, weight in zip(names, weights, strict=True):
            place -= weight
            if place < 0:
                return name
        return names[-1]

    def generator(self) -> np.random.Generator:
        """NumPy's generator for whole fields of noise."""
        return np.random.Generator(np.random.SFC64(self.bits()))
