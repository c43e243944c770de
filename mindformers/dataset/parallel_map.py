"""Apply a function to chunks in several processes, results in the order of the chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD_PER_WORKER = 4
_job: Any = None


def map_chunks(job: Callable[[list[T]], R], rows: Iterable[T], num_workers: int, chunk_size: int) -> Iterator[R]:
    """`job(chunk)` for every chunk of rows, in order.

    Args:
        job: a picklable callable; every process gets it once.
        rows: what to work on; read only a few chunks ahead.
        num_workers: processes; 1 works in this one, as does input that fits in one chunk.
        chunk_size: rows per call, whatever the number of workers.
    """
    chunks = _chunks(iter(rows), chunk_size)
    first = list(islice(chunks, 2))
    if num_workers <= 1 or len(first) < 2:
        yield from map(job, chain(first, chunks))
        return
    # Processes are spawned, not forked: MindSpore's threads may hold locks in this one.
    pool = ProcessPoolExecutor(num_workers, get_context("spawn"), _set_job, (job,))
    waiting: deque[Future[R]] = deque()
    try:
        for chunk in chain(first, chunks):
            waiting.append(pool.submit(_run_job, chunk))
            if len(waiting) > num_workers * _AHEAD_PER_WORKER:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(islice(rows, size)):
        yield chunk


def _set_job(job: Any) -> None:
    global _job
    _job = job


def _run_job(chunk: list[Any]) -> Any:
    return _job(chunk)
