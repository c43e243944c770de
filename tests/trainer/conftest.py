"""Graph mode, as a run uses it."""

from __future__ import annotations

import mindspore as ms
import pytest


@pytest.fixture(autouse=True)
def graph_mode() -> None:
    ms.set_context(mode=ms.GRAPH_MODE)
