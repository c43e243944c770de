"""Neurons that fire together are put together, in every modality, from a stream of batches."""

import numpy as np
import pytest

from mindformers.experts.coactivation import CoactivationProfile, cluster_activations
from mindformers.tools.errors import InputError
from tests.experts.synthetic import adjusted_rand_index, is_balanced

TEXT, MOLECULE = 0, 1


def firing(groups: np.ndarray, num_tokens: int, generator: np.random.Generator, noise: float = 0.2) -> np.ndarray:
    """h [T, F]: in each token the neurons of one group fire, the others make a little noise."""
    chosen = generator.integers(0, groups.max() + 1, num_tokens)
    h = (chosen[:, None] == groups) * generator.uniform(0.5, 1.5, (num_tokens, len(groups)))
    return (h + noise * generator.normal(size=h.shape)).astype(np.float32)


@pytest.mark.parametrize(("num_neurons", "num_experts"), [(64, 4), (256, 16)])
def test_groups_that_fire_together_are_found(num_neurons: int, num_experts: int) -> None:
    generator = np.random.default_rng(0)
    groups = generator.permutation(np.arange(num_neurons) % num_experts)
    h = firing(groups, 2000, generator, noise=0.5)
    labels = cluster_activations([(h, np.zeros(2000, int))], num_neurons, 4, num_experts)
    assert adjusted_rand_index(labels, groups) > 0.95
    assert is_balanced(labels, num_experts)


def test_a_modality_with_few_tokens_weighs_as_much() -> None:
    generator = np.random.default_rng(1)
    text, molecule = generator.permutation(np.arange(64) % 4), generator.permutation(np.arange(64) % 4)
    profile = CoactivationProfile(64, 4)
    profile.add(firing(text, 5000, generator), np.full(5000, TEXT))
    profile.add(firing(molecule, 100, generator), np.full(100, MOLECULE))
    features = profile.features()
    assert np.allclose((features[:, :256] ** 2).sum(), (features[:, 256:] ** 2).sum(), rtol=1e-5)
    # Neurons that agree in both modalities are closest, and either modality alone counts about the same.
    cosines = features @ features.T
    same_text, same_molecule = text[:, None] == text, molecule[:, None] == molecule
    both = cosines[same_text & same_molecule].mean()
    only_text, only_molecule = cosines[same_text & ~same_molecule].mean(), cosines[~same_text & same_molecule].mean()
    assert both > only_text + 0.5 * only_molecule
    assert only_text == pytest.approx(only_molecule, rel=0.25)


def test_streaming_equals_one_batch() -> None:
    generator = np.random.default_rng(2)
    h, rows = firing(np.arange(32) % 4, 700, generator), generator.integers(0, 3, 700)
    whole, stream = CoactivationProfile(32, 4, seed=3), CoactivationProfile(32, 4, seed=3)
    whole.add(h, rows)
    for start in range(0, 700, 97):
        stream.add(h[start : start + 97], rows[start : start + 97])
    assert np.allclose(whole.profiles, stream.profiles, atol=1e-4)
    assert np.array_equal(whole.num_tokens, stream.num_tokens)
    assert np.array_equal(whole.cluster(4), stream.cluster(4))


def test_profiles_keep_the_products_of_histories() -> None:
    generator = np.random.default_rng(4)
    h = np.abs(firing(np.arange(16) % 4, 3000, generator))
    profile = CoactivationProfile(16, 1, size=4096)
    profile.add(h, np.zeros(3000, int))
    products, wanted = profile.profiles[0] @ profile.profiles[0].T / 4096, h.T @ h
    assert np.abs(products - wanted).max() < 0.1 * wanted.max()


def test_negative_activations_count_a_little() -> None:
    h = np.array([[2.0, -2.0, 0.0]], np.float32)
    profile = CoactivationProfile(3, 1)
    profile.add(h, np.zeros(1, int))
    loud, negative, silent = profile.profiles[0]
    assert np.allclose(negative, 0.3 * loud)
    assert not silent.any()


def test_tokens_without_a_modality_are_left_out() -> None:
    generator = np.random.default_rng(5)
    h = firing(np.arange(16) % 4, 50, generator)
    rows = np.where(np.arange(50) < 40, TEXT, -1)
    padded, plain = CoactivationProfile(16, 2), CoactivationProfile(16, 2)
    padded.add(h, rows)
    plain.add(h[:40], rows[:40])
    assert np.array_equal(padded.profiles, plain.profiles)
    assert padded.num_tokens.tolist() == [40, 0]


def test_memory_does_not_grow_with_the_data() -> None:
    profile = CoactivationProfile(64, 4, size=8)
    before = profile.profiles.nbytes
    for _ in range(5):
        profile.add(np.ones((100, 64), np.float32), np.zeros(100, int))
    assert profile.profiles.nbytes == before == 4 * 4 * 64 * 8


def test_equal_seeds_give_equal_labels() -> None:
    h = np.random.default_rng(6).normal(size=(300, 64)).astype(np.float32)
    first, again, other = (cluster_activations([(h, np.zeros(300, int))], 64, 1, 4, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(10))
def test_the_balance_is_exact_on_noise(seed: int) -> None:
    generator = np.random.default_rng(seed)
    h = generator.standard_t(2, (60, 48)).astype(np.float32)
    assert is_balanced(cluster_activations([(h, generator.integers(-1, 4, 60))], 48, 4, 6, seed), 6)


@pytest.mark.parametrize(
    ("h", "rows", "line"),
    [
        (np.zeros((2, 7)), np.zeros(2, int), "h is [2, 7] with modality rows [2]; expected [tokens, 8] and [tokens]"),
        (np.zeros((2, 8)), np.zeros(3, int), "h is [2, 8] with modality rows [3]"),
        (np.zeros((2, 8)), np.array([0, 4]), "modality row 4; expected rows below 4"),
        (np.full((2, 8), np.inf), np.zeros(2, int), "not all numbers are finite"),
    ],
)
def test_unusable_batches_are_refused(h: np.ndarray, rows: np.ndarray, line: str) -> None:
    with pytest.raises(InputError) as caught:
        CoactivationProfile(8, 4).add(h, rows)
    assert line in str(caught.value)


def test_clustering_needs_activations_and_equal_experts() -> None:
    profile = CoactivationProfile(8, 2)
    profile.add(np.zeros((0, 8), np.float32), np.zeros(0, int))
    with pytest.raises(InputError, match="no neuron has fired"):
        profile.cluster(4)
    with pytest.raises(InputError, match="8 neurons do not split into 3"):
        profile.cluster(3)
