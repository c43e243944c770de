"""The one error family: what a user can mend himself is an `InputError`, a run that fails for a known reason ends with
a `RunError`, everything else is a fault of ours."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

EXIT_OK, EXIT_FAILURE, EXIT_BAD_INPUT = 0, 1, 2


class InputError(Exception):
    """Unusable input. Printed as one line on standard error; the process exits with status 2.

    Args:
        what: the key, file or argument that is at fault, e.g. `runner_config.epochs` or `data.json line 7`.
        got: what arrived.
        expected: what would have been accepted.
        next_step: what the user can do now.
    """

    def __init__(self, what: str, got: str, expected: str = "", next_step: str = "") -> None:
        self.what, self.got, self.expected, self.next_step = what, got, expected, next_step
        super().__init__(self.line())

    def line(self) -> str:
        """The whole message as one line."""
        parts = [f"{self.what}: {self.got}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.next_step:
            parts.append(self.next_step)
        return " ".join("; ".join(parts).split())


class RunError(Exception):
    """A run that cannot go on although its input was usable. Printed as one line; the process exits with status 1."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> InputError:
    """An `InputError` for a name that is not known, with the nearest known one as suggestion."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else "remove it or correct the name"
    return InputError(what, f"unknown name '{name}'", f"one of {', '.join(known)}", hint)
