"""ChEBI-20, promoters, and what proteins are: tables and FASTA as questions and answers."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mindformers.dataset.example import BadRow, Example, LeftOut
from mindformers.dataset.instructions import CAPTION_INSTRUCTIONS, MOLGEN_INSTRUCTIONS, PROMOTER_INSTRUCTIONS
from mindformers.dataset.sources import make_source
from mindformers.tools.errors import InputError

CHEBI = (
    b"CID\tSMILES\tdescription\n"
    b"1\tC/C=C\\\\C\tThe molecule is a butene.\n"
    b"2\tCCO\n"
    b"3\t\tNo molecule.\n"
    b"4\tC\t\xff\n"
    b"5\tOCC\tThe molecule is ethanol {x}.\n\n"
)
UNIPROT = """\
>sp|P1|A_HUMAN Uridylate kinase (Fragment) OS=Homo sapiens GN=A PE=4 SV=1
MKV
LL*
>tr|P2|B_HUMAN Putative uncharacterized protein (Fragment) OS=Homo sapiens
MA
>tr|P3|C_HUMAN
MA
>tr|P4|D_HUMAN Protein NrdI n=2 Tax=Bacillus
MJ
"""


def _read(kind: str, path: Path, text: bytes | str) -> tuple[list[Example], list[tuple[int, str]]]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    rows = list(make_source(kind).read(path))
    bad = [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]
    return [row for row in rows if isinstance(row, Example)], bad


def _asked(rows: list[Example]) -> list[tuple[int, str, str]]:
    return [(row.line, row.turns[0].text, row.turns[1].text) for row in rows]


def test_chebi_both_ways_with_single_backslashes(tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.INFO, "mindformers"):
        rows, bad = _read("chebi20", tmp_path / "v.txt", CHEBI)
    (line, question, answer), (last, _, _) = _asked(rows)
    assert question in [phrase.format("C/C=C\\C") for phrase in CAPTION_INSTRUCTIONS]
    assert (line, answer, last) == (2, "The molecule is a butene.", 6)
    assert bad == [(3, "2 columns, the header has 3"), (4, "'SMILES' is empty"), (5, "not UTF-8")]
    rows, _ = _read("chebi20_molgen", tmp_path / "v.txt", CHEBI)
    _, question, answer = _asked(rows)[1]
    assert question in [phrase.replace("{}", "The molecule is ethanol {x}.") for phrase in MOLGEN_INSTRUCTIONS]
    assert answer == "<molecule>OCC</molecule>"


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 1: columns cid, smiles; expected a column description"):
        _read("chebi20", tmp_path / "v.txt", "CID\tSMILES\n1\tC\n")


def test_promoters_plain_and_in_overlapping_words(tmp_path: Path) -> None:
    text = "sequence\tlabel\nacgta\t1\nACG CGT GTA\t0\nACG GTA\t1\nACGN\t0\nACG\tmaybe\n"
    rows, bad = _read("promoter", tmp_path / "p.tsv", text)
    wanted = [phrase.format("<dna>ACGTA</dna>") for phrase in PROMOTER_INSTRUCTIONS]
    assert [(question in wanted, answer) for _, question, answer in _asked(rows)] == [(True, "Yes"), (True, "No")]
    assert bad == [
        (4, "the k-mers of the sequence do not overlap by all but one character"),
        (5, "character 4, 'N', is not in the nucleotide alphabet"),
        (6, "label 'maybe', expected 1 or 0"),
    ]


def test_what_uniprot_says_of_a_protein(tmp_path: Path) -> None:
    rows, bad = _read("protein_function", tmp_path / "u.fasta", UNIPROT)
    ((line, question, answer),) = _asked(rows)
    assert "<protein>MKVLL</protein>" in question and (line, answer) == (1, "Uridylate kinase")
    assert bad == [
        (4, "its description 'Putative uncharacterized protein (Fragment)' tells nothing"),
        (6, "its description '' tells nothing"),
        (8, "character 2, 'J', is not in the protein alphabet"),
    ]


def test_a_name_that_tells_nothing_is_left_out_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "u.fasta").write_text(UNIPROT)
    rows = list(make_source("protein_function").read(tmp_path / "u.fasta"))
    assert [isinstance(row, LeftOut) for row in rows] == [False, True, True, False]


def test_functions_and_classes_from_tables(tmp_path: Path) -> None:
    rows, bad = _read("protein_function", tmp_path / "u.csv", 'Sequence,Function [CC]\nMKV,"Binds iron, zinc."\n')
    assert [answer for _, _, answer in _asked(rows)] == ["Binds iron, zinc."] and bad == []
    rows, bad = _read("protein_class", tmp_path / "c.tsv", "sequence\tclass\nMKV*\tkinase\n\nMA\t \n")
    ((_, question, answer),) = _asked(rows)
    assert "<protein>MKV</protein>" in question and answer == "kinase"
    assert bad == [(3, "empty line"), (4, "'class' is empty")]
