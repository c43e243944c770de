import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file, replaced_file, replaced_folder, write_json, write_text


def test_a_new_file_in_a_new_folder(tmp_path: Path) -> None:
    write_text(tmp_path / "a/b/c.txt", "größe\n")
    assert (tmp_path / "a/b/c.txt").read_bytes() == "größe\n".encode()
    assert os.listdir(tmp_path / "a/b") == ["c.txt"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replaced_file(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
        assert beside.parent == path.parent
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(failure), replaced_file(path) as beside:
        beside.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = (
        "import os, sys\nfrom mindformers.tools.files import replaced_file\n"
        "with replaced_file(sys.argv[1]) as beside:\n    beside.write_text('half')\n    os._exit(9)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code, str(path)], cwd=root, check=False).returncode == 9
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"größe": [1, None]})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"größe": [1, None]}
    assert "größe" in path.read_text(encoding="utf-8")


def test_a_folder_gets_all_files_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    (tmp_path / "a.txt").write_text("old")
    with replaced_folder(tmp_path) as beside:
        (beside / "a.txt").write_text("new")
        (beside / "b.txt").write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old"
    contents = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert contents == {"kept.txt": "kept", "a.txt": "new", "b.txt": "new"}


def test_a_failure_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ValueError), replaced_folder(tmp_path) as beside:
        (beside / "a.txt").write_text("half")
        raise ValueError
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}


def test_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    assert existing_file(str(path), "--data") == path


def test_an_unusable_file_is_named_with_its_fault(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    for name, fault in (("missing.txt", "not found"), ("", "is a folder"), ("empty.txt", "is empty")):
        with pytest.raises(InputError) as caught:
            existing_file(tmp_path / name, "--data")
        assert caught.value.what == "--data"
        assert caught.value.got == f"'{tmp_path / name}' {fault}"
