"""Exactly k experts per token, the highest scores first and of equal ones the lower numbers."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindformers.modules.router import ActivationRouter

NUM_EXPERTS, NUM_TOKENS, NEURONS = 16, 96, 3


@pytest.fixture(scope="module")
def router() -> ActivationRouter:
    return ActivationRouter(NUM_EXPERTS)


def chosen_by_sorting(h: np.ndarray, k: np.ndarray) -> np.ndarray:
    """The mask [T, E], one token after the other: sort by score, then by number."""
    mask = np.zeros((len(h), NUM_EXPERTS), np.float32)
    for token, scores in enumerate(h.reshape(len(h), NUM_EXPERTS, -1).sum(-1)):
        order = sorted(range(NUM_EXPERTS), key=lambda expert: (-scores[expert], expert))
        mask[token, order[: k[token]]] = 1.0
    return mask


def route(router: ActivationRouter, h: np.ndarray, k: np.ndarray) -> np.ndarray:
    return router(Tensor(h.astype(np.float32)), Tensor(k.reshape(-1, 1).astype(np.int32))).asnumpy()


def modality_counts() -> np.ndarray:
    """k of a batch in which text, molecule and one-expert tokens alternate."""
    return np.resize(np.asarray([14, 2, 2, 14, 1, 16]), NUM_TOKENS)


def test_every_token_has_exactly_its_number_of_experts(router: ActivationRouter, rng: np.random.Generator) -> None:
    h = rng.standard_normal((NUM_TOKENS, NUM_EXPERTS * NEURONS))
    k = modality_counts()
    mask = route(router, h, k)
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert mask.sum(1).tolist() == k.tolist()
    assert np.array_equal(mask, chosen_by_sorting(h, k))


def test_ties_keep_exactly_k_and_the_lower_numbers(router: ActivationRouter, rng: np.random.Generator) -> None:
    h = rng.integers(-1, 2, (NUM_TOKENS, NUM_EXPERTS * NEURONS)).astype(np.float32)  # sums of small whole numbers
    k = modality_counts()
    mask = route(router, h, k)
    assert mask.sum(1).tolist() == k.tolist()
    assert np.array_equal(mask, chosen_by_sorting(h, k))


def test_all_scores_equal_gives_the_first_k(router: ActivationRouter) -> None:
    k = modality_counts()
    for value in (0.0, 3.0, -2.0):
        mask = route(router, np.full((NUM_TOKENS, NUM_EXPERTS * NEURONS), value), k)
        assert np.array_equal(mask, np.arange(NUM_EXPERTS) < k[:, None])


def test_a_score_is_the_signed_sum_of_an_experts_neurons(router: ActivationRouter) -> None:
    h = np.zeros((NUM_TOKENS, NUM_EXPERTS, NEURONS), np.float32)
    h[:, 4] = [5.0, -9.0, 1.0]  # large values, but together the lowest
    h[:, 7] = [0.5, 0.0, 0.0]
    h[:, 9] = [0.2, 0.1, 0.1]
    mask = route(router, h.reshape(NUM_TOKENS, -1), np.full(NUM_TOKENS, 2))
    assert np.flatnonzero(mask[0]).tolist() == [7, 9]
    mask = route(router, h.reshape(NUM_TOKENS, -1), np.full(NUM_TOKENS, 15))
    assert np.flatnonzero(mask[0] == 0).tolist() == [4]


class Weighed(nn.Cell):
    """A sum over the mask that would have a gradient if the choice had one."""

    def __init__(self, router: ActivationRouter) -> None:
        super().__init__()
        self.router = router

    def construct(self, h: Tensor, k: Tensor, weights: Tensor) -> Tensor:
        return (self.router(h, k) * weights).sum() + 0.5 * h.sum()


def test_no_gradient_flows_through_the_choice(router: ActivationRouter, rng: np.random.Generator) -> None:
    h = Tensor(rng.standard_normal((NUM_TOKENS, NUM_EXPERTS * NEURONS)), ms.float32)
    k = Tensor(modality_counts().reshape(-1, 1), ms.int32)
    weights = Tensor(rng.standard_normal((NUM_TOKENS, NUM_EXPERTS)), ms.float32)
    gradient = ops.grad(Weighed(router))(h, k, weights).asnumpy()
    assert np.all(gradient == 0.5)
