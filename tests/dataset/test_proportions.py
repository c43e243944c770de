"""Several sources in one stream: shares that are exact, not only on average."""

from __future__ import annotations

import numpy as np
import pytest

from mindformers.dataset.proportions import Proportions, parts_of, turns_of


@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        ([0.4, 0.3, 0.2, 0.1], (4, 3, 2, 1)),
        ([1, 2], (1, 2)),
        ([2.0, 4.0], (1, 2)),
        ([0.25], (1,)),
        ([0.1, 0.2, 0.7], (1, 2, 7)),
        ([1, 1e-9], (10000, 1)),  # never rounded away
        ([0.123451, 0.876549], (247, 1753)),  # of 10000, in lowest terms
    ],
)
def test_weights_become_parts(weights: list[float], parts: tuple[int, ...]) -> None:
    assert parts_of(weights) == parts


@pytest.mark.parametrize("parts", [(4, 3, 2, 1), (1, 2), (1,), (5, 5, 1), (97, 1, 1, 1), (7, 11, 13, 17, 19), (1,) * 6])
def test_no_source_is_ever_a_whole_draw_off_its_share(parts: tuple[int, ...]) -> None:
    turns = np.asarray(turns_of(parts))
    assert np.bincount(turns).tolist() == list(parts)
    drawn = np.cumsum(turns[:, None] == np.arange(len(parts)), axis=0)
    share = np.arange(1, sum(parts) + 1)[:, None] * np.asarray(parts) / sum(parts)
    assert np.abs(drawn - share).max() < 1


@pytest.mark.parametrize("start", [0, 3, 9, 12])
def test_every_window_has_exactly_its_parts(start: int) -> None:
    sources, _ = Proportions((4, 3, 2, 1), start).draws(np.arange(1000))
    for first in range(990):
        assert np.bincount(sources[first : first + 10]).tolist() == [4, 3, 2, 1]


def test_every_source_is_drawn_from_in_order_wherever_the_stream_is_entered() -> None:
    stream = Proportions((3, 2), 4)
    sources, numbers = stream.draws(np.arange(500))
    for source in (0, 1):
        assert numbers[sources == source].tolist() == list(range(int((sources == source).sum())))
    later, again = stream.draws(np.arange(123, 500, 7))
    assert (later == sources[123::7]).all() and (again == numbers[123::7]).all()
