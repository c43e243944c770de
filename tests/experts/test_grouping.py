"""Storing neurons expert by expert changes the order of summation and nothing else."""

import numpy as np
import pytest

from mindformers.experts.grouping import apply_order, invert_order, neuron_order
from mindformers.experts.labels import random_labels
from tests.experts.synthetic import swiglu


def test_neurons_stand_expert_by_expert_in_their_old_order() -> None:
    assert neuron_order(np.array([[1, 0, 1, 0], [0, 0, 1, 1]])).tolist() == [[1, 3, 0, 2], [0, 1, 2, 3]]
    assert neuron_order(np.array([2, 1, 0], np.int8)).tolist() == [2, 1, 0]


def test_the_inverse_leads_back() -> None:
    order = neuron_order(np.stack([random_labels(24, 4, seed) for seed in range(3)]))
    identity = np.broadcast_to(np.arange(24), order.shape)
    assert np.array_equal(np.take_along_axis(order, invert_order(order), axis=1), identity)


@pytest.mark.parametrize("seed", range(5))
def test_the_function_is_the_same(seed: int) -> None:
    generator = np.random.default_rng(seed)
    w1, w3 = generator.normal(size=(2, 48, 8))
    w2, x = generator.normal(size=(8, 48)), generator.normal(size=(10, 8))
    order = neuron_order(random_labels(48, 6, seed))
    new1, new3, new2 = apply_order(w1, w3, w2, order)
    assert not np.array_equal(new1, w1)
    assert np.allclose(swiglu(x, new1, new3) @ new2.T, swiglu(x, w1, w3) @ w2.T, atol=1e-12)


def test_an_expert_is_a_block_of_what_was_its_neurons() -> None:
    generator = np.random.default_rng(0)
    labels, w1, x = random_labels(12, 3, 0), generator.normal(size=(12, 4)), generator.normal(size=(5, 4))
    order = neuron_order(labels)
    new1, new3, _ = apply_order(w1, w1, w1.T, order)
    blocks = swiglu(x, new1, new3).reshape(5, 3, 4).sum(axis=2)
    sums = np.stack([swiglu(x, w1, w1)[:, labels == expert].sum(axis=1) for expert in range(3)], axis=1)
    assert np.allclose(blocks, sums)


def test_the_way_back_is_exact_and_types_stay() -> None:
    weights = np.random.default_rng(1).normal(size=(2, 16, 4)).astype(np.float16)
    w1, w3, w2 = weights[0], weights[1], weights[0].T
    order = neuron_order(random_labels(16, 4, 0))
    back = apply_order(*apply_order(w1, w3, w2, order), invert_order(order))
    for found, wanted in zip(back, (w1, w3, w2), strict=True):
        assert found.dtype == np.float16
        assert np.array_equal(found, wanted)
