"""The library is built once, in the user's cache; tests of the native cells are skipped where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindformers.kernels.build import kernel_library


@pytest.fixture(scope="session")
def library() -> Path:
    """The native library."""
    found = kernel_library()
    if found is None:
        pytest.skip("no native kernels on this machine")
    return found
