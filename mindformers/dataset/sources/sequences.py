"""What the formats of one modality share: the check of the alphabet, the tag, and windows of long sequences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.sources.base import Source
from mindformers.modalities import Modality


class SequenceSource(Source):
    """Sequences of one modality; several share a record.

    Attributes:
        may_cut: whether a part of a sequence is worth learning: of a protein it is, of a SMILES it is not.
    """

    packs = True
    may_cut = True
    modality: Modality

    def __init__(self, seq_length: int = 2048) -> None:
        super().__init__(seq_length)
        self._alphabet = frozenset(self.modality.alphabet)

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
        window = max(self.seq_length - 1, 1)
        if len(sequence) > window and not self.may_cut:
            yield BadRow(
                str(path), line, f"{name}{len(sequence)} characters, a record holds {window}; raise seq_length"
            )
            return
        for start in range(0, len(sequence), window):
            part = sequence[start : start + window]
            if not self._alphabet.issuperset(part):
                yield BadRow(str(path), line, name + self._wrong_character(part, start))
                continue
            tag = self.modality.tag_for(part)
            is_end = start + window >= len(sequence)
            yield Example((), f"<{tag}>{part}</{tag}>", str(path), line, start == 0, is_end, may_split=False)

    def _wrong_character(self, part: str, start: int) -> str:
        place = next(i for i, character in enumerate(part) if character not in self._alphabet)
        return f"character {start + place + 1}, {part[place]!r}, is not in the {self.modality.name} alphabet"
