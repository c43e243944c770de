"""Named loggers: one line per event on standard error and, once a run has begun, in `output/log/rank_i/*.log`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

_ROOT = "mindformers"
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Terminal(logging.StreamHandler):
    """The one handler of the terminal, told from those that a test runner adds."""


class _File(logging.FileHandler):
    """A log that ends, with one line, where there is no room left for it: the work is not disturbed."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by `logging` while a failed write is handled."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        logging.getLogger(_ROOT).removeHandler(self)
        sys.stderr.write(f"WARNING log file '{self.baseFilename}' ends here: {error.strerror}\n")


def get_logger(name: str) -> logging.Logger:
    """The logger of a module; pass `__name__`."""
    root = logging.getLogger(_ROOT)
    if not any(isinstance(handler, _Terminal) for handler in root.handlers):
        handler = _Terminal(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        root.addHandler(handler)
        root.setLevel(os.environ.get("MF_LOG_LEVEL", "INFO").upper())
        root.propagate = False
    return logging.getLogger(name if name.startswith(_ROOT) else f"{_ROOT}.{name}")


def log_to_files(output_dir: str | Path, rank: int = 0) -> None:
    """Also write every event to `<output_dir>/log/rank_<rank>/info.log`, and errors to `error.log`.

    A second call replaces the files of the first. Ranks other than 0 stay silent on the terminal below WARNING.
    """
    root = get_logger(_ROOT)
    for handler in [h for h in root.handlers if isinstance(h, logging.FileHandler)]:
        root.removeHandler(handler)
        handler.close()
    folder = log_folder(output_dir, rank)
    folder.mkdir(parents=True, exist_ok=True)
    for file, level in (("info.log", logging.INFO), ("error.log", logging.ERROR)):
        handler = _File(folder / file, encoding="utf-8")
        handler.setLevel(level)
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.addHandler(handler)
    for handler in root.handlers:
        if rank and not isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.WARNING)


def log_folder(output_dir: str | Path, rank: int) -> Path:
    """Where the logs of a rank go: in `$LOG_MF_PATH` or in `<output_dir>/log`."""
    return Path(os.environ.get("LOG_MF_PATH") or Path(output_dir) / "log") / f"rank_{rank}"
