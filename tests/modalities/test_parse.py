"""Mixed text to spans."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mindformers.modalities import split_spans
from mindformers.tools.errors import InputError


def _spans(text: str) -> list[tuple[str, str]]:
    return [(span.modality.name, span.sequence) for span in split_spans(text)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", []),
        ("plain", [("text", "plain")]),
        ("a < b, {x} and 2*3", [("text", "a < b, {x} and 2*3")]),
        ("<molecule>CCO</molecule>", [("molecule", "CCO")]),
        ("x <dna>ACG</dna> y", [("text", "x "), ("nucleotide", "ACG"), ("text", " y")]),
        ("<rna>ACGU</rna><protein>MA</protein>", [("nucleotide", "ACGU"), ("protein", "MA")]),
        ("{|C|}{|l|}.", [("molecule", "Cl"), ("text", ".")]),
        ("<molecule>{|C|}{|O|}</molecule>", [("molecule", "CO")]),
        ("*|A|**|C|* <|M|><|K|>", [("nucleotide", "AC"), ("text", " "), ("protein", "MK")]),
        ("a\n<molecule>C</molecule>", [("text", "a\n"), ("molecule", "C")]),
    ],
)
def test_spans(text: str, expected: list[tuple[str, str]]) -> None:
    assert _spans(text) == expected


def test_spans_cover_the_text_without_gaps() -> None:
    text = "see <molecule>CCO</molecule> and *|A|* <|M|>!"
    spans = split_spans(text)
    assert spans[0].start == 0 and spans[-1].end == len(text)
    assert all(left.end == right.start for left, right in pairwise(spans))


@pytest.mark.parametrize(
    "text, position, character",
    [
        ("ab <molecule>CJC</molecule>", 14, "'J'"),
        ("<dna>ACGX</dna>", 8, "'X'"),
        ("x {|C|}{|J|}", 9, "'J'"),
        ("<protein>MA\nK</protein>", 11, r"'\\n'"),
        ("<molecule>{|C|}{|J|}</molecule>", 17, "'J'"),
    ],
)
def test_a_wrong_character_is_named_with_its_position(text: str, position: int, character: str) -> None:
    with pytest.raises(InputError, match=rf"at character {position}: {character} is not in the alphabet"):
        split_spans(text)


@pytest.mark.parametrize("text", ["<molecule>CC", "CC</molecule>", "<molecule>CC</protein>", "a <dna> b"])
def test_a_tag_without_partner_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="has no partner"):
        split_spans(text)


def test_an_empty_sequence_is_an_error() -> None:
    with pytest.raises(InputError, match="protein at character 11: empty sequence"):
        split_spans("a <protein></protein>")
