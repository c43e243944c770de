"""Guesses are native: their tests are skipped where there is no library."""

from __future__ import annotations

from tests.kernels.conftest import library

__all__ = ["library"]
