import json
import logging
from pathlib import Path

import pytest

from mindformers.dataset.lpm24 import line_files, table_files
from mindformers.dataset.lpm24.sources import find_sources
from mindformers.tools.errors import InputError

PUBLISHED = {
    "data/train-00000-of-00001.parquet": ("x", table_files.read_parquet),
    "eval-molgen.txt": ("x\n", line_files.read_description_lines),
    "eval-text.txt.xz": ("x", line_files.read_molecule_lines),
    "lines.json": ('\n{"molecule": "C"}\n', line_files.read_json_lines),
    "list.json": ('\n[{"molecule": "C"}]', table_files.read_json_list),
    "rows.jsonl": ("{}", line_files.read_json_lines),
    "table.csv": ("x", table_files.read_csv),
    "table.tsv.xz": ("x", table_files.read_csv),
    "train_props.txt": ("x", line_files.read_property_lines),
}
OTHER = {
    "LPM-24_train_qa_conversation.json": json.dumps([{"id": "1", "conversation": []}]),
    "README.md": "x",
    "nested_props.json": '{\n "Biomedical": []}',
    "notes.txt": "x",
    "prop_counts.json": '{"Biomedical": {}}',
    "table.parquet.xz": "x",
}


def fill(folder: Path, files: dict[str, str]) -> None:
    (folder / "data").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)


def test_a_folder_gives_its_published_files_and_names_the_others(tmp_path: Path, caplog, monkeypatch) -> None:
    fill(tmp_path, {name: content for name, (content, _) in PUBLISHED.items()})
    fill(tmp_path, OTHER | {".hidden.csv": "x", "empty.csv": ""})
    monkeypatch.setattr(logging.getLogger("mindformers"), "propagate", True)
    found = find_sources(tmp_path)
    assert [(str(path.relative_to(tmp_path)), reader) for path, reader in found] == [
        (name, reader) for name, (_, reader) in PUBLISHED.items()
    ]
    assert all(name in caplog.text for name in OTHER)
    assert ".hidden.csv" not in caplog.text


def test_one_file(tmp_path: Path) -> None:
    path = tmp_path / "train_props.txt"
    path.write_text("C\t{'a'}\n")
    assert find_sources(path) == [(path, line_files.read_property_lines)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", "x", "has no published form; expected train_props.txt"),
        ("train_props.txt", "", "is empty"),
        ("missing.csv", None, "not found"),
    ],
)
def test_an_unusable_file(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        find_sources(tmp_path / name)


def test_a_folder_without_published_files(tmp_path: Path) -> None:
    fill(tmp_path, OTHER)
    with pytest.raises(InputError, match="holds no published file"):
        find_sources(tmp_path)
