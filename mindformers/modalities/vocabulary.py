"""The tokens that the modalities add behind a base vocabulary, one per character, and the modality of every id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mindformers.modalities.table import MODALITIES, Modality, modality_named

SEQUENCE_MODALITIES: tuple[str, ...] = tuple(row.name for row in MODALITIES if row.alphabet)


class ModalityVocabulary:
    """Ids of modality tokens.

    Args:
        first_id: the id of the first modality token, which is the number of pieces of the base vocabulary.
        modalities: names of the modalities that have tokens; they always stand in the table's order.
    """

    def __init__(self, first_id: int, modalities: Sequence[str] = SEQUENCE_MODALITIES) -> None:
        wanted = {modality_named(name, "modalities").name for name in modalities}
        self.first_id = first_id
        self.rows: tuple[Modality, ...] = tuple(row for row in MODALITIES if row.alphabet and row.name in wanted)
        self.tokens: list[str] = [row.token(character) for row in self.rows for character in row.alphabet]
        self.characters: list[str] = [character for row in self.rows for character in row.alphabet]
        self.row_of: list[Modality] = [row for row in self.rows for _ in row.alphabet]
        self.ids: dict[str, dict[str, int]] = {}
        next_id = first_id
        for row in self.rows:
            self.ids[row.name] = {character: next_id + i for i, character in enumerate(row.alphabet)}
            next_id += len(row.alphabet)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def end_id(self) -> int:
        """One past the last modality token."""
        return self.first_id + len(self)


def modality_of_ids(vocab_size: int, first_id: int, modalities: Sequence[str] = SEQUENCE_MODALITIES) -> np.ndarray:
    """The modality of every token id.

    Args:
        vocab_size: V, the number of ids; ids behind the last modality token count as text.
        first_id: the id of the first modality token.
        modalities: names of the modalities that have tokens.

    Returns:
        int32 array [V] of row numbers of `MODALITIES` (0 is text).
    """
    numbers = {row.name: number for number, row in enumerate(MODALITIES)}
    table = np.zeros(vocab_size, np.int32)
    added = [numbers[row.name] for row in ModalityVocabulary(first_id, modalities).row_of]
    table[first_id : first_id + len(added)] = added[: max(vocab_size - first_id, 0)]
    return table
