"""The next token by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mindformers.generation import GenerationOptions
from mindformers.generation.drawing import best, candidates, draw, log_probability_of
from mindformers.generation.sampling import RowSampler
from mindformers.tools.errors import InputError

SHARES = np.asarray([0.1, 0.4, 0.05, 0.25, 0.2])  # most likely first: 1 3 4 0 2
LOGITS = np.log(SHARES).astype(np.float32) + 3  # a constant changes nothing


BUDGET = 99


class Rows:
    """Samplers of several sequences."""

    def __init__(self, options: GenerationOptions, prompts: list[list[int]], indices: list[int]) -> None:
        self.samplers = [RowSampler(options, p, index=i) for p, i in zip(prompts, indices, strict=True)]

    def choose(self, logits: np.ndarray) -> np.ndarray:
        return np.asarray([one.choose(row, BUDGET) for one, row in zip(self.samplers, logits, strict=True)])


def sampler(rows: int = 1, prompts: list[list[int]] | None = None, **options: Any) -> Rows:
    return Rows(GenerationOptions(**options), prompts or [[]] * rows, list(range(rows)))


def test_without_limits_every_token_is_a_candidate() -> None:
    order, shares = candidates(LOGITS, GenerationOptions())
    assert order.tolist() == [1, 3, 4, 0, 2]
    np.testing.assert_allclose(shares, [0.4, 0.25, 0.2, 0.1, 0.05], rtol=1e-6)


@pytest.mark.parametrize(("k", "kept"), [(1, [1]), (2, [1, 3]), (4, [1, 3, 4, 0]), (99, [1, 3, 4, 0, 2])])
def test_top_k_keeps_the_k_most_likely(k: int, kept: list[int]) -> None:
    order, shares = candidates(LOGITS, GenerationOptions(top_k=k))
    assert order.tolist() == kept
    np.testing.assert_allclose(shares, SHARES[kept] / SHARES[kept].sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("p", "kept"), [(0.01, [1]), (0.39, [1]), (0.41, [1, 3]), (0.66, [1, 3, 4]), (0.84, [1, 3, 4]), (0.9, [1, 3, 4, 0])]
)
def test_top_p_keeps_the_fewest_that_reach_p(p: float, kept: list[int]) -> None:
    assert candidates(LOGITS, GenerationOptions(top_p=p))[0].tolist() == kept


def test_top_p_counts_within_top_k() -> None:
    # of the first two, 0.4 and 0.25, the first has 0.615
    assert candidates(LOGITS, GenerationOptions(top_k=2, top_p=0.61))[0].tolist() == [1]
    assert candidates(LOGITS, GenerationOptions(top_k=2, top_p=0.62))[0].tolist() == [1, 3]


def test_temperature_sharpens_and_evens() -> None:
    sharp, even = (candidates(LOGITS, GenerationOptions(temperature=t))[1] for t in (0.5, 2.0))
    np.testing.assert_allclose(sharp, np.sort(SHARES**2)[::-1] / (SHARES**2).sum(), rtol=1e-6)
    np.testing.assert_allclose(even, np.sort(SHARES**0.5)[::-1] / (SHARES**0.5).sum(), rtol=1e-6)


def test_equal_logits_are_ordered_by_id() -> None:
    assert candidates(np.zeros(4, np.float32), GenerationOptions(top_k=2))[0].tolist() == [0, 1]


def test_the_best_of_many_are_those_of_a_stable_sort() -> None:
    values = np.random.default_rng(0).integers(0, 50, 1000).astype(np.float32)  # many are equal
    values[[3, 500]] = -np.inf
    order = np.argsort(-values, kind="stable")
    for count in (1, 7, 400, 998):
        assert best(values, count).tolist() == order[:count].tolist()
    assert best(values).tolist() == best(values, 1000).tolist() == order[:998].tolist()


@pytest.mark.parametrize("p", [0.05, 0.5, 0.95, 0.9999])
def test_top_p_sorts_no_more_than_it_needs_of_a_large_vocabulary(p: float) -> None:
    logits = np.random.default_rng(1).standard_normal(5000).astype(np.float32)
    order = np.argsort(-logits, kind="stable")
    shares = np.exp(logits[order].astype(np.float64))
    shares /= shares.sum()
    kept = int((np.cumsum(shares) - shares < p).sum())
    found, found_shares = candidates(logits, GenerationOptions(top_p=p))
    assert found.tolist() == order[:kept].tolist()
    np.testing.assert_allclose(found_shares, shares[:kept], rtol=1e-6)


def test_a_draw_is_where_the_position_falls() -> None:
    shares = np.random.default_rng(2).random(1000) * (np.arange(1000) % 3 > 0)  # every third can never be drawn
    ends = np.cumsum(shares)
    for place in range(1000):
        if shares[place]:
            assert draw(shares, (ends[place] - shares[place] / 2) / ends[-1]) == place
    assert draw(shares, 0.0) == 1
    assert draw(shares, 1.0) == 998
    assert draw(np.asarray([0.0, 1.0, 0.0]), np.nextafter(1.0, 0.0)) == 1


def test_greedy_takes_the_most_likely_of_every_row() -> None:
    assert sampler(2).choose(np.stack([LOGITS, -LOGITS])).tolist() == [1, 2]


def test_draws_follow_the_probabilities() -> None:
    drawing = sampler(do_sample=True, top_p=0.7)  # 1, 3 and 4 with 0.4, 0.25 and 0.2 of 0.85
    counts = np.bincount([drawing.choose(LOGITS[None])[0] for _ in range(4000)], minlength=5)
    assert counts[[0, 2]].tolist() == [0, 0]
    np.testing.assert_allclose(counts[[1, 3, 4]] / 4000, np.asarray([0.4, 0.25, 0.2]) / 0.85, atol=0.03)


def draws(seed: int, index: int, count: int = 30) -> list[int]:
    one = Rows(GenerationOptions(do_sample=True, seed=seed), [[]], [index])
    return [int(one.choose(LOGITS[None])[0]) for _ in range(count)]


def test_draws_follow_from_the_seed_and_the_place_in_the_input() -> None:
    assert draws(3, 7) == draws(3, 7)
    assert draws(3, 7) != draws(4, 7)
    assert draws(3, 7) != draws(3, 8)
    batch = Rows(GenerationOptions(do_sample=True, seed=3), [[], []], [7, 8])
    found = [batch.choose(np.stack([LOGITS, LOGITS])).tolist() for _ in range(30)]
    assert [list(column) for column in zip(*found, strict=True)] == [draws(3, 7), draws(3, 8)]


def test_repeating_is_made_less_likely_on_both_sides_of_zero() -> None:
    logits = np.asarray([[2.0, 1.9, -1.0, -1.9]], np.float32)
    choosing = sampler(prompts=[[0]], repetition_penalty=2.0)
    # token 0 was in the prompt: 2.0 / 2 = 1.0, so 1 wins; then 1.9 / 2 = 0.95, so 0 wins, and so on
    assert [int(choosing.choose(logits)[0]) for _ in range(3)] == [1, 0, 0]
    below = sampler(prompts=[[0]], repetition_penalty=2.0)
    assert below.choose(np.asarray([[-1.0, -1.9, -3.0]], np.float32)).tolist() == [1]  # -1.0 * 2 = -2.0


def test_a_penalty_of_one_changes_nothing_and_the_logits_stay_as_they_were() -> None:
    logits = LOGITS[None].copy()
    assert sampler(prompts=[[1]]).choose(logits).tolist() == [1]
    sampler(prompts=[[1]], repetition_penalty=9.0).choose(logits)
    assert np.array_equal(logits, LOGITS[None])


def test_an_answer_does_not_end_before_its_smallest_length() -> None:
    one = RowSampler(GenerationOptions(min_new_tokens=2), [], eos_token_id=1)
    assert [one.choose(LOGITS, BUDGET) for _ in range(3)] == [3, 3, 1]


def test_samples_of_one_prompt_differ_and_repeat() -> None:
    options = GenerationOptions(do_sample=True, seed=3)

    def drawn(sample: int) -> list[int]:
        one = RowSampler(options, [], index=7, sample=sample)
        return [one.choose(LOGITS, BUDGET) for _ in range(30)]

    assert drawn(0) == draws(3, 7)
    assert drawn(1) == drawn(1) != drawn(2)


class Evens:
    """A constraint in miniature: of the tokens 0 to 4 only even ones, of which it takes note."""

    columns = np.arange(5, dtype=np.int32)

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.budgets: list[int] = []

    def permitted(self, places: list[int], budget: int) -> Iterator[int]:
        self.budgets.append(budget)
        return (place for place in places if place % 2 == 0)

    def advance(self, token: int) -> None:
        self.taken.append(token)


@pytest.mark.parametrize("do_sample", [False, True])
def test_a_constraint_hides_tokens_and_hears_of_the_chosen(do_sample: bool) -> None:
    state = Evens()
    one = RowSampler(GenerationOptions(do_sample=do_sample), [], state=state)
    chosen = [one.choose(LOGITS, budget) for budget in (3, 2, 1)]
    assert set(chosen) <= {0, 2, 4}
    assert state.taken == chosen
    assert list(dict.fromkeys(state.budgets)) == [3, 2, 1]


EVEN_SHARES = {0: 0.1, 2: 0.05, 4: 0.2}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, EVEN_SHARES),
        ({"top_k": 2}, {4: 0.2, 0: 0.1}),
        ({"top_p": 0.8}, {4: 0.2, 0: 0.1}),  # 4 has 0.57 of the even ones, with 0 it is 0.86
        ({"temperature": 0.5}, {token: share**2 for token, share in EVEN_SHARES.items()}),
    ],
)
def test_draws_under_a_constraint_follow_the_probabilities_of_what_it_allows(
    options: dict[str, Any], expected: dict[int, float]
) -> None:
    one = RowSampler(GenerationOptions(do_sample=True, **options), [], state=Evens())
    counts = np.bincount([one.choose(LOGITS, 9) for _ in range(4000)], minlength=5)
    wanted = np.asarray([expected.get(token, 0.0) for token in range(5)])
    np.testing.assert_allclose(counts / 4000, wanted / wanted.sum(), atol=0.03)
    assert not counts[wanted == 0].any()


def test_a_constraints_end_comes_too_early_only_where_nothing_else_may_follow() -> None:
    options = GenerationOptions(min_new_tokens=1)
    assert RowSampler(options, [], eos_token_id=4, state=Evens()).choose(LOGITS, 3) == 0
    only_end = Evens()
    only_end.permitted = lambda places, budget: iter([place for place in places if place == 4])
    assert RowSampler(options, [], eos_token_id=4, state=only_end).choose(LOGITS, 3) == 4


def test_the_columns_of_a_constraint_are_enough() -> None:
    for options in ({}, {"do_sample": True}, {"do_sample": True, "top_k": 2}, {"repetition_penalty": 9.0}):
        whole, part = (RowSampler(GenerationOptions(**options), [1], state=Evens()) for _ in range(2))
        logits = np.append(LOGITS, [9.0, 9.0]).astype(np.float32)
        for _ in range(5):
            assert whole.choose(logits, 9) == part.choose(logits[:5], 9, is_part=True)


def test_rows_behind_the_tokenizers_last_token_are_never_chosen() -> None:
    logits = np.append(LOGITS, np.float32(99))
    assert RowSampler(GenerationOptions(), [], state=Evens()).choose(logits, 3) == 4


def test_log_probabilities_are_those_of_the_softmax() -> None:
    np.testing.assert_allclose([log_probability_of(LOGITS, i) for i in range(5)], np.log(SHARES), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_new_tokens", 0),
        ("temperature", 0.0),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.5),
        ("repetition_penalty", 0.0),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"^{name}: {value}; expected"):
        GenerationOptions(**{name: value})
