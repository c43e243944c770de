"""Ctrl-C during long work: what has begun is finished first; a second one ends at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from mindformers.parallel.mesh import ALONE, Mesh
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
_SAVED = "interrupted: the step is finished and saved; Ctrl-C once more ends at once"
# MindSpore takes SIGINT over when a graph first runs and turns it into SIGTERM, which also is what job schedulers send.
_CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Catches Ctrl-C, and a polite request to end, while it is entered; `is_asked` says that there was one.

    With several processes the signal may reach them in different steps, so `is_asked` has to be agreed upon: see
    `is_agreed`. In another thread than the main one, which gets no signals, nothing is caught.

    Args:
        mesh: the devices of the run.
        notice: what is said at the first one; None for nothing.
    """

    def __init__(self, mesh: Mesh = ALONE, notice: str | None = _SAVED) -> None:
        self.mesh, self.notice, self.is_asked = mesh, notice, False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _CAUGHT}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def is_agreed(self) -> bool:
        """Whether any device was asked to end. All must call it behind the same step."""
        self.is_asked = self.mesh.any(self.is_asked)
        return self.is_asked

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        if self.notice is not None:
            logger.warning(self.notice)
