"""What the formats of one modality share: the check of the alphabet, the tag, and windows of long sequences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.sources.base import Source
from mindformers.modalities import Modality
from mindformers.tools.errors import InputError


class SequenceSource(Source):
    """Sequences of one modality; several share a record.

    Args:
        seq_length: tokens that a record holds, among them one at the begin or the end of a sequence.
        window: characters of a window; None for as many as a record holds.
        stride: characters from one window to the next; None for windows that do not overlap.
        reverse_complement: whether every window is followed by its other strand.

    Raises:
        InputError: a window that no record holds, or a stride that leaves characters out.

    Attributes:
        may_cut: whether a part of a sequence is worth learning: of a protein it is, of a SMILES it is not.
    """

    packs = True
    may_cut = True
    modality: Modality

    def __init__(
        self,
        seq_length: int = 2048,
        window: int | None = None,
        stride: int | None = None,
        reverse_complement: bool = False,
    ) -> None:
        super().__init__(seq_length)
        self._alphabet = frozenset(self.modality.alphabet)
        most = max(seq_length - 1, 1)
        self.window = most if window is None else window
        self.stride = self.window if stride is None else stride
        self.reverse_complement = reverse_complement
        if not 1 <= self.window <= most:
            raise InputError("window", str(window), f"1 to {most}, seq_length less one", "lower it or raise seq_length")
        if not 1 <= self.stride <= self.window:
            raise InputError("stride", str(stride), f"1 to {self.window}, the window", "lower it")

    def examples(self, sequence: str, path: Path, line: int, name: str = "") -> Iterator[Example | BadRow]:
        """A sequence in its tag, in windows that fill a record together with the begin and the end token.

        Args:
            sequence: the plain sequence.
            path, line: where it stands.
            name: what a reason begins with.

        Yields:
            Examples; a BadRow for a window with a character outside the alphabet, and where there is no sequence
            or one that is too long and may not be cut.
        """
        if not sequence:
            yield BadRow(str(path), line, f"{name}empty sequence")
        if len(sequence) > self.window and not self.may_cut:
            reason = f"{len(sequence)} characters, a record holds {self.window}; raise seq_length"
            yield BadRow(str(path), line, name + reason)
            return
        for start in self._starts(len(sequence)):
            part = sequence[start : start + self.window]
            if not self._alphabet.issuperset(part):
                yield BadRow(str(path), line, name + self._wrong_character(part, start))
                continue
            is_start, is_end = start == 0, start + self.window >= len(sequence)
            yield self._example(part, path, line, is_start, is_end)
            if self.reverse_complement:
                yield self._example(self.mirrored(part), path, line, is_end, is_start)

    @staticmethod
    def mirrored(sequence: str) -> str:
        """The other strand, read in its own direction."""
        raise NotImplementedError

    def _starts(self, length: int) -> Iterator[int]:
        """Where windows begin; the last one is the first that reaches the end."""
        start = 0
        while start < length:
            yield start
            if start + self.window >= length:
                return
            start += self.stride

    def _example(self, part: str, path: Path, line: int, is_start: bool, is_end: bool) -> Example:
        tag = self.modality.tag_for(part)
        return Example((), f"<{tag}>{part}</{tag}>", str(path), line, is_start, is_end, may_split=False)

    def _wrong_character(self, part: str, start: int) -> str:
        place = next(i for i, character in enumerate(part) if character not in self._alphabet)
        return f"character {start + place + 1}, {part[place]!r}, is not in the {self.modality.name} alphabet"
