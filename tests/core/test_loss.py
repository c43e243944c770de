"""The loss against NumPy, and which tokens count."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.core.loss import CausalLoss, TokenLoss, shifted

IGNORED = -100


def losses_by_numpy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    highest = logits.max(-1, keepdims=True)
    normaliser = np.log(np.exp(logits - highest).sum(-1)) + highest[:, 0]
    return normaliser - logits[np.arange(len(labels)), np.maximum(labels, 0)]


def test_two_equal_logits_cost_log_two() -> None:
    losses, weights = TokenLoss()(Tensor([[0.0, 0.0], [0.0, 0.0]], ms.float32), Tensor([1, IGNORED], ms.int32))
    np.testing.assert_allclose(losses.asnumpy(), [np.log(2), 0], rtol=1e-5)
    assert weights.asnumpy().tolist() == [1, 0]


def test_losses_are_those_of_the_definition(rng: np.random.Generator) -> None:
    logits = (rng.standard_normal((12, 7)) * 30).astype(np.float32)
    labels = rng.integers(0, 7, 12).astype(np.int32)
    labels[[2, 5, 11]] = IGNORED
    losses, weights = TokenLoss(IGNORED)(Tensor(logits), Tensor(labels))
    counted = labels != IGNORED
    assert np.array_equal(weights.asnumpy(), counted)
    np.testing.assert_allclose(losses.asnumpy(), losses_by_numpy(logits, labels) * counted, atol=1e-4)


def test_the_id_that_does_not_count_can_be_chosen() -> None:
    _, weights = TokenLoss(ignore_token_id=3)(Tensor(np.zeros((3, 5)), ms.float32), Tensor([3, 0, 4], ms.int32))
    assert weights.asnumpy().tolist() == [0, 1, 1]


def test_what_is_read_stands_one_before_what_is_said() -> None:
    read, said = shifted(Tensor([[1, 2, 3, 4]], ms.int32), Tensor([[IGNORED, 2, 3, 4]], ms.int32))
    assert (read.asnumpy().tolist(), said.asnumpy().tolist()) == ([[1, 2, 3]], [[2, 3, 4]])


class Lookup(nn.Cell):
    """Logits of the next token are a row of a table."""

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.table = Tensor(table)

    def construct(self, ids: Tensor) -> Tensor:
        return ops.gather(self.table, ids, 0)


def test_a_batch_costs_the_sum_over_all_tokens_that_count(rng: np.random.Generator) -> None:
    table = rng.standard_normal((9, 9)).astype(np.float32)
    ids = rng.integers(0, 9, (2, 6)).astype(np.int32)
    labels = ids.copy()
    labels[0, :5] = IGNORED  # one token of the first row counts, five of the second
    loss, tokens = CausalLoss(Lookup(table), IGNORED)(Tensor(ids), Tensor(labels))
    said = np.concatenate([labels[0, 1:], labels[1, 1:]])
    losses = losses_by_numpy(table[np.concatenate([ids[0, :-1], ids[1, :-1]])], said)
    assert tokens.asnumpy() == (said != IGNORED).sum() == 6
    np.testing.assert_allclose(loss.asnumpy(), losses[said != IGNORED].sum(), rtol=1e-5)


def test_a_batch_in_which_nothing_counts_costs_nothing() -> None:
    ids, labels = Tensor(np.ones((2, 6)), ms.int32), Tensor(np.full((2, 6), IGNORED), ms.int32)
    sums = CausalLoss(Lookup(np.zeros((9, 9), np.float32)), IGNORED)(ids, labels)
    assert [value.asnumpy() for value in sums] == [0.0, 0.0]
