"""The published scores of MolT5-base on ChEBI-20, where its prediction files lie beside the project."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from mindformers.evaluation import evaluate
from mindformers.evaluation.metrics.wordnet import find_wordnet
from mindformers.evaluation.tasks import get_task

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "molt5"
CAPTION = {"BLEU-2": 0.550817, "BLEU-4": 0.464362, "ROUGE-1": 0.633872, "ROUGE-2": 0.484676, "ROUGE-L": 0.576754}
METEOR = {"METEOR": 0.574488}
MOLGEN = {
    "BLEU": 0.783254,
    "exact": 0.081818,
    "Levenshtein": 24.845758,
    "validity": 0.786364,
    "MACCS (valid only)": 0.788063,
    "RDK (valid only)": 0.659865,
    "Morgan (valid only)": 0.602022,
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="MolT5's predictions are not beside the project")


def test_captioning():
    table = get_task("caption").read(FOLDER / "molt5-base-smiles2caption.txt.xz")
    report = evaluate("caption", table, text_tokenizer=FOLDER / "scibert_vocab.txt")
    expected = CAPTION | (METEOR if find_wordnet() else {})
    assert {name: report.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-4)


def test_generation():
    table = get_task("molgen").read(FOLDER / "molt5-base-caption2smiles.txt.xz")
    report = evaluate("molgen", table, skip=["fcd"])
    assert {name: report.metrics[name] for name in MOLGEN} == pytest.approx(MOLGEN, abs=1e-4)


@pytest.mark.skipif(find_spec("fcd") is None, reason="the optional package fcd is not installed")
def test_fcd():
    table = get_task("molgen").read(FOLDER / "molt5-base-caption2smiles.txt.xz")
    names = [metric.name for metric in get_task("molgen").metrics if metric.name != "fcd"]
    assert evaluate("molgen", table, skip=names).metrics == {"FCD": pytest.approx(8.144500, abs=1e-2)}
