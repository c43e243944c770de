"""Text and the formats of one modality."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.sources import source_class
from mindformers.tools.errors import InputError

GENBANK = """\
LOCUS       TEST1                     12 bp    DNA     linear   UNK 01-JAN-2000
DEFINITION  a test.
ACCESSION   TEST1
VERSION     TEST1.1
ORIGIN
        1 acgtacgtac gt
//
"""


def _read(kind: str, path: Path, text: str | bytes, seq_length: int = 100) -> list[Example | BadRow]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(source_class(kind)(seq_length).read(path))


def _texts(rows: list[Example | BadRow]) -> list[tuple[int, str]]:
    return [(row.line, row.text) for row in rows if isinstance(row, Example)]


def _bad(rows: list[Example | BadRow]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize("kind", ["text", "wiki"])
def test_text_is_a_document_a_line(kind: str, tmp_path: Path) -> None:
    rows = _read(kind, tmp_path / "t.txt", b"one\n\n two <dna>AC</dna>\r\n\xff\n = Title = \n\n")
    assert _texts(rows) == [(1, "one"), (3, "two <dna>AC</dna>"), (5, "= Title =")]
    assert _bad(rows) == [(4, "not UTF-8")]
    assert source_class(kind).packs


def test_smiles_a_line(tmp_path: Path) -> None:
    rows = _read("smiles", tmp_path / "s.smi", "CCO\nC1CC1 cyclopropane\n\nCJ\nN\tamine\t3\n\n\n")
    tagged = [f"<molecule>{smiles}</molecule>" for smiles in ("CCO", "C1CC1", "N")]
    assert _texts(rows) == list(zip([1, 2, 5], tagged, strict=True))
    assert _bad(rows) == [(3, "empty line"), (4, "character 2, 'J', is not in the molecule alphabet")]


@pytest.mark.parametrize(
    "name, text",
    [
        ("s.tsv", "id\tSMILES\n1\tCCO\n2\tN\n"),
        ("s.tsv", "CCO\tethanol\nN\tammonia\n"),
        ("s.csv", 'name,smiles\n"a, b",CCO\nx,N\n'),
        ("s.csv", "CCO,ethanol\nN,ammonia\n"),
        ("s.txt", "smiles name\nCCO x\nN y\n"),
    ],
)
def test_smiles_in_a_column(name: str, text: str, tmp_path: Path) -> None:
    rows = _read("smiles", tmp_path / name, text)
    assert [text for _, text in _texts(rows)] == ["<molecule>CCO</molecule>", "<molecule>N</molecule>"]
    assert _bad(rows) == []


def test_a_short_row_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    rows = _read("smiles", tmp_path / "s.tsv", b"id\tSMILES\n1\n2\tC\xff\n3\t\n")
    assert _texts(rows) == []
    assert [line for line, _ in _bad(rows)] == [2, 3, 4]
    with pytest.raises(InputError, match=r"line 2: not UTF-8"):
        _read("smiles", tmp_path / "s.csv", b"SMILES\nC\xff\n")
    with pytest.raises(InputError, match=r"broken CSV"):
        _read("smiles", tmp_path / "s.csv", b'SMILES\n"CCO\n')


def test_a_molecule_is_never_cut(tmp_path: Path) -> None:
    rows = _read("smiles", tmp_path / "s.smi", "CCCC\nCCCCC\n", seq_length=5)
    assert _texts(rows) == [(1, "<molecule>CCCC</molecule>")]
    assert _bad(rows) == [(2, "5 characters, a record holds 4; raise seq_length")]


def test_archives_of_smiles(tmp_path: Path) -> None:
    packed = lzma.compress(b"smiles,name\nCCO,x\n")
    assert _texts(_read("smiles", tmp_path / "s.csv.xz", packed)) == [(2, "<molecule>CCO</molecule>")]


def test_proteins_in_fasta(tmp_path: Path) -> None:
    text = "\n>P1 first protein\nMKva\nLL*\n\n>P2\nMJK\n>P3\n>\nMA\n"
    rows = _read("protein", tmp_path / "p.fasta", text)
    assert _texts(rows) == [(2, "<protein>MKVALL</protein>"), (9, "<protein>MA</protein>")]
    assert _bad(rows) == [
        (6, "P2: character 2, 'J', is not in the protein alphabet"),
        (8, "P3: empty sequence"),
    ]


def test_soft_masked_dna_and_rna(tmp_path: Path) -> None:
    rows = _read("nucleotide", tmp_path / "n.fa", ">a\nACgtac\n>b\nacgu\n>c\nACN\n")
    assert _texts(rows) == [(1, "<dna>ACGTAC</dna>"), (3, "<rna>ACGU</rna>")]
    assert _bad(rows) == [(5, "c: character 3, 'N', is not in the nucleotide alphabet")]


def test_long_sequences_come_in_windows(tmp_path: Path) -> None:
    rows = _read("nucleotide", tmp_path / "n.fa", ">a\nACGTA\nCGNAC\nG\n", seq_length=5)
    windows = [(row.text, row.is_start, row.is_end) for row in rows if isinstance(row, Example)]
    assert windows == [("<dna>ACGT</dna>", True, False), ("<dna>ACG</dna>", False, True)]
    assert _bad(rows) == [(1, "a: character 8, 'N', is not in the nucleotide alphabet")]


def test_genbank(tmp_path: Path) -> None:
    rows = _read("nucleotide", tmp_path / "g.gb", GENBANK * 2)
    assert [row.text for row in rows] == ["<dna>ACGTACGTACGT</dna>"] * 2
    with pytest.raises(InputError, match="broken GenBank"):
        _read("nucleotide", tmp_path / "g.gb", GENBANK.replace("12 bp", "xx bp").replace("ORIGIN", "OR"))


def test_sequences_in_a_table(tmp_path: Path) -> None:
    rows = _read("nucleotide", tmp_path / "n.tsv", "sequence\tlabel\nACGT\t1\n\nacg\t0\n")
    assert _texts(rows) == [(2, "<dna>ACGT</dna>"), (4, "<dna>ACG</dna>")]
    assert _bad(rows) == [(3, "empty line")]
