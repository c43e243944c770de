"""How often a test of chance is repeated: few times by default, as often as wanted by the environment.

TRIALS_KILLS=200 TRIALS_DAMAGES=1000 TRIALS_STOPS=5 TRIALS_FULL=40 pytest tests/trainer/test_checkpoint_survives.py
"""

from __future__ import annotations

import os


def trials(name: str, default: int) -> int:
    """The number in `TRIALS_<NAME>`, or `default`."""
    return int(os.environ.get(f"TRIALS_{name}", default))
