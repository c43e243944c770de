"""The table of modalities and the ids that follow from it."""

from __future__ import annotations

import numpy as np
import pytest

from mindformers.modalities import MODALITIES, MOLECULE, NUCLEOTIDE, ModalityVocabulary, modality_named, modality_of_ids
from mindformers.tools.errors import InputError
from tests.conftest import shared_data

# Append-only: a change here breaks every checkpoint.
_FIRST_AND_LAST = {
    "molecule": ("{|C|}", 32000, "{|m|}", 32065),
    "nucleotide": ("*|G|*", 32066, "*|U|*", 32070),
    "protein": ("<|L|>", 32071, "<|-|>", 32097),
}


def test_ids_stand_where_published() -> None:
    vocabulary = ModalityVocabulary(32000)
    assert len(vocabulary) == 98 and vocabulary.end_id == 32098
    for name, (first, first_id, last, last_id) in _FIRST_AND_LAST.items():
        ids = [32000 + i for i, row in enumerate(vocabulary.row_of) if row.name == name]
        assert (ids[0], ids[-1]) == (first_id, last_id)
        assert (vocabulary.tokens[ids[0] - 32000], vocabulary.tokens[ids[-1] - 32000]) == (first, last)


@pytest.mark.parametrize("file, count", [("smiles_alphabet.txt", 66), ("smiles_alphabet_32098.txt", 98)])
def test_tokens_are_the_published_ones(file: str, count: int) -> None:
    published = shared_data("scimind", file).read_text(encoding="utf-8").split("\n")[:count]
    assert ModalityVocabulary(32000).tokens[:count] == published


def test_no_character_has_two_tokens() -> None:
    for row in MODALITIES:
        assert len(set(row.alphabet)) == len(row.alphabet)
    tokens = ModalityVocabulary(7).tokens
    assert len(set(tokens)) == len(tokens)


def test_a_vocabulary_with_some_modalities_keeps_the_order_of_the_table() -> None:
    vocabulary = ModalityVocabulary(100, ["protein", "molecule"])
    assert [row.name for row in vocabulary.rows] == ["molecule", "protein"]
    assert vocabulary.ids["molecule"]["C"] == 100 and vocabulary.ids["protein"]["L"] == 166


def test_modality_of_ids() -> None:
    table = modality_of_ids(32100, 32000)
    assert table.dtype == np.int32 and table.shape == (32100,)
    assert table[[0, 31999, 32000, 32065, 32066, 32071, 32097, 32098]].tolist() == [0, 0, 1, 1, 2, 3, 3, 0]


def test_modality_of_ids_of_a_smaller_vocabulary() -> None:
    assert modality_of_ids(32066, 32000).tolist()[-2:] == [1, 1]
    assert modality_of_ids(10, 32000).tolist() == [0] * 10


def test_an_unknown_modality_is_named_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean 'molecule'"):
        modality_named("molecul")


def test_token_and_tag() -> None:
    assert MOLECULE.token("C") == "{|C|}"
    assert [NUCLEOTIDE.tag_for(s) for s in ("ACGU", "ACGT", "ACG", "UT")] == ["rna", "dna", "dna", "dna"]
