"""What the launchers start, and what they refuse before anything is started."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mindformers.launch.__main__ import main
from mindformers.launch.jobs import ROOT, Job, distribute, msrun, standalone
from mindformers.launch.supervisor import Process
from mindformers.tools.errors import InputError
from tests.launch.test_rank_table import table, written
from tests.trainer.small_run import recipe_content, write_recipe

SCRIPT = "run_mindformer.py --config x.yaml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LOG_MF_PATH", "MS_SCHED_PORT"):
        monkeypatch.delenv(name, raising=False)


def recipe(folder: Path, target: str = "CPU") -> str:
    return str(write_recipe(folder, recipe_content(folder) | {"context": {"device_target": target}}))


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("", 0))
        return str(one.getsockname()[1])


def given(process: Process) -> dict[str, str]:
    return {name: value for name, value in process.variables.items() if value is not None}


def test_one_process_on_one_device(tmp_path: Path) -> None:
    config = recipe(tmp_path)
    (rank,) = standalone([config, "3", "finetune", "--epochs", "1"]).ranks
    assert list(rank.command[1:]) == [
        *(str(ROOT / "run_mindformer.py"), "--config", config, "--run_mode", "finetune"),
        *("--use_parallel", "False", "--device_id", "3", "--epochs", "1"),
    ]
    assert given(rank) == {"RANK_ID": "0", "RANK_SIZE": "1", "DEVICE_ID": "3"}
    assert rank.variables["MS_ROLE"] is None and rank.variables["RANK_TABLE_FILE"] is None
    assert rank.log == tmp_path / "output/log/rank_0/mindformer.log"


def test_logs_go_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_MF_PATH", "elsewhere")
    (rank,) = standalone([recipe(tmp_path), "0", "train"]).ranks
    assert rank.log == Path("elsewhere/rank_0/mindformer.log")


def test_the_ranks_of_a_table_on_ascend(tmp_path: Path) -> None:
    content, config = table(2, 2), recipe(tmp_path, "Ascend")
    content["server_list"][1]["device"][0]["device_id"] = "5"
    path = written(tmp_path, content)
    job = distribute([str(path), config, "[2,4]", "train", "4"])
    assert (job.scheduler, job.port) == (None, None)
    shared = {"RANK_SIZE": "4", "RANK_TABLE_FILE": str(path)}
    assert [given(rank) for rank in job.ranks] == [
        {**shared, "RANK_ID": "2", "DEVICE_ID": "5"},
        {**shared, "RANK_ID": "3", "DEVICE_ID": "1"},
    ]
    assert job.ranks[1].log == tmp_path / "output/log/rank_3/mindformer.log"
    assert job.ranks[0].command[-2:] == ["--use_parallel", "True"]


def test_on_a_cpu_they_meet_at_a_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("MS_SCHED_PORT", port)
    job = distribute([str(written(tmp_path, table(2))), recipe(tmp_path), "[0,2]", "train"])
    assert job.port == int(port) and given(job.scheduler)["MS_ROLE"] == "MS_SCHED"
    assert job.scheduler.command == [sys.executable, "-m", "mindformers.launch.scheduler"]
    assert given(job.ranks[1]) == {
        **{"MS_WORKER_NUM": "2", "MS_SCHED_HOST": "127.0.0.1", "MS_SCHED_PORT": port, "MS_TOPO_TIMEOUT": "7200"},
        **{"RANK_SIZE": "2", "MS_ROLE": "MS_WORKER", "MS_NODE_ID": "1", "RANK_ID": "1", "DEVICE_ID": "1"},
    }


def summary(job: Job) -> tuple[object, ...]:
    variables = [given(rank) for rank in job.ranks]
    ranks = [int(one["RANK_ID"]) for one in variables]
    return ranks, variables[0]["MS_WORKER_NUM"], variables[0]["MS_SCHED_HOST"], job.port, str(job.log_dir), job.joins


def test_the_orders_of_msruns_words(tmp_path: Path) -> None:
    port = free_port()
    local = ([0, 1], "2", "127.0.0.1", int(port))
    assert summary(msrun([SCRIPT, "2", "2", port])) == (*local, "output/msrun_log", True)
    assert summary(msrun([SCRIPT, "2", "2", port, "logs", "False", "60"])) == (*local, "logs", False)
    assert summary(msrun([SCRIPT, "2", port, "logs", "False", "60"])) == (*local, "logs", False)
    job = msrun([SCRIPT, "4", "2", "10.0.0.1", port, "1", "logs", "True", "60"])
    assert summary(job) == ([2, 3], "4", "10.0.0.1", int(port), "logs", True)
    assert job.scheduler is None and given(job.ranks[0])["DEVICE_ID"] == "0"
    assert given(job.ranks[0])["MS_TOPO_TIMEOUT"] == "60"
    assert job.ranks[1].log == Path("logs/worker_3.log")
    assert job.ranks[0].command[1:] == [str(ROOT / "run_mindformer.py"), "--config", "x.yaml"]


def test_a_script_may_stand_in_the_current_folder_and_its_words_in_quotes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    job = msrun(["mine.py --text 'two words'", "1", "1", free_port()])
    assert job.ranks[0].command[1:] == ["mine.py", "--text", "two words"]


def refused(capsys: pytest.CaptureFixture[str], kind: str, *words: str) -> str:
    assert main([kind, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "run_standalone.sh: got 0 words; expected CONFIG DEVICE_ID RUN_MODE"),
        (["CONFIG", "0"], "got 2 words"),
        (["nowhere.yaml", "0", "train"], "recipe: 'nowhere.yaml' not found"),
        (["CONFIG", "first", "train"], "DEVICE_ID: got 'first'; expected a whole number, 0 or more"),
        (["CONFIG", "-1", "train"], "DEVICE_ID: got '-1'"),
        (["CONFIG", "0", "trian"], "RUN_MODE: unknown name 'trian'"),
        (["CONFIG", "0", "chat"], "RUN_MODE: unknown name 'chat'"),
        (["CONFIG", "0", "train", "--runner_config.epoch", "1"], "unknown key"),
    ],
)
def test_unusable_words_of_run_standalone(
    words: Sequence[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = recipe(tmp_path)
    assert line in refused(capsys, "standalone", *(config if word == "CONFIG" else word for word in words))
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["TABLE", "CONFIG", "[0,2]"], "run_distribute.sh: got 3 words; expected RANK_TABLE_FILE CONFIG '[0,8]'"),
        (["nowhere.json", "CONFIG", "[0,2]", "train"], "RANK_TABLE_FILE: 'nowhere.json' not found"),
        (["CONFIG", "CONFIG", "[0,2]", "train"], "is no rank table"),
        (["TABLE", "nowhere.yaml", "[0,2]", "train"], "recipe: 'nowhere.yaml' not found"),
        (["TABLE", "CONFIG", "[0,8]", "train"], "device range: got '[0,8]'; expected a part of the table's [0,2]"),
        (["TABLE", "CONFIG", "all", "train"], "device range: got 'all'"),
        (["TABLE", "CONFIG", "[0,2]", "trian"], "RUN_MODE: unknown name 'trian'"),
        (["TABLE", "CONFIG", "[0,2]", "train", "4"], "RANK_SIZE: got 4; expected the 2 ranks of"),
        (["TABLE", "CONFIG", "[0,2]", "train", "x"], "RANK_SIZE: got 'x'"),
    ],
)
def test_unusable_words_of_run_distribute(
    words: Sequence[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meant = {"CONFIG": recipe(tmp_path), "TABLE": str(written(tmp_path, table(2)))}
    assert line in refused(capsys, "distribute", *(meant.get(word, word) for word in words))
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "msrun_launcher.sh: got 0 words"),
        ([SCRIPT, "2", "2", "8118", "logs", "True", "60", "x"], "got 8 words"),
        (["nowhere.py --x", "2"], "script: 'nowhere.py' not found; expected a Python file with its arguments"),
        (["", "2"], "script: '' not found"),
        (["run_mindformer.py 'x", "2"], "cannot be split into words"),
        ([SCRIPT, "two"], "WORKER_NUM: got 'two'"),
        ([SCRIPT, "0"], "WORKER_NUM: got '0'; expected a whole number, 1 or more"),
        ([SCRIPT, "2", "1"], "LOCAL_WORKER: 1 of 2 on machine 0; expected all of them"),
        ([SCRIPT, "2", "3"], "LOCAL_WORKER: 3 of 2"),
        ([SCRIPT, "4", "2", "10.0.0.1", "8118", "2", "logs", "True", "60"], "LOCAL_WORKER: 2 of 4 on machine 2"),
        ([SCRIPT, "2", "2", "80"], "PORT: got '80'; expected a whole number, 1024 or more"),
        ([SCRIPT, "2", "2", "70000"], "PORT: got 70000"),
        ([SCRIPT, "2", "2", "8118", "logs", "yes"], "JOIN: got 'yes'; expected True or False"),
        ([SCRIPT, "2", "2", "8118", "logs", "True", "soon"], "TIMEOUT: got 'soon'"),
    ],
)
def test_unusable_words_of_msrun(words: Sequence[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert line in refused(capsys, "msrun", *words)


def test_a_port_in_use_is_refused() -> None:
    with socket.socket() as one:
        one.bind(("", 0))
        one.listen()
        port = one.getsockname()[1]
        with pytest.raises(InputError, match=f"port: {port} is in use; expected a free port"):
            msrun([SCRIPT, "2", "2", str(port)])


def test_an_unknown_launcher_and_a_folder_that_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "launcher: unknown name 'mpirun'" in refused(capsys, "mpirun")
    (tmp_path / "output").write_text("a file")
    assert "log folder: " in refused(capsys, "standalone", recipe(tmp_path), "0", "train")
