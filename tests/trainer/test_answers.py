"""The file of answers: whole lines only, in the order of the input, whenever a run ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindformers.tools.errors import InputError
from mindformers.trainer.answers import AnswerFile, escaped

COLUMNS = ["SMILES", "ground truth"]
ROW = {"SMILES": "CCO", "ground truth": "ethanol"}


def content(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_a_table_has_a_header_the_own_columns_and_the_output(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.tsv"
    file = AnswerFile(path, COLUMNS)
    assert not path.exists()  # nothing before the first answer
    file.add([(ROW, ["a drink"]), ({"SMILES": "O"}, [""])])
    file.add([(ROW, ["again"])])
    assert content(path) == ("SMILES\tground truth\toutput\nCCO\tethanol\ta drink\nO\t\t\nCCO\tethanol\tagain\n")


def test_any_other_file_holds_the_outputs_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    AnswerFile(path, COLUMNS).add([(ROW, ["a drink"]), (ROW, [""])])
    assert content(path) == "a drink\n\n"


def test_a_second_run_appends(tmp_path: Path) -> None:
    for _ in range(2):
        file = AnswerFile(tmp_path / "out.tsv", ["id"])
        assert file.num_done == 0
        file.add([({"id": "1"}, ["x"])])
    assert content(tmp_path / "out.tsv") == "id\toutput\n1\tx\n1\tx\n"


def test_line_breaks_and_tabs_are_written_out(tmp_path: Path) -> None:
    assert escaped("a\nb\r\tc") == "a\\nb\\r\\tc"
    path = tmp_path / "out.tsv"
    AnswerFile(path, ["id"]).add([({"id": "x\ty\n"}, ["a\nb"])])
    assert content(path).splitlines() == ["id\toutput", "x\\ty\\n\ta\\nb"]


@pytest.mark.parametrize(("name", "header"), [("out.tsv", 1), ("out.txt", 0)])
def test_resuming_goes_on_behind_the_whole_lines(tmp_path: Path, name: str, header: int) -> None:
    path = tmp_path / name
    AnswerFile(path, COLUMNS).add([(ROW, ["one"]), (ROW, ["two"])])
    whole = content(path)
    with path.open("a", encoding="utf-8") as file:
        file.write("CCO\teth")  # a run that was killed
    file = AnswerFile(path, COLUMNS, resume=True)
    assert file.num_done == 2
    assert content(path) == whole
    file.add([(ROW, ["three"])])
    assert len(content(path).splitlines()) == header + 3


def test_resuming_a_new_file_begins_it(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "out.tsv", ["id"], resume=True)
    assert file.num_done == 0
    file.add([({"id": "1"}, ["x"])])
    assert content(tmp_path / "out.tsv") == "id\toutput\n1\tx\n"


def test_resuming_a_table_of_which_only_the_header_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_text("id\tout", encoding="utf-8")
    file = AnswerFile(path, ["id"], resume=True)
    file.add([({"id": "1"}, ["x"])])
    assert (file.num_done, content(path)) == (0, "id\toutput\n1\tx\n")


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_characters_that_only_look_like_line_ends_do_not_count_as_such(tmp_path: Path, character: str) -> None:
    path = tmp_path / "out.txt"
    AnswerFile(path, []).add([({}, [f"a{character}b"]), ({}, ["c"])])
    assert AnswerFile(path, [], resume=True).num_done == 2


def test_a_cut_line_is_refused_without_resume(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_text("id\toutput\n1\tx", encoding="utf-8")
    with pytest.raises(InputError, match="its last line is cut off; expected whole lines; pass --resume True"):
        AnswerFile(path, ["id"])
    assert content(path) == "id\toutput\n1\tx"


@pytest.mark.parametrize("resume", [True, False])
def test_a_table_of_other_columns_is_refused_and_left_alone(tmp_path: Path, resume: bool) -> None:
    path = tmp_path / "out.tsv"
    text = "id\toutput\n1\tx\n" + ("2\tcut" if resume else "")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="choose another file"):
        AnswerFile(path, COLUMNS, resume)
    assert content(path) == text


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_bytes(b"\xff\xfe\x00\n")
    with pytest.raises(InputError, match=r"save_file .*not UTF-8"):
        AnswerFile(path, [], resume=True)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"save_file .*is a folder"):
        AnswerFile(tmp_path, [])


def test_a_place_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"save_file .*no folder can be made for it"):
        AnswerFile(tmp_path / "file" / "out.tsv", [])
