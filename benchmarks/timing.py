"""Interleaved timing: every round runs all cases, in an order of its own, so that neither a busy machine nor what the
case before leaves in the caches favours one; and medians."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mindformers.tools.files import write_json

_WARM_UP_CALLS = 2


@dataclass
class Timing:
    """One case of a comparison.

    Args:
        group, name: what is compared, and the case.
        milliseconds: median time of a call.
        fastest: least time of a call, in milliseconds, which tells what other jobs on the machine cost.
        ratio: how many times faster than the group's first case, by medians.
        goal: the least ratio aimed for, None where nothing is.
    """

    group: str
    name: str
    milliseconds: float
    fastest: float
    ratio: float
    goal: float | None

    @property
    def is_reached(self) -> bool:
        """Whether the goal, if there is one, is met."""
        return self.goal is None or self.ratio >= self.goal


def compare(
    group: str,
    cases: dict[str, Callable[[], Any]],
    goals: dict[str, float] | None = None,
    seconds: float = 5.0,
    least_rounds: int = 5,
    warm_up_calls: int = _WARM_UP_CALLS,
) -> list[Timing]:
    """Time the cases in turn, in rounds; every call must have finished its work when it returns.

    Args:
        group: a heading.
        cases: name to callable; the first is what the others are compared with.
        goals: for some names, the least ratio aimed for.
        seconds: time to spend, after the warm-up.
        least_rounds: rounds to run even where they take longer.
        warm_up_calls: of each case before the first round; 0 where its parts have been warmed up.

    Returns:
        One `Timing` per case, in the given order. Ratios are medians over the rounds, as the two times of one round
        were taken in the same moment.
    """
    for call in cases.values():
        for _ in range(warm_up_calls):
            call()
    rounds = _rounds(list(cases.values()), seconds, least_rounds)
    goals = goals or {}
    return [
        Timing(
            group,
            name,
            milliseconds=1e3 * statistics.median(times[i] for times in rounds),
            fastest=1e3 * min(times[i] for times in rounds),
            ratio=statistics.median(times[0] / times[i] for times in rounds),
            goal=goals.get(name),
        )
        for i, name in enumerate(cases)
    ]


def table(timings: Sequence[Timing]) -> str:
    """The results as text, a heading per group."""
    width = max(len(timing.name) for timing in timings)
    lines, group = [], None
    for timing in timings:
        if timing.group != group:
            group = timing.group
            lines += ["", group]
        times = f"{timing.milliseconds:9.3f} ms (fastest {timing.fastest:.3f})"
        lines.append(f"  {timing.name:<{width}}  {times:<32}  {timing.ratio:6.2f}x{_verdict(timing)}")
    return "\n".join(lines[1:])


def machine() -> str:
    """Processors and load, as one line: beside other jobs the figures of short calls mean little."""
    cpus, load = os.cpu_count() or 1, os.getloadavg()[0]
    return f"{cpus} processors, load {load:.1f}" + (", busy with other jobs" if load > 1.2 * cpus else "")


def save(path: str | Path, timings: Sequence[Timing]) -> None:
    """Write the results as a JSON list of objects."""
    write_json(path, [{**asdict(timing), "is_reached": timing.is_reached} for timing in timings])


def _rounds(calls: list[Callable[[], Any]], seconds: float, least_rounds: int) -> list[list[float]]:
    rounds: list[list[float]] = []
    order, draws = list(range(len(calls))), random.Random(0)
    end = time.perf_counter() + seconds
    while len(rounds) < least_rounds or time.perf_counter() < end:
        draws.shuffle(order)
        times = {i: _time(calls[i]) for i in order}
        rounds.append([times[i] for i in range(len(calls))])
    return rounds


def _time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _verdict(timing: Timing) -> str:
    if timing.goal is None:
        return ""
    return f"   goal {timing.goal:.2f}x {'reached' if timing.is_reached else 'MISSED'}"
