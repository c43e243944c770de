"""Progress of long work: a bar on a terminal, plain lines with rate and time left elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 10.0


def duration(seconds: float) -> str:
    """Seconds as `1:02:03` or `02:03`."""
    minutes, secs = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes:02d}:{secs:02d}"


class Progress:
    """Count work that is done. Use as a context manager and call `update(n)`.

    Args:
        what: the label in front, e.g. `encoding`.
        total: how many items there are, or None where that is unknown.
        unit: one item's name, e.g. `rows`.
    """

    def __init__(self, what: str, total: int | None, unit: str = "rows") -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, 0
        self._start = self._last = time.monotonic()
        self._bar = tqdm(total=total, desc=what, unit=f" {unit}", file=sys.stderr) if sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
        elif kind is None and self.done:
            self._print_line()

    def update(self, count: int = 1) -> None:
        """Say that `count` more items are done."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._last > _SECONDS_BETWEEN_LINES:
            self._print_line()

    def _print_line(self) -> None:
        self._last = time.monotonic()
        seconds = max(self._last - self._start, 1e-9)
        rate = self.done / seconds
        share = f"/{self.total} ({100 * self.done / self.total:.0f}%)" if self.total else ""
        left = f", {duration((self.total - self.done) / rate)} left" if self.total and self.done < self.total else ""
        speed = f"{rate:.1f} {self.unit}/s, {duration(seconds)} elapsed{left}"
        sys.stderr.write(f"{self.what}: {self.done}{share} {self.unit}, {speed}\n")
        sys.stderr.flush()
