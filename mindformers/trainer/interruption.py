"""Ctrl-C during training: the step is finished and saved; a second one ends at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from mindformers.parallel.device import device_num
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
# MindSpore takes SIGINT over when a graph first runs and turns it into SIGTERM, which also is what job schedulers send.
_CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Catches Ctrl-C, and a polite request to end, while it is entered; `is_asked` says that there was one.

    With several processes it catches nothing: they would end behind different steps, and one would wait for the others
    for ever. Nor does it in another thread than the main one, which gets no signals.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread() and device_num() == 1:
            self._before = {number: signal.signal(number, self._note) for number in _CAUGHT}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        logger.warning("interrupted: the step is finished and saved; Ctrl-C once more ends at once")
