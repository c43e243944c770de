"""The page: whole, closed in itself, with what was found; and the command."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mindformers.dataset.check import main
from mindformers.dataset.checks.charts import count_bars, histogram
from mindformers.dataset.checks.drawings import drawing

_EMPTY = {"meta", "rect", "path", "br", "ellipse", "i"} - {"i"}


class _Balance(HTMLParser):
    """Counts tags that were opened and not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        if tag not in _EMPTY and tag != "li":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _EMPTY and tag != "li":
            assert self.open.pop() == tag


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A training and a test set; one molecule leaks, one is broken."""
    (tmp_path / "a<b>.smi").write_text("OCC\nCCN\nc1ccccc1O\nC[C@H](N)C(=O)O\n")
    (tmp_path / "test.smi").write_text("CCO\nC1CC\nCCCC\nC[C@@H](N)C(=O)O\n")
    return ["--train", str(tmp_path / "a<b>.smi"), "--test", str(tmp_path / "test.smi"), "--dataset_type", "smiles"]


def test_the_page_is_whole_and_needs_nothing_else(files: list[str], tmp_path: Path, capsys: Any) -> None:
    assert main([*files, "--page", str(tmp_path / "p.html"), "--workers", "1"]) == 0
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    parsed = _Balance(page)
    assert parsed.open == []
    assert not re.search(r"(src|href)=|@import|url\(", page)
    assert "a<b>" not in page and "a&lt;b&gt;.smi" in page
    # Two leaks of two drawings, four examples, and histograms of characters, atoms and weights.
    assert page.count('<figure class="molecule">') == 2 * 2 + 4
    assert page.count('<figure class="chart">') == 3
    assert "same connectivity" in page and "prefers-color-scheme:dark" in page
    printed = capsys.readouterr().out
    assert "test molecules that are in training: 1" in printed
    assert f"{tmp_path / 'test.smi'} line 2: RDKit cannot read the molecule C1CC" in printed


def test_status_2_where_it_is_asked_for(files: list[str], tmp_path: Path, capsys: Any) -> None:
    assert main([*files, "--workers", "1", "--fail_on", "duplicates"]) == 0
    report = tmp_path / "r.json"
    assert main([*files, "--workers", "1", "--report", str(report), "--fail_on", "leakage", "faults"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert errors == [f"error: leakage: 2 found; expected none (--fail_on); see {report}"]
    assert report.is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train", "none.smi", "--dataset_type", "smiles"], "error: input_glob: 'none.smi' matches no file"),
        (["--train", "x"], "error: the following arguments are required: --dataset_type"),
        (["--train", "x", "--dataset_type", "lpm24"], "error: --source: 'x' not found"),
    ],
)
def test_unusable_input_is_one_line(arguments: list[str], message: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and line.startswith(message)


def test_a_set_without_anything_to_find(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "t.txt").write_text("one document\nanother <dna>ACGT</dna>\n")
    arguments = ["--train", str(tmp_path / "t.txt"), "--dataset_type", "text", "--page", str(tmp_path / "p.html")]
    assert main(arguments) == 0
    assert "no fault, no repetition, no leakage" in capsys.readouterr().out
    page = (tmp_path / "p.html").read_text()
    assert "Example molecules" not in page and "leakage" not in page.split("</style>")[1]


def test_a_histogram_has_the_shares_of_each_set() -> None:
    figure = histogram("T<", "atoms", {"train": [1, 1, 2, 3], "test": [3.0], "none": []})
    heights = {
        name: [float(found) for found in re.findall(rf'class="{name}"[^/]*height="([\d.]+)"', figure)]
        for name in ("train", "test")
    }
    full = heights["test"][0]
    assert heights["train"] == [pytest.approx(0.5 * full), pytest.approx(0.5 * full)]
    assert "T&lt;" in figure and ">100 %<" in figure
    assert histogram("T", "atoms", {"train": []}) == ""


def test_a_long_tail_ends_in_the_last_bar() -> None:
    assert "≥" in histogram("T", "tokens", {"train": [*range(1, 1000), 10**6]})
    assert "≥" not in histogram("T", "tokens", {"train": [1, 2, 3]})


def test_bars_of_labels() -> None:
    figure = count_bars("L", ["<a>", "b"], {"train": {"<a>": 3, "b": 1}, "test": {"b": 2}})
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', figure)]
    assert widths == pytest.approx([0.75 * widths[3], 0, 0.25 * widths[3], widths[3]], abs=0.1)
    assert "&lt;a&gt;" in figure and count_bars("L", [], {"train": {}}) == ""


def test_drawings(capfd: Any) -> None:
    assert "<svg" in drawing("CCO", "test, line 3") and "<b>test, line 3</b>" in drawing("CCO", "test, line 3")
    assert "no molecule" in drawing("C1CC<")
    assert "C1CC&lt;" in drawing("C1CC<")
    assert capfd.readouterr().err == ""
