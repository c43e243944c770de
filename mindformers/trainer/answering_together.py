"""Prompts that several devices share, each with a whole copy of the network; all get all answers, in their order.

round 0   |  rank 0: prompts 0 to 7  |  rank 1: prompts 8 to 15  |   -> gathered
round 1   |         16 to 23         |         24 to 31          |   -> ...
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from mindformers.dataset.prompt import Prompt
from mindformers.parallel.mesh import Mesh
from mindformers.parallel.texts import gathered_texts

Row = tuple[dict[str, str], list[list[str]]]  # a prompt's own columns, and what is written of each answer
_BATCHES_A_ROUND = 8  # of every device: few enough to lose little, so many that slots are seldom empty at a round's end


def rows_together(
    answer: Callable[[Iterable[Prompt], int, int], Iterator[Row]],
    prompts: Iterator[Prompt],
    start: int,
    batch_size: int,
    mesh: Mesh,
) -> Iterator[Row]:
    """Have all devices answer prompts.

    Args:
        answer: answers some prompts in their order; it is given the place of the first, and their number.
        prompts: those to be answered, the same on every device.
        start: the place of the first of them in the whole input.
        batch_size: prompts that a device decodes together.
        mesh: the devices, copies of the network all of them.

    Yields:
        The rows of all devices in the order of the prompts, the same on every device.
    """
    while some := list(islice(prompts, batch_size * _BATCHES_A_ROUND * mesh.data)):
        begin, end = share_of(len(some), mesh.data_rank, mesh.data)
        own = json.dumps(list(answer(some[begin:end], start + begin, end - begin)))
        yield from ((columns, cells) for told in gathered_texts(own, mesh) for columns, cells in json.loads(told))
        start += len(some)


def share_of(length: int, place: int, count: int) -> tuple[int, int]:
    """One of so many stretches that follow each other; the last ones may be shorter or empty."""
    size = -(-length // count)
    return min(place * size, length), min((place + 1) * size, length)
