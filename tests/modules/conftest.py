"""Graph mode, as a run uses it, and random arrays."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def graph_mode() -> None:
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
