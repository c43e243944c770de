import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from mindformers.tools.logging import get_logger, log_to_files
from tests.full_disk import files_up_to


@pytest.fixture(autouse=True)
def fresh_root(monkeypatch) -> Iterator[logging.Logger]:
    """The root logger of the package without handlers, as in a new process; put back afterwards."""
    monkeypatch.delenv("LOG_MF_PATH", raising=False)
    monkeypatch.delenv("MF_LOG_LEVEL", raising=False)
    root = logging.getLogger("mindformers")
    before = (root.handlers, root.level, root.propagate)
    # pytest hangs its own handlers on loggers that do not propagate; a new process has none.
    root.handlers, root.propagate = [], True
    yield root
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level, root.propagate = before


def test_names_stand_under_the_package() -> None:
    assert get_logger("mindformers.dataset").name == "mindformers.dataset"
    assert get_logger("benchmarks").name == "mindformers.benchmarks"


def test_one_line_on_standard_error(fresh_root, capsys) -> None:
    get_logger("mindformers.a")
    get_logger("mindformers.b").info("step %d", 3)
    get_logger("mindformers.b").debug("unseen")
    assert capsys.readouterr().err == "INFO step 3\n"
    assert len(fresh_root.handlers) == 1


def test_level_from_the_environment(monkeypatch, capsys) -> None:
    monkeypatch.setenv("MF_LOG_LEVEL", "error")
    logger = get_logger("mindformers.a")
    logger.warning("unseen")
    logger.error("seen")
    assert capsys.readouterr().err == "ERROR seen\n"


def test_files_of_a_rank(tmp_path: Path) -> None:
    logger = get_logger("mindformers.a")
    log_to_files(tmp_path, rank=0)
    logger.info("started")
    logger.error("failed")
    info, error = ((tmp_path / "log/rank_0" / name).read_text() for name in ("info.log", "error.log"))
    assert [line.split(" ", 2)[2] for line in info.splitlines()] == [
        "INFO mindformers.a: started",
        "ERROR mindformers.a: failed",
    ]
    assert "failed" in error and "started" not in error


def test_a_second_run_takes_new_files(fresh_root, tmp_path: Path) -> None:
    logger = get_logger("mindformers.a")
    log_to_files(tmp_path / "one")
    log_to_files(tmp_path / "two")
    logger.info("later")
    assert (tmp_path / "one/log/rank_0/info.log").read_text() == ""
    assert "later" in (tmp_path / "two/log/rank_0/info.log").read_text()
    assert len(fresh_root.handlers) == 3


def test_other_ranks_are_quiet_on_the_terminal_but_not_in_their_file(tmp_path: Path, capsys) -> None:
    logger = get_logger("mindformers.a")
    log_to_files(tmp_path, rank=3)
    logger.info("quiet")
    logger.warning("loud")
    assert capsys.readouterr().err == "WARNING loud\n"
    assert "quiet" in (tmp_path / "log/rank_3/info.log").read_text()


def test_folder_from_the_environment(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOG_MF_PATH", str(tmp_path / "elsewhere"))
    log_to_files(tmp_path / "output")
    assert (tmp_path / "elsewhere/rank_0/info.log").is_file()
    assert not (tmp_path / "output").exists()


def test_a_full_disk_ends_the_log_with_one_line_and_disturbs_nothing(fresh_root, tmp_path: Path, capsys) -> None:
    logger = get_logger("mindformers.a")
    log_to_files(tmp_path)
    with files_up_to(100):
        for number in range(5):
            logger.info("line %d", number)
    path = tmp_path / "log/rank_0/info.log"
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if not line.startswith("INFO line")] == [
        f"WARNING log file '{path}' ends here: File too large"
    ]
    assert len(lines) == 6 and "line 0" in path.read_text()
