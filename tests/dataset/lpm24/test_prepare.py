import json
import os
from pathlib import Path

import pytest

from mindformers.dataset.instructions import CAPTION_INSTRUCTIONS, MOLGEN_INSTRUCTIONS
from mindformers.dataset.lpm24 import Options, canonical, caption_of, prepare
from mindformers.dataset.lpm24.canonical import canonical_smiles
from mindformers.dataset.lpm24.selection import is_held_out
from mindformers.tools.errors import InputError

SOURCE = Path(__file__).parent / "train_props.txt"
MOLECULES = [line.split("\t")[0] for line in SOURCE.read_text().splitlines()]
LAYOUT = [
    "smiles2text/LPM-24_test.json",
    "smiles2text/LPM-24_test_qa_conversation.json",
    "smiles2text/LPM-24_train.json",
    "smiles2text/LPM-24_train_qa_conversation.json",
    "smiles2text_generate/LPM-24_smiles2text_test.tsv",
    "smiles2text_generate/LPM-24_test_generate.txt",
    "text2smiles/LPM-24_test.json",
    "text2smiles/LPM-24_test_qa_conversation.json",
    "text2smiles/LPM-24_train.json",
    "text2smiles/LPM-24_train_qa_conversation.json",
    "text2smiles_generate/LPM-24_test_generate.txt",
    "text2smiles_generate/LPM-24_text2smiles_test.tsv",
]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def loaded(folder: Path, name: str) -> list[dict]:
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Path, dict]:
    """The layout of the committed source, a quarter held out, and its report."""
    folder = tmp_path_factory.mktemp("small")
    return folder, prepare(Options(SOURCE, folder, holdout=0.25))


def test_the_published_layout_and_nothing_else(small) -> None:
    folder, report = small
    assert sorted(content(folder)) == LAYOUT
    assert sorted(Path(name).relative_to(folder).as_posix() for name in report["files_written"]) == LAYOUT


def test_every_molecule_once_and_both_tasks_split_alike(small) -> None:
    folder, report = small
    sides = {}
    for task in ("smiles2text", "text2smiles"):
        train, test = (loaded(folder, f"{task}/LPM-24_{split}.json") for split in ("train", "test"))
        sides[task] = ({row["molecule"] for row in train}, {row["molecule"] for row in test})
        assert sorted(row["molecule"] for row in train + test) == sorted(MOLECULES)
    assert sides["smiles2text"] == sides["text2smiles"]
    held_out = {s for s in MOLECULES if is_held_out(canonical_smiles([s])[0], 0.25, 0)}
    assert sides["smiles2text"][1] == held_out
    assert (report["train_rows"], report["test_rows"]) == (48 - len(held_out), len(held_out))


def test_captions_come_from_the_property_sets(small) -> None:
    for row in loaded(small[0], "smiles2text/LPM-24_train.json"):
        assert row["caption"] == caption_of(row["properties"], row["molecule"])


def test_conversations(small) -> None:
    folder = small[0]
    flat = loaded(folder, "smiles2text/LPM-24_train.json")
    asked, made = (
        loaded(folder, f"{task}/LPM-24_train_qa_conversation.json") for task in ("smiles2text", "text2smiles")
    )
    assert len({row["id"] for row in asked + made}) == 2 * len(flat)
    for row, caption, molgen in zip(flat, asked, made, strict=True):
        human, gpt = caption["conversation"]
        assert human["from"] == "human" and gpt == {"from": "gpt", "value": row["caption"]}
        assert human["value"] in [phrase.format(row["molecule"]) for phrase in CAPTION_INSTRUCTIONS]
        human, gpt = molgen["conversation"]
        assert gpt == {"from": "gpt", "value": f"<molecule>{row['molecule']}</molecule>"}
        assert human["value"] in [phrase.format(row["caption"]) for phrase in MOLGEN_INSTRUCTIONS]
    assert len({row["conversation"][0]["value"].split("<molecule>")[0] for row in asked}) > 3


def test_test_rows_and_prompts_use_the_first_instruction(small) -> None:
    folder = small[0]
    flat = loaded(folder, "smiles2text/LPM-24_test.json")
    questions = [CAPTION_INSTRUCTIONS[0].format(row["molecule"]) for row in flat]
    talks = loaded(folder, "smiles2text/LPM-24_test_qa_conversation.json")
    assert [talk["conversation"][0]["value"] for talk in talks] == questions
    prompts = (folder / "smiles2text_generate/LPM-24_test_generate.txt").read_text().splitlines()
    assert all(prompt.startswith("A chat between a curious user and an artificial") for prompt in prompts)
    assert [prompt.split(" USER: ")[1] for prompt in prompts] == [f"{question} ASSISTANT:" for question in questions]


def test_tables_for_prediction(small) -> None:
    folder = small[0]
    flat = loaded(folder, "smiles2text/LPM-24_test.json")
    asked = (folder / "smiles2text_generate/LPM-24_smiles2text_test.tsv").read_text().splitlines()
    assert asked == ["SMILES\tground truth", *(f"{row['molecule']}\t{row['caption']}" for row in flat)]
    made = (folder / "text2smiles_generate/LPM-24_text2smiles_test.tsv").read_text().splitlines()
    assert made == ["description\tground truth", *(f"{row['caption']}\t{row['molecule']}" for row in flat)]


def test_the_same_bytes_every_time_also_with_processes(small, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(canonical, "_BATCH", 5)
    prepare(Options(SOURCE, tmp_path, holdout=0.25, workers=2))
    assert content(tmp_path) == content(small[0])


def test_another_seed_splits_otherwise(small, tmp_path: Path) -> None:
    prepare(Options(SOURCE, tmp_path, holdout=0.25, seed=1))
    name = "smiles2text/LPM-24_test.json"
    assert {row["molecule"] for row in loaded(tmp_path, name)} != {row["molecule"] for row in loaded(small[0], name)}


def test_order_of_the_source_does_not_change_a_row(small, tmp_path: Path) -> None:
    source = tmp_path / "train_props.txt"
    source.write_text("".join(reversed(SOURCE.read_text().splitlines(keepends=True))))
    prepare(Options(source, tmp_path / "out", holdout=0.25))
    for name in ("smiles2text/LPM-24_train.json", "smiles2text/LPM-24_test.json"):
        assert loaded(tmp_path / "out", name) == loaded(small[0], name)[::-1]


def test_another_spelling_falls_on_the_same_side(tmp_path: Path) -> None:
    spellings = {
        "CCO": "OCC",
        "CC(=O)O": "OC(C)=O",
        "c1ccccc1": "C1=CC=CC=C1",
        "CCN": "NCC",
        "CCCl": "ClCC",
        "CO": "OC",
    }
    for name, molecules in (("one", spellings.keys()), ("other", spellings.values())):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train_props.txt").write_text("".join(f"{s}\t{{'nutrient'}}\n" for s in molecules))
        prepare(Options(tmp_path / name, tmp_path / name / "out", holdout=0.5))
    one = {row["molecule"] for row in loaded(tmp_path, "one/out/smiles2text/LPM-24_test.json")}
    other = {row["molecule"] for row in loaded(tmp_path, "other/out/smiles2text/LPM-24_test.json")}
    assert other == {spellings[smiles] for smiles in one}
    assert 0 < len(one) < len(spellings)


def test_limits(tmp_path: Path) -> None:
    report = prepare(Options(SOURCE, tmp_path, max_smiles_length=40, max_molecules=10, max_per_property_set=1))
    rows = [row for split in ("train", "test") for row in loaded(tmp_path, f"smiles2text/LPM-24_{split}.json")]
    assert len(rows) == 10 == len({tuple(row["properties"]) for row in rows})
    assert max(len(row["molecule"]) for row in rows) <= 40
    assert report["too_long_rows"] == sum(len(smiles) > 40 for smiles in MOLECULES) > 0


def test_one_task(tmp_path: Path) -> None:
    prepare(Options(SOURCE, tmp_path, task="text2smiles"))
    assert sorted(content(tmp_path)) == [name for name in LAYOUT if name.startswith("text2smiles")]


def test_tables_keep_their_captions_and_repeats_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "hf.csv"
    source.write_text("molecule,caption\nCCO,An alcohol.\nCCO,An alcohol.\nCCO,It burns.\n")
    report = prepare(Options(source, tmp_path / "out", holdout=0))
    rows = loaded(tmp_path / "out", "smiles2text/LPM-24_train.json")
    assert [(row["molecule"], row["caption"], row["properties"]) for row in rows] == [
        ("CCO", "An alcohol.", []),
        ("CCO", "It burns.", []),
    ]
    assert loaded(tmp_path / "out", "smiles2text/LPM-24_test.json") == []
    assert report["duplicate_rows"] == 1


def test_our_own_list_can_be_read_again(small, tmp_path: Path) -> None:
    prepare(Options(small[0] / "smiles2text/LPM-24_train.json", tmp_path, holdout=0))
    name = "smiles2text/LPM-24_train.json"
    assert loaded(tmp_path, name) == loaded(small[0], name)


def test_evaluation_lists_become_prompts_in_order(tmp_path: Path) -> None:
    (tmp_path / "eval-text.txt").write_text("OCC\nC\nOCC\n")
    (tmp_path / "eval-molgen.txt").write_text("It is a food.\n")
    report = prepare(Options(tmp_path, tmp_path / "out"))
    assert sorted(content(tmp_path / "out")) == [
        "smiles2text_generate/LPM-24_eval_generate.txt",
        "smiles2text_generate/LPM-24_smiles2text_eval.tsv",
        "text2smiles_generate/LPM-24_eval_generate.txt",
        "text2smiles_generate/LPM-24_text2smiles_eval.tsv",
    ]
    table = tmp_path / "out/smiles2text_generate/LPM-24_smiles2text_eval.tsv"
    assert table.read_text() == "SMILES\nOCC\nC\nOCC\n"
    prompt = (tmp_path / "out/text2smiles_generate/LPM-24_eval_generate.txt").read_text()
    assert prompt.endswith(f"USER: {MOLGEN_INSTRUCTIONS[0].format('It is a food.')} ASSISTANT:\n")
    assert report["eval_rows"] == 4


def test_questions_alone_leave_older_training_files_alone(tmp_path: Path) -> None:
    prepare(Options(SOURCE, tmp_path))
    before = content(tmp_path)
    (tmp_path / "eval-text.txt").write_text("C\n")
    prepare(Options(tmp_path / "eval-text.txt", tmp_path))
    assert before.items() <= content(tmp_path).items()


def test_bad_rows_are_counted_shown_and_reported(tmp_path: Path, capsys) -> None:
    source = tmp_path / "train_props.txt"
    bad = ["C\t{'a'", "C*\t{'a'}", "C\tset()", "C(\t{'a'}"]
    source.write_text("\n".join(["CCO\t{'nutrient'}", *bad, "CC\t{'nutrient'}"]) + "\n")
    report = prepare(Options(source, tmp_path / "out", holdout=0, report=tmp_path / "r.json"))
    assert (report["rows_read"], report["bad_rows"], report["train_rows"]) == (6, 4, 2)
    assert [(row["line"], row["file"]) for row in report["bad"]] == [(n, "train_props.txt") for n in (2, 3, 4, 5)]
    assert json.loads((tmp_path / "r.json").read_text()) == report
    shown = capsys.readouterr().err
    assert (
        "bad row: train_props.txt line 3: character '*' at position 1 of the molecule is not in the alphabet" in shown
    )
    assert "bad row: train_props.txt line 5: RDKit cannot read the molecule C(" in shown


@pytest.mark.parametrize(("report", "where"), [("r.json", "all in "), (None, "named by --report FILE")])
def test_of_many_bad_rows_the_first_are_shown(tmp_path: Path, capsys, report: str | None, where: str) -> None:
    source = tmp_path / "train_props.txt"
    source.write_text("CCO\t{'nutrient'}\n" + "bad\n" * 25)
    prepare(Options(source, tmp_path / "out", report=report and tmp_path / report))
    shown = capsys.readouterr().err
    assert shown.count("bad row: ") == 20
    assert f"bad rows: 5 more, {where}" in shown


def test_no_usable_row_writes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "train_props.txt"
    source.write_text("bad\n")
    with pytest.raises(InputError, match="no usable row among 1"):
        prepare(Options(source, tmp_path / "out", report=tmp_path / "r.json"))
    assert os.listdir(tmp_path) == ["train_props.txt"]


def test_an_error_in_the_middle_leaves_the_old_files(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(canonical, "_BATCH", 1)
    prepare(Options(SOURCE, tmp_path / "out"))
    before = content(tmp_path / "out")
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.csv").write_text("molecule,caption\n" + "".join(f"{'C' * n},An alkane.\n" for n in range(1, 9)))
    (source / "b.csv").write_text("wrong,header\n")
    with pytest.raises(InputError, match="columns are wrong, header"):
        prepare(Options(source, tmp_path / "out", workers=1))
    assert content(tmp_path / "out") == before
    with pytest.raises(InputError):
        prepare(Options(source, tmp_path / "fresh", workers=1))
    assert not (tmp_path / "fresh").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"holdout": 1.0}, "--holdout: 1.0"),
        ({"holdout": -0.1}, "--holdout: -0.1"),
        ({"holdout": float("nan")}, "--holdout: nan"),
        ({"max_molecules": 0}, "--max_molecules: 0"),
        ({"max_per_property_set": -1}, "--max_per_property_set: -1"),
        ({"max_smiles_length": 0}, "--max_smiles_length: 0"),
        ({"workers": -1}, "--workers: -1"),
    ],
)
def test_options_out_of_range(tmp_path: Path, wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(Options(SOURCE, tmp_path / "out", **wrong))
    assert not (tmp_path / "out").exists()


def test_molecules_with_a_withheld_combination_are_held_out_in_all_their_rows(tmp_path: Path) -> None:
    source, combos = tmp_path / "train_props.txt", tmp_path / "combos.txt"
    source.write_text("CCO\t{'a', 'b'}\nOCC\t{'a'}\nCCC\t{'a', 'c'}\nCCN\t{'b'}\nCCCl\t{'d', 'b', 'a'}\n")
    combos.write_text("('a', 'b')\t2\n('b', 'c')\t1\n")
    report = prepare(Options(source, tmp_path / "out", holdout=0.0, withheld_combos=combos))
    train, test = (loaded(tmp_path / "out", f"smiles2text/LPM-24_{split}.json") for split in ("train", "test"))
    assert [row["molecule"] for row in train] == ["CCC", "CCN"]
    assert [(row["molecule"], row.get("withheld_combos")) for row in test] == [
        ("CCO", [["a", "b"]]),
        ("OCC", None),
        ("CCCl", [["a", "b"]]),
    ]
    assert (report["withheld_combos"], report["withheld_combo_rows"], report["test_rows"]) == (2, 2, 3)


def test_split_by_connectivity_keeps_stereoisomers_together(tmp_path: Path) -> None:
    source = tmp_path / "train_props.txt"
    chains = ["C" * length for length in range(1, 25)]
    source.write_text("".join(f"{c}[C@H](N)O\t{{'a'}}\n{c}[C@@H](N)O\t{{'a'}}\n" for c in chains))

    def parted(split_by: str) -> int:
        prepare(Options(source, tmp_path / split_by, holdout=0.5, split_by=split_by))
        test = {row["molecule"] for row in loaded(tmp_path / split_by, "smiles2text/LPM-24_test.json")}
        assert 0 < len(test) < 48
        return sum((f"{c}[C@H](N)O" in test) != (f"{c}[C@@H](N)O" in test) for c in chains)

    assert parted("connectivity") == 0
    assert parted("molecule") > 0


def test_several_varied_captions_a_training_molecule(tmp_path: Path) -> None:
    report = prepare(Options(SOURCE, tmp_path, holdout=0.25, wording="varied", captions_per_molecule=3))
    train, test = (loaded(tmp_path, f"smiles2text/LPM-24_{split}.json") for split in ("train", "test"))
    captions: dict[str, list[str]] = {}
    for row in train:
        captions.setdefault(row["molecule"], []).append(row["caption"])
    assert {len(of_one) for of_one in captions.values()} == {3}
    assert all(len(set(of_one)) == 3 for of_one in captions.values())
    assert len({row["molecule"] for row in test}) == len(test)
    assert (report["train_rows"], report["test_rows"]) == (len(train), len(test))
    talks = loaded(tmp_path, "smiles2text/LPM-24_train_qa_conversation.json")
    assert len({row["id"] for row in talks}) == len(talks) == len(train)
    with pytest.raises(InputError, match="--captions_per_molecule: 2; expected 1 with steady wording"):
        prepare(Options(SOURCE, tmp_path / "no", captions_per_molecule=2))


def test_a_bad_row_that_stands_twice_is_reported_twice(tmp_path: Path) -> None:
    source = tmp_path / "train_props.txt"
    source.write_text("C1CC\t{'a'}\nCCO\t{'a'}\nC1CC\t{'a'}\nCCO\t{'a'}\n")
    report = prepare(Options(source, tmp_path / "out"))
    assert [(row["line"], row["reason"]) for row in report["bad"]] == [
        (1, "RDKit cannot read the molecule C1CC"),
        (3, "RDKit cannot read the molecule C1CC"),
    ]
    assert (report["duplicate_rows"], report["train_rows"] + report["test_rows"]) == (1, 1)
