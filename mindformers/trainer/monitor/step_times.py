"""Where the time of a step goes: waiting for data, the graph, and everything else on the host."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import fmean, median

from mindformers.tools.files import write_json

DATA, GRAPH, HOST = "data", "graph", "host"


class StepTimes:
    """A stopwatch whose laps are the parts of a step. Steps outside `first` to `last` are not kept.

    Args:
        first, last: steps of this run that are measured, from 1.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last, self.step = first, last, 1
        self.laps: dict[str, list[float]] = {DATA: [], GRAPH: [], HOST: []}
        self.compile_seconds = 0.0
        self._since = time.perf_counter()

    def restart(self) -> None:
        """Begin the first lap."""
        self._since = time.perf_counter()

    def lap(self, part: str) -> None:
        """The time since the last lap belongs to `part`; a lap of the host ends a step."""
        now = time.perf_counter()
        if self.first <= self.step <= self.last:
            self.laps[part].append(now - self._since)
        self._since = now
        self.step += part == HOST

    def save(self, path: Path, tokens_per_step: int) -> None:
        """Write what was measured as JSON: milliseconds of each part per step, and their shares.

        Args:
            path: the file.
            tokens_per_step: tokens read in a step, padding included.
        """
        kept = {part: laps for part, laps in self.laps.items() if laps}
        total = sum(map(sum, kept.values()))
        num_steps = len(self.laps[GRAPH])
        parts = {
            part: {
                "mean_ms": 1e3 * fmean(laps),
                "median_ms": 1e3 * median(laps),
                "max_ms": 1e3 * max(laps),
                "share": sum(laps) / total,
            }
            for part, laps in kept.items()
        }
        measured = {"first_step": self.first, "num_steps": num_steps, "compile_s": self.compile_seconds, "parts": parts}
        write_json(path, measured | {"tokens_per_s": num_steps * tokens_per_step / total if total else None})
