"""How devices share prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mindformers.dataset.prompt import Prompt
from mindformers.parallel.mesh import ALONE
from mindformers.trainer.answering_together import Row, rows_together, share_of


def test_shares_follow_each_other_and_leave_nothing_out() -> None:
    assert [share_of(7, place, 3) for place in range(3)] == [(0, 3), (3, 6), (6, 7)]
    assert [share_of(1, place, 3) for place in range(3)] == [(0, 1), (1, 1), (1, 1)]


def test_rounds_are_in_the_order_of_the_prompts() -> None:
    asked: list[tuple[int, int]] = []

    def answer(prompts: Iterable[Prompt], first: int, count: int) -> Iterator[Row]:
        asked.append((first, count))
        yield from (({"id": str(number)}, [[prompt.text]]) for number, prompt in enumerate(prompts, first))

    prompts = [Prompt(f"ü{number}\n") for number in range(3, 30)]
    rows = list(rows_together(answer, iter(prompts), 3, 2, ALONE))
    assert asked == [(3, 16), (19, 11)]
    assert rows == [({"id": str(number)}, [[f"ü{number}\n"]]) for number in range(3, 30)]
