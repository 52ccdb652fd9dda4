"""Random numbers by counting."""

import numpy as np
import pytest

from sr_gan_tf.data.sampling import Draws, Mixture, below, hashed, permuted


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 1000, 4097])
def test_permuted_is_a_permutation(size):
    assert sorted(permuted(np.arange(size), size, 7, 2)) == list(range(size))


def test_permutations_differ_by_key_and_look_shuffled():
    first, second = (permuted(np.arange(5000), 5000, 7, epoch) for epoch in (0, 1))
    assert np.mean(first == second) < 0.01
    # A shuffled order has no trend: neighbors are a third of the range apart on average.
    assert abs(np.abs(np.diff(first)).mean() - 5000 / 3) < 100
    assert abs(np.corrcoef(first, np.arange(5000))[0, 1]) < 0.05


def test_each_index_may_have_its_own_key():
    epochs = np.array([0, 1, 1, 0])
    together = permuted(np.array([3, 3, 4, 4]), 50, 9, epochs)
    alone = [int(permuted(np.array([i]), 50, 9, e)[0]) for i, e in zip([3, 3, 4, 4], epochs, strict=True)]
    assert together.tolist() == alone


def test_hashes_are_the_same_on_every_machine():
    # splitmix64's published sequence from state 0.
    draws = Draws()
    assert [draws.bits() for _ in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert int(hashed(0)) == 0xE220A8397B1DCDAF
    assert Draws(1, 2, 3).bits() == Draws(1, 2, 3).bits() != Draws(1, 3, 2).bits()
    assert int(hashed(5, -1)) == int(hashed(5, 2**64 - 1))


def test_scalar_and_array_hash_agree():
    assert [Draws(7, n)._state for n in range(50)] == hashed(7, np.arange(50)).tolist()


def test_below_is_even():
    counts = np.bincount(below(hashed(3, np.arange(70000)), 7), minlength=7)
    assert counts.min() > 9600
    assert counts.max() < 10400
    assert len(counts) == 7


def test_draws_are_even():
    draws = Draws(11)
    numbers = [draws.uniform(-1.0, 3.0) for _ in range(20000)]
    assert min(numbers) >= -1
    assert max(numbers) < 3
    assert abs(np.mean(numbers) - 1) < 0.05
    counts = np.bincount([draws.integer(5) for _ in range(20000)])
    assert len(counts) == 5
    assert counts.min() > 3700
    names = [draws.choice(["a", "b", "c"], [0.7, 0.0, 0.3]) for _ in range(5000)]
    assert "b" not in names
    assert abs(names.count("a") / 5000 - 0.7) < 0.03


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0, 2.0], [1.0, 1e-6], [0.2, 0.3, 0.5]])
def test_mixture_gives_each_source_its_share_in_order(weights):
    sources, numbers = Mixture(weights, seed=3).places(np.arange(4096))
    for name, weight in enumerate(weights):
        own = numbers[sources == name]
        share = len(own) / 4096
        assert abs(share - weight / sum(weights)) <= 2 / 1024
        # Every number of the source occurs once: its own epochs are whole.
        assert sorted(own) == list(range(len(own)))


def test_mixture_is_a_function_of_the_index():
    mixture = Mixture([1.0, 2.0], seed=3)
    sources, numbers = mixture.places(np.arange(3000))
    for index in (0, 1023, 1024, 2999):
        source, number = mixture.places(np.array([index]))
        assert (source[0], number[0]) == (sources[index], numbers[index])
