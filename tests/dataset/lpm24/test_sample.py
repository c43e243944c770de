"""The committed sample: whole, as described, and what the command in its README makes."""

import ast
import json
import lzma
import re
import shlex
from hashlib import sha256
from pathlib import Path

import pytest

from mindformers.dataset.lpm24.captions import worded_caption
from mindformers.dataset.lpm24.command import main
from mindformers.dataset.lpm24.properties import Kind, kind_of
from mindformers.modalities import MOLECULE

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "LPM-24-data"
FACTS = ROOT.parent / "shared" / "data" / "lpm24" / "train_props.txt.xz"

needs_facts = pytest.mark.skipif(not FACTS.is_file(), reason="needs the L+M-24 facts in ../shared")


def rows(split: str, task: str = "smiles2text") -> list[dict]:
    return json.loads((SAMPLE / task / f"LPM-24_{split}.json").read_text(encoding="utf-8"))


def sums() -> dict[str, str]:
    lines = (SAMPLE / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def digests(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.glob("*/*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in paths}


def published_sets() -> set[tuple[str, ...]]:
    with lzma.open(FACTS, "rt", encoding="utf-8") as lines:
        literals = {line.rstrip("\n").split("\t")[1] for line in lines}
    return {tuple(sorted(ast.literal_eval(literal))) for literal in literals}


def test_checksums_cover_every_file() -> None:
    assert sums() == digests(SAMPLE)


def test_size_and_variety() -> None:
    train, test = rows("train"), rows("test")
    assert len(train) + len(test) == 2600
    assert len(test) >= 200
    assert not {row["molecule"] for row in train} & {row["molecule"] for row in test}
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 6_000_000
    counts: dict[tuple, int] = {}
    for row in train + test:
        counts[tuple(row["properties"])] = counts.get(tuple(row["properties"]), 0) + 1
        assert len(row["molecule"]) <= 110 and set(row["molecule"]) <= set(MOLECULE.alphabet)
    assert max(counts.values()) <= 120 and len(counts) > 500


def test_both_tasks_hold_the_same_rows() -> None:
    assert rows("train") == rows("train", "text2smiles") and rows("test") == rows("test", "text2smiles")


def test_the_figures_of_the_readme() -> None:
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    assert f"| molecules for training | {len(rows('train')):,} |" in readme
    assert f"| molecules for test | {len(rows('test'))} |" in readme


@needs_facts
def test_the_command_of_the_readme_makes_the_sample(tmp_path: Path) -> None:
    command = re.search(r"python -m mindformers.dataset.lpm24 ((?:.*\\\n)*.*)", (SAMPLE / "README.md").read_text())[1]
    arguments = shlex.split(command.replace("\\\n", " "))
    arguments[arguments.index("source")] = str(FACTS)
    arguments[arguments.index("LPM-24-data")] = str(tmp_path / "sample")
    assert main([*arguments, "--report", str(tmp_path / "r.json")]) == 0
    assert digests(tmp_path / "sample") == sums()
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["bad_rows"] == 0
    # What needs no model must leave room above it, or a model's score would say nothing.
    assert report["most_frequent_caption_bleu2"] < 0.35


@needs_facts
def test_no_two_published_property_sets_share_a_caption() -> None:
    sets = published_sets()
    assert len(sets) == 5062
    for wording in range(4):
        assert len({worded_caption(names, wording) for names in sets}) == len(sets)


@needs_facts
def test_kinds_agree_with_the_published_tree() -> None:
    """A few branches of the tree are a kind of their own; the names of the training set must fall into it."""
    names = set().union(*published_sets())
    human, light = (
        json.loads((FACTS.parent / "nested_props.json").read_text())[key]
        for key in ("Human Interaction and Organoleptics", "Light and electricity")
    )
    sensed = next(x["organoleptic_effect_relations"] for x in human if "organoleptic_effect_relations" in x)
    assert {kind_of(name) for name in names.intersection(sensed) - {"solvent", "soap", "spice"}} == {Kind.SENSE}
    technical = {name for branch in light for listed in branch.values() for name in listed} - {"Photophobia"}
    assert {kind_of(name) for name in names & technical} == {Kind.MATERIAL}
