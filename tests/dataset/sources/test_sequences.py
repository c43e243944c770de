"""Text and the formats of one modality."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.sources import make_source, source_class
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


def test_windows_that_overlap(tmp_path: Path) -> None:
    path = tmp_path / "n.fa"
    path.write_text(">a\nACGTACGTAC\n>b\nGG\n")
    rows = list(make_source("nucleotide", 100, window=6, stride=3).read(path))
    windows = [(row.line, row.text, row.is_start, row.is_end) for row in rows]
    assert windows == [
        (1, "<dna>ACGTAC</dna>", True, False),
        (1, "<dna>TACGTA</dna>", False, False),
        (1, "<dna>GTAC</dna>", False, True),
        (3, "<dna>GG</dna>", True, True),
    ]


def test_the_other_strand_of_every_window(tmp_path: Path) -> None:
    path = tmp_path / "n.fa"
    path.write_text(">a\nAACCGTT\n>b\nAUGC\n>c\nAN\n")
    rows = list(make_source("nucleotide", 5, reverse_complement=True).read(path))
    assert [(row.text, row.is_start, row.is_end) for row in rows[:-1]] == [
        ("<dna>AACC</dna>", True, False),
        ("<dna>GGTT</dna>", False, True),
        ("<dna>GTT</dna>", False, True),
        ("<dna>AAC</dna>", True, False),
        ("<rna>AUGC</rna>", True, True),
        ("<rna>GCAU</rna>", True, True),
    ]
    assert _bad(rows) == [(5, "c: character 2, 'N', is not in the nucleotide alphabet")]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("protein", {"window": 100}, "window: 100; expected 1 to 99, seq_length less one"),
        ("protein", {"window": 10, "stride": 11}, "stride: 11; expected 1 to 10, the window"),
        ("protein", {"reverse_complement": True}, "has no meaning for 'protein'; expected dataset_type nucleotide"),
        ("qa", {"stride": 3}, "stride: has no meaning for 'qa'; expected dataset_type nucleotide, protein"),
    ],
)
def test_options_out_of_place(kind: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_source(kind, 100, **options)


def test_genbank(tmp_path: Path) -> None:
    rows = _read("nucleotide", tmp_path / "g.gb", GENBANK * 2)
    assert _texts(rows) == [(1, "<dna>ACGTACGTACGT</dna>"), (8, "<dna>ACGTACGTACGT</dna>")]


def test_a_broken_genbank_record_costs_itself_alone(tmp_path: Path) -> None:
    broken = GENBANK.replace("12 bp", "xx bp").replace("ORIGIN", "OR")
    rows = _read("nucleotide", tmp_path / "g.gb", GENBANK + broken + GENBANK.replace("//\n", "") + GENBANK)
    assert [line for line, _ in _texts(rows)] == [1, 21]
    (first, reason), second = _bad(rows)
    assert first == 8 and reason.startswith("broken GenBank: ")
    assert second == (15, "the record breaks off before its //")


def test_proteins_of_a_genbank_record_are_its_translations(tmp_path: Path) -> None:
    coding = (
        'FEATURES             Location/Qualifiers\n     CDS             1..9\n                     /protein_id="X.1"\n'
    )
    text = GENBANK.replace("ORIGIN", coding + '                     /translation="TYV"\nORIGIN')
    rows = _read("protein", tmp_path / "g.gb", text + GENBANK)
    assert _texts(rows) == [(1, "<protein>TYV</protein>")]
    assert _bad(rows) == [(12, "TEST1.1: nucleotides without a translation, expected a protein")]
    protein = GENBANK.replace("12 bp    DNA", "12 aa       ").replace("acgtacgtac gt", "mkvlmkvlmk vl")
    assert _texts(_read("protein", tmp_path / "p.gb", protein)) == [(1, "<protein>MKVLMKVLMKVL</protein>")]
    assert _bad(_read("nucleotide", tmp_path / "p.gb", protein)) == [(1, "TEST1.1: a protein, expected nucleotides")]


def test_sequences_in_a_table(tmp_path: Path) -> None:
    rows = _read("nucleotide", tmp_path / "n.tsv", "sequence\tlabel\nACGT\t1\n\nacg\t0\n")
    assert _texts(rows) == [(2, "<dna>ACGT</dna>"), (4, "<dna>ACG</dna>")]
    assert _bad(rows) == [(3, "empty line")]
