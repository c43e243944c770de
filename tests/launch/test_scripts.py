"""The scripts themselves, with MindSpore's scheduler and its collectives on the CPU."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from mindformers.launch.supervisor import is_free
from tests.launch.test_rank_table import table, written
from tests.trainer.small_run import recipe_content, write_recipe

ROOT = Path(__file__).resolve().parents[2]
ALLREDUCE = ROOT / "tests" / "launch" / "allreduce.py"


@pytest.fixture
def port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


def run(folder: Path, script: str, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(ROOT / "scripts" / script), *map(str, words)]
    environment = {name: value for name, value in os.environ.items() if name != "LOG_MF_PATH"} | variables
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_error_of_one_process_its_log_and_its_status(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, recipe_content(tmp_path))
    found = run(tmp_path, "run_standalone.sh", recipe, 0, "eval")
    assert found.returncode == 2
    log = tmp_path / "output" / "log" / "rank_0" / "mindformer.log"
    assert "error: load_checkpoint: not given" in log.read_text()
    assert found.stdout == log.read_text()
    assert found.stderr.splitlines() == [
        f"starting 1 process; logs: {log}",
        f"error: rank 0 failed with status 2; see {log}",
    ]


def test_ranks_of_a_table_have_logs_of_their_own(tmp_path: Path, port: int) -> None:
    words = (written(tmp_path, table(2)), write_recipe(tmp_path, recipe_content(tmp_path)), "[0,2]", "eval")
    found = run(tmp_path, "run_distribute.sh", *words, MS_SCHED_PORT=str(port))
    assert found.returncode == 2, found.stderr
    logs = [tmp_path / "output" / "log" / f"rank_{rank}" / "mindformer.log" for rank in (0, 1)]
    assert any("error: load_checkpoint: not given" in log.read_text() for log in logs)
    assert "failed with status 2; the others were stopped" in found.stderr
    assert is_free(port)


def test_ranks_meet_and_a_failing_one_stops_those_that_wait_for_it(tmp_path: Path, port: int) -> None:
    shutil.copyfile(ALLREDUCE, tmp_path / "allreduce.py")
    began = time.monotonic()
    found = run(tmp_path, "msrun_launcher.sh", "allreduce.py 100000000 fail", 2, 2, port, "logs")
    assert found.returncode == 1
    assert time.monotonic() - began < 120  # a rank that is not stopped waits for ever
    assert "error: rank 1 failed with status 1; the others were stopped; see logs/worker_1.log" in found.stderr
    assert found.stderr.splitlines()[-1] == "  rank 1 | ValueError: rank one is broken"
    assert {file.name for file in (tmp_path / "logs").iterdir()} == {"scheduler.log", "worker_0.log", "worker_1.log"}
    assert is_free(port)


def test_in_the_background_the_command_returns_and_the_run_goes_on(tmp_path: Path, port: int) -> None:
    (tmp_path / "quick.py").write_text("print('quick')\n")
    found = run(tmp_path, "msrun_launcher.sh", "quick.py", 1, 1, port, "logs", "False")
    assert found.returncode == 0
    assert "started in the background; 'kill " in found.stderr
    end = time.monotonic() + 60
    while "quick" not in read(tmp_path / "logs" / "launcher.log") and time.monotonic() < end:
        time.sleep(0.05)
    assert read(tmp_path / "logs" / "worker_0.log") == "quick\n"
    pid = int(found.stderr.split("'kill ")[1].split("'")[0])
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert is_free(port)


def read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


@pytest.mark.parametrize("script", ["run_standalone.sh", "run_distribute.sh", "msrun_launcher.sh"])
def test_help_is_what_stands_at_the_scripts_head(script: str, tmp_path: Path) -> None:
    found = run(tmp_path, script, "--help")
    assert (found.returncode, found.stderr) == (0, "")
    assert f"bash scripts/{script} " in found.stdout
    assert "#" not in found.stdout and "set -" not in found.stdout


def test_the_example_of_chatglm_asks_for_its_two_files(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("{}")
    for words, said in (
        (("train.jsonl",), "1 files given; expected TRAIN.jsonl DEV.jsonl"),
        (("train.jsonl", "dev.jsonl"), "DEV: 'dev.jsonl' is not a file that can be read"),
    ):
        found = run(tmp_path, "glm_lora.sh", *words)
        assert found.returncode == 2 and said in found.stderr and found.stderr.count("\n") == 1
