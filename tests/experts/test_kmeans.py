"""Balanced k-means finds groups that were planted, whatever the seed, and never loses the balance."""

import numpy as np
import pytest

from mindformers.experts.kmeans import balanced_kmeans, cluster_neurons, neuron_features
from mindformers.tools.errors import InputError
from tests.experts.synthetic import adjusted_rand_index, is_balanced, planted_weights


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
@pytest.mark.parametrize(
    ("num_neurons", "num_experts", "hidden"), [(64, 4, 32), (64, 8, 64), (256, 16, 64), (512, 16, 64), (1024, 64, 128)]
)
def test_planted_groups_are_found(num_neurons: int, num_experts: int, hidden: int, noise: float) -> None:
    for seed in range(3):
        w1, w3, labels = planted_weights(num_neurons, num_experts, hidden, noise, seed)
        assert adjusted_rand_index(cluster_neurons(w1, w3, num_experts, seed), labels) > 0.95


def test_the_order_of_neurons_does_not_matter() -> None:
    w1, w3, _ = planted_weights(256, 8, 32, 0.5, seed=1)
    shuffle = np.random.default_rng(2).permutation(256)
    plain, shuffled = cluster_neurons(w1, w3, 8), cluster_neurons(w1[shuffle], w3[shuffle], 8)
    assert adjusted_rand_index(plain[shuffle], shuffled) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(40))
def test_the_balance_is_exact_without_any_groups(seed: int) -> None:
    generator = np.random.default_rng(seed)
    num_experts, size, hidden = (int(number) for number in generator.integers(1, 10, 3))
    w1, w3 = generator.standard_normal((2, num_experts * size, hidden)).astype(np.float32)
    assert is_balanced(cluster_neurons(w1, w3, num_experts, seed), num_experts)


def test_equal_seeds_give_equal_labels() -> None:
    w1, w3 = np.random.default_rng(0).standard_normal((2, 256, 32))
    first = cluster_neurons(w1, w3, 8, seed=5)
    assert np.array_equal(first, cluster_neurons(w1, w3, 8, seed=5))
    assert not np.array_equal(first, cluster_neurons(w1, w3, 8, seed=6))
    assert first.dtype == np.int32


@pytest.mark.parametrize("weights", [np.zeros((32, 8)), np.ones((32, 8)), np.eye(2, 8)[np.arange(32) // 31]])
def test_dead_and_equal_neurons_do_not_stop_it(weights: np.ndarray) -> None:
    assert is_balanced(cluster_neurons(weights, weights, 4), 4)


def test_one_expert_and_one_neuron_each() -> None:
    w1, w3 = np.random.default_rng(0).standard_normal((2, 8, 4))
    assert cluster_neurons(w1, w3, 1).tolist() == [0] * 8
    assert cluster_neurons(w1, w3, 8).tolist() == list(range(8))


def test_features_are_means_of_unit_rows() -> None:
    w1, w3 = np.array([[3.0, 4], [0, 2], [0, 0]]), np.array([[0.0, 5], [0, -7], [1, 0]])
    assert np.allclose(neuron_features(w1, w3), [[0.3, 0.9], [0, 0], [0.5, 0]])


def test_features_leave_the_weights_alone_and_take_half_precision() -> None:
    w1, w3 = np.random.default_rng(0).standard_normal((2, 8, 4)).astype(np.float16)
    before = w1.copy()
    assert neuron_features(w1, w3).dtype == np.float32
    assert np.array_equal(w1, before)


def test_lengths_of_rows_do_not_matter() -> None:
    w1, w3, _ = planted_weights(64, 4, 16, 0.5, seed=0)
    loud = np.random.default_rng(1).uniform(0.1, 10, (64, 1)).astype(np.float32)
    assert np.array_equal(cluster_neurons(w1, w3, 4), cluster_neurons(w1 * loud, w3 / loud, 4))


def test_splits_beat_chance_by_the_measure_they_serve() -> None:
    features = np.random.default_rng(0).standard_normal((240, 6)).astype(np.float32)
    labels = balanced_kmeans(features, 6)
    means = np.stack([features[labels == expert].mean(axis=0) for expert in range(6)])
    assert ((features - means[labels]) ** 2).sum() < 0.75 * ((features - features.mean(axis=0)) ** 2).sum()


@pytest.mark.parametrize(
    ("w1", "w3", "line"),
    [
        (np.zeros((8, 4)), np.zeros((8, 3)), "[8, 4] and [8, 3]"),
        (np.zeros(8), np.zeros(8), "[8] and [8]"),
        (np.zeros((8, 4)), np.full((8, 4), np.nan), "not all numbers are finite"),
        (np.zeros((9, 4)), np.zeros((9, 4)), "9 neurons do not split into 2 equal experts"),
    ],
)
def test_unusable_weights_are_refused(w1: np.ndarray, w3: np.ndarray, line: str) -> None:
    with pytest.raises(InputError) as caught:
        cluster_neurons(w1, w3, 2)
    assert line in str(caught.value)
