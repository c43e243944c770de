"""Centres are the best linear scores, and they find the activation router's choice far above chance."""

import numpy as np
import pytest

from mindformers.experts.centres import expert_centres
from mindformers.experts.kmeans import cluster_neurons
from mindformers.experts.labels import random_labels
from mindformers.experts.routing import choose_experts, expert_sums
from mindformers.tools.errors import InputError
from tests.experts.synthetic import planted_weights, swiglu


def test_small_weights_are_as_worked_by_hand() -> None:
    # w1 (w1 w3) / 2 + w3 |w1|^2 / 4, for w1 = (e, 0), w3 = (e, e): (e^3 / 2 + e^3 / 4, e^3 / 4).
    e = 0.02
    centres = expert_centres(np.array([[e, 0]]), np.array([[e, e]]), np.array([0]), 1)
    assert np.allclose(centres / e**3, [[0.75, 0.25]], rtol=1e-2)


@pytest.mark.parametrize("centred", [True, False])
def test_no_line_through_zero_is_nearer(centred: bool) -> None:
    generator = np.random.default_rng(0)
    w1, w3 = (generator.normal(size=(2, 24, 6)) / 2).astype(np.float32)
    labels = random_labels(24, 3, 0)
    mean = np.zeros(6) if centred else generator.normal(size=6)
    variance = generator.uniform(0.5, 2, 6)
    x = mean + np.sqrt(variance) * generator.normal(size=(400_000, 6))
    best = np.linalg.lstsq(x, expert_sums(swiglu(x, w1, w3), labels, 3), rcond=None)[0].T
    centres = expert_centres(w1, w3, labels, 3, mean, variance)
    assert np.abs(centres - best).max() < 0.02 * np.abs(best).max()
    assert centres.dtype == np.float32


def test_the_plain_centres_are_those_of_a_normed_input() -> None:
    w1, w3, labels = planted_weights(64, 4, 16, 0.5, seed=0)
    plain = expert_centres(w1, w3, labels, 4)
    assert np.array_equal(plain, expert_centres(w1, w3, labels, 4, np.zeros(16), np.ones(16)))


@pytest.mark.parametrize("seed", range(3))
def test_the_choice_is_found_far_above_chance(seed: int) -> None:
    w1, w3, _ = planted_weights(512, 16, 64, 0.5, seed)
    w1, w3 = w1 / 8, w3 / 8 + w1 / 8
    labels = cluster_neurons(w1, w3, 16)
    x = np.random.default_rng(seed + 10).normal(size=(2000, 64)).astype(np.float32)
    scores, guessed = expert_sums(swiglu(x, w1, w3), labels, 16), x @ expert_centres(w1, w3, labels, 16).T
    both = choose_experts(scores, 2) & choose_experts(guessed, 2)
    assert both.sum() / (2 * len(x)) > 3 * 2 / 16
    assert np.corrcoef(scores.ravel(), guessed.ravel())[0, 1] > 0.5


def test_labels_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="experts for 8 neurons a layer; expected 12"):
        expert_centres(np.zeros((12, 4)), np.zeros((12, 4)), random_labels(8, 4, 0), 4)
