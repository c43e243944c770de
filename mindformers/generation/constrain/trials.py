"""Whether the current aromatic atom can do this or that: by rules where they suffice, else by doing it to a copy."""

from __future__ import annotations

from collections.abc import Callable

from mindformers.generation.constrain.aromatic import Aromatics
from mindformers.generation.constrain.kinds import KINDS

_LACKING, _SATED = KINDS["c", 0, 0], KINDS["o", 0, 0]


class Trials:
    """Answers about one `Aromatics`, remembered until `forget`.

    In every question `atom` is the current atom, and `in_branch` says that it is asked for the first atom of a branch
    that starts there.
    """

    __slots__ = ("_answers", "aromatics")

    def __init__(self, aromatics: Aromatics) -> None:
        self.aromatics = aromatics
        self._answers: dict[tuple[object, ...], bool] = {}

    def forget(self) -> None:
        """The molecule has changed."""
        if self._answers:
            self._answers = {}

    def can_extend(self, atom: int, is_lacking: bool, in_branch: bool) -> bool:
        """Whether an aromatic atom of the same segment may follow that lacks a double bond, or one that does not."""
        known = self.aromatics
        if not known.room(atom):
            return False
        if known.is_steady(atom) and (is_lacking or not known.is_exposed(atom)):
            return True
        kind = _LACKING if is_lacking else _SATED
        return self._ask(("extend", is_lacking, in_branch), in_branch, atom, lambda trial: trial.extend(atom, kind))

    def can_leave(self, atom: int, order: int, in_branch: bool) -> bool:
        """Whether an atom that is not of the segment may follow; order 0 asks for the end of branch or molecule."""
        known = self.aromatics
        if in_branch:
            if not known.takes(atom, order):
                return False
            return self._ask(("branch", order), True, atom, lambda trial: trial.branch_off(atom, order))
        if order and not known.takes_outside(atom, order):
            return False
        if not (known.in_ring[atom] or atom in known.own_ports(atom)):
            return False
        return self._ask(("leave", order), False, atom, lambda trial: trial.leave(atom, order))

    def can_open(self, atom: int) -> bool:
        """Whether a ring bond of any order may be opened."""
        known = self.aromatics
        if not known.takes(atom, 1):
            return False
        if known.goes_on_with(atom, 1):
            return True
        return self._ask(("open",), False, atom, lambda trial: trial.open_ring(atom))

    def can_substitute(self, atom: int, order: int) -> bool:
        """Whether a ring bond that is not aromatic may be opened, or closed to an atom that is not."""
        known = self.aromatics
        if not known.takes(atom, order):
            return False
        if known.goes_on_with(atom, order):
            return True
        return self._ask(("substitute", order), False, atom, lambda trial: trial.substitute(atom, order))

    def can_close(self, atom: int, port: int) -> bool:
        """Whether an aromatic ring bond may be closed to a port of the same segment."""
        if not self.aromatics.room(atom):
            return False
        return self._ask(("close", port), False, atom, lambda trial: trial.close_ring(atom, port))

    def can_resume(self, atom: int, port: int) -> bool:
        """Whether an atom that has just begun a segment may go on with the one that waits at a port."""
        if not self.aromatics.is_suspended_at(port):
            return False
        return self._ask(("resume", port), False, atom, lambda trial: trial.resume(atom, port))

    def can_drop(self, atom: int, port: int, extra_order: int, order: int) -> bool:
        """Whether a port's ring bond may be closed to the current atom as one that is not aromatic.

        Args:
            atom: the current atom where it is aromatic, or -1.
            port: the atom at the other end.
            extra_order: the bond's order less one.
            order: the bond's order.
        """
        known = self.aromatics
        if atom < 0 and not extra_order and not known.is_exposed(port) and known.is_left(port):
            return True
        if extra_order and not known.takes_more(port, extra_order):
            return False
        if atom >= 0 and not known.takes(atom, order):
            return False

        def drop(trial: Aromatics) -> bool:
            return trial.drop_port(port, extra_order) and (atom < 0 or trial.substitute(atom, order))

        return self._ask(("drop", port, extra_order), False, atom, drop)

    def _ask(self, key: tuple[object, ...], in_branch: bool, atom: int, act: Callable[[Aromatics], bool]) -> bool:
        answer = self._answers.get(key)
        if answer is None:
            trial = self.aromatics.copy()
            if in_branch and (not trial.branches or trial.branches[-1] != atom):
                trial.branches.append(atom)
            answer = self._answers[key] = act(trial)
        return answer
