"""The nearest neighbour by Morgan fingerprint: the search against all pairs, and the command."""

import lzma

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

from mindformers.evaluation.__main__ import main as score
from mindformers.evaluation.nearest import search
from mindformers.evaluation.nearest.__main__ import main
from mindformers.evaluation.nearest.captions import Captioned, read_captioned
from mindformers.evaluation.nearest.fingerprints import morgan_bits
from mindformers.evaluation.nearest.search import bit_counts, nearest
from mindformers.tools.errors import InputError

MOLECULES = ["CCO", "CCCO", "c1ccccc1", "c1ccccc1O", "CC(=O)O", "CCN", "C1CCCCC1", "CCCCCCCC", "O", "c1ccncc1"]


def written(path, *rows):
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_bits_and_similarities_are_those_of_rdkit():
    bits, is_read = morgan_bits([*MOLECULES, "C("])
    assert is_read.tolist() == [True] * len(MOLECULES) + [False]
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(smiles)) for smiles in MOLECULES]
    assert bit_counts(bits).tolist() == [one.GetNumOnBits() for one in prints] + [0]
    rows, similarities = nearest(bits[:6], bits[6:-1])
    for question, row, similarity in zip(prints[6:], rows, similarities, strict=True):
        expected = DataStructs.BulkTanimotoSimilarity(question, prints[:6])
        assert row == int(np.argmax(expected)) and similarity == pytest.approx(max(expected))


def test_search_in_chunks_finds_what_all_pairs_have(monkeypatch):
    monkeypatch.setattr(search, "_CHUNK", 7)
    monkeypatch.setattr(search, "_BLOCK", 5)
    random = np.random.default_rng(0)
    training = (random.random((60, 64)) < random.random((60, 1))).astype(np.uint8)
    training[40:50] = training[:10]  # equally similar ones: the first counts
    questions = np.concatenate([(random.random((20, 64)) < random.random((20, 1))), training[40:44], np.zeros((1, 64))])
    questions = questions.astype(np.uint8)
    common = questions.astype(int) @ training.T.astype(int)
    either = np.maximum(questions.sum(1)[:, None] + training.sum(1) - common, 1)
    rows, similarities = nearest(np.packbits(training, axis=1), np.packbits(questions, axis=1))
    assert rows.tolist() == (common / either).argmax(1).tolist()
    assert similarities == pytest.approx((common / either).max(1))


def test_chunks_that_cannot_win_are_passed_over(monkeypatch):
    monkeypatch.setattr(search, "_CHUNK", 1)
    unpacked, calls = search._unpacked, []
    monkeypatch.setattr(search, "_unpacked", lambda packed: calls.append(len(packed)) or unpacked(packed))
    training = np.packbits(np.tril(np.ones((32, 32), np.uint8)), axis=1)  # 1 to 32 bits
    rows, similarities = nearest(training, training[[20]])
    assert (rows.tolist(), similarities.tolist()) == ([20], [1.0])
    assert len(calls) == 2  # the question and the one chunk that holds the same


def test_captions_are_read_from_every_form(tmp_path):
    table = written(tmp_path / "t.tsv", ("SMILES", "ground truth", "output"), ("CCO", "ethanol", "x"))
    assert read_captioned(table, "--train") == [Captioned("CCO", "ethanol")]
    chebi = written(tmp_path / "validation.txt", ("CID", "SMILES", "description"), ("7", "CCN", "an amine"))
    assert read_captioned(chebi, "--train") == [Captioned("CCN", "an amine")]
    (tmp_path / "train_props.txt.xz").write_bytes(lzma.compress(b"CCO\t{'solvent'}\nCC\tnothing\n"))
    ((smiles, caption),) = read_captioned(tmp_path / "train_props.txt.xz", "--train")
    assert smiles == "CCO" and "solvent" in caption
    assert read_captioned(written(tmp_path / "eval-text.txt", ("CCO",)), "--questions") == [Captioned("CCO", "")]
    with pytest.raises(InputError, match="a column SMILES"):
        read_captioned(written(tmp_path / "u.tsv", ("a", "b"), ("1", "2")), "--train")


def test_command_writes_what_the_evaluation_scores(tmp_path, capsys):
    rows = [("CCO", "an alcohol"), ("c1ccccc1", "an aromatic ring"), ("C(", "broken"), ("CCCCCC", "an alkane")]
    train = written(tmp_path / "train.tsv", ("SMILES", "description"), *rows)
    asked = [("OCC", "an alcohol"), ("c1ccccc1C", "an aromatic ring"), ("not a molecule", "an alkane")]
    questions = written(tmp_path / "test.tsv", ("SMILES", "ground truth"), *asked)
    out = tmp_path / "new" / "p.tsv"
    assert main(["--train", str(train), "--questions", str(questions), "--output", str(out), "--workers", "1"]) == 0
    lines = [line.split("\t") for line in out.read_text().splitlines()]
    assert lines[0] == ["SMILES", "ground truth", "output"]
    assert [line[2] for line in lines[1:]] == ["an alcohol", "an aromatic ring", ""]
    assert score(["--task", "caption", "--predictions", str(out), "--skip", "meteor"]) == 0
    assert "1 of 3 outputs are empty" in capsys.readouterr().out


def test_bad_input_is_one_line(tmp_path, capsys):
    broken = written(tmp_path / "t.tsv", ("SMILES", "description"), ("C(", "x"))
    for words in (("--train", tmp_path / "none.tsv"), ("--train", broken), ("--train", broken, "--workers", "-1")):
        given = [*map(str, words), "--questions", str(broken), "--output", str(tmp_path / "p.tsv")]
        assert main(given) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {words[-2]}")
    assert not (tmp_path / "p.tsv").exists()
