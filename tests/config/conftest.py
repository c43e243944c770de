"""Log lines and small recipes for the tests of recipes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mindformers.config.inert import forget_warnings
from mindformers.tools.logging import get_logger

SMALL = """
model:
  model_config: {type: LlamaConfig, hidden_size: 8, num_layers: 2}
callbacks:
  - type: MFLossMonitor
  - type: CheckpointMointor
    prefix: small
"""


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))


@pytest.fixture
def log() -> Iterator[list[tuple[str, str]]]:
    """(level, message) of every log line of the test."""
    handler, logger = _Lines(), get_logger("mindformers")
    forget_warnings()
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write YAML text to a file; without text a small valid recipe."""

    def write(text: str = SMALL) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
