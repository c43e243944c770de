"""Log-likelihoods of continuations against sums over the logits."""

from __future__ import annotations

import numpy as np
import pytest

from mindformers.generation.scoring import Scorer
from mindformers.tools.errors import InputError
from tests.models.tiny import logits_of, tiny_net

PAIRS = [([1, 5, 9], [40]), ([1], [7, 8, 100, 30]), ([1, *range(60, 80)], [3, 3]), ([1, 2], [9]), ([1, 2], [10])]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(tiny_net(), batch_size=2)


def test_a_score_is_the_sum_of_log_probabilities(scorer: Scorer) -> None:
    found = scorer.log_likelihoods(PAIRS)
    ids = np.zeros((len(PAIRS), max(len(context) + len(continuation) for context, continuation in PAIRS)), np.int32)
    for row, (context, continuation) in zip(ids, PAIRS, strict=True):
        row[: len(context) + len(continuation)] = [*context, *continuation]
    logits = logits_of(scorer.net, ids).astype(np.float64)
    all_shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for (context, continuation), score, shares in zip(PAIRS, found, all_shares, strict=True):
        places = np.arange(len(context) - 1, len(context) + len(continuation) - 1)
        assert score == pytest.approx(shares[places, continuation].sum(), abs=1e-4)


def test_the_order_of_pairs_does_not_matter(scorer: Scorer) -> None:
    np.testing.assert_allclose(scorer.log_likelihoods(PAIRS[::-1]), scorer.log_likelihoods(PAIRS)[::-1], rtol=1e-5)


@pytest.mark.parametrize(
    ("pair", "message"), [(([], [1]), "pair 1: an empty part"), (([1] * 90, [2] * 90), "pair 1: 180 tokens")]
)
def test_pairs_that_cannot_be_scored_are_refused(scorer: Scorer, pair: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        scorer.log_likelihoods([pair])
