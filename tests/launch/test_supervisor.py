"""All processes end well, or all end, and it is said why. The processes are small scripts without MindSpore."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mindformers.launch import supervisor
from mindformers.launch.supervisor import Process, Supervisor, is_free, telling_lines

ROOT = Path(__file__).resolve().parents[2]
FOREVER = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
Start = Callable[..., tuple[int, list[str], list[Process]]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Run scripts as ranks; the status, the lines said, and the processes."""
    monkeypatch.setattr(supervisor, "_GRACE_SECONDS", 1.0)

    def command(*scripts: str, scheduler: str = "", port: int | None = None) -> tuple[int, list[str], list[Process]]:
        def process(name: str, script: str) -> Process:
            return Process(name, [sys.executable, "-c", script], {"RANK": name}, tmp_path / f"{name}.log")

        ranks, said = [process(f"rank {i}", script) for i, script in enumerate(scripts)], []
        meeting = process("scheduler", scheduler) if scheduler else None
        status = Supervisor(ranks, meeting, port, said.append).run()
        everybody = [*ranks, *([meeting] if meeting else [])]
        assert all(one.status() is not None for one in everybody)
        return status, said, everybody

    return command


def test_when_all_end_well_so_does_the_run(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    hello = "import os; print('hello from', os.environ['RANK'])"
    status, said, ranks = start(hello, hello, scheduler="print('met')")
    assert (status, said) == (0, [])
    assert [one.log.read_text() for one in ranks] == ["hello from rank 0\n", "hello from rank 1\n", "met\n"]
    assert capfd.readouterr().out == "hello from rank 0\n"


def test_a_failing_rank_stops_the_others_and_its_error_is_printed(start: Start) -> None:
    broken = "import time; time.sleep(0.2); print('noise'); print('error: data: not found'); raise SystemExit(2)"
    began = time.monotonic()
    status, said, ranks = start(FOREVER, broken, FOREVER, scheduler=FOREVER)
    assert time.monotonic() - began < 20
    assert status == 2
    assert said == [
        f"error: rank 1 failed with status 2; the others were stopped; see {ranks[1].log}",
        "  rank 1 | error: data: not found",
    ]
    assert [one.status() for one in ranks] == [143, 2, 143, 143]


def test_a_traceback_is_found_behind_and_before_noise(start: Start) -> None:
    script = "import sys\ntry: 1 / 0\nexcept Exception:\n import traceback; traceback.print_exc()\n"
    status, said, _ = start(FOREVER, script + " print('noise'); sys.exit(1)")
    assert status == 1
    assert said[1].endswith("Traceback (most recent call last):")
    assert said[-1] == "  rank 1 | ZeroDivisionError: division by zero"


def test_a_killed_rank_is_named_by_its_signal(start: Start) -> None:
    status, said, _ = start(FOREVER, "import os; os.kill(os.getpid(), 9)")
    assert status == 128 + 9
    assert said[0].startswith("error: rank 1 failed with signal SIGKILL; the others were stopped")


def test_a_rank_that_does_not_listen_is_ended_with_its_children(start: Start, tmp_path: Path) -> None:
    child = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {DEAF!r}]); print(p.pid); p.wait()"
    broken = "import time; time.sleep(1); raise SystemExit(1)"
    status, _, ranks = start(f"{child}", broken)
    pid = int(ranks[0].log.read_text().split()[0])
    assert status == 1
    wait_until(lambda: not is_running(pid))


def test_a_scheduler_that_fails_ends_the_run(start: Start) -> None:
    status, said, _ = start(FOREVER, FOREVER, scheduler="raise SystemExit(7)")
    assert status == 7
    assert "scheduler failed with status 7" in said[0]


def test_a_scheduler_that_stays_is_stopped_and_its_port_is_free(start: Start) -> None:
    with socket.socket() as one:
        one.bind(("", 0))
        port = one.getsockname()[1]
    assert is_free(port)
    listen = f"import socket, time; s = socket.socket(); s.bind(('', {port})); s.listen(); time.sleep(600)"
    status, said, _ = start("import time; time.sleep(0.5)", scheduler=listen, port=port)
    assert (status, said) == (0, [])
    assert is_free(port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_supervisor_ends_all(number: signal.Signals, tmp_path: Path) -> None:
    """Even SIGKILL, of which it does not hear."""
    code = (
        "import sys; from pathlib import Path; from mindformers.launch.supervisor import Process, Supervisor\n"
        f"command = [sys.executable, '-c', {FOREVER!r}]\n"
        "ranks = [Process(f'rank {i}', command, {}, Path(f'{i}.log')) for i in (0, 1)]\n"
        "one = Supervisor(ranks, None, None, lambda line: print(line, flush=True))\n"
        "watch = one._watch\n"
        "one._watch = lambda: (print(*(r.running.pid for r in ranks), flush=True), watch())[1]\n"
        "sys.exit(one.run())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    pids = [int(word) for word in process.stdout.readline().split()]
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    wait_until(lambda: not any(map(is_running, pids)))
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert out.decode().endswith(f"stopped by {number.name}\n")


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_of_a_log_without_an_error_the_end_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {i}\n" for i in range(99)))
    assert telling_lines(log)[-1] == "line 98" and len(telling_lines(log)) == 30
    assert telling_lines(tmp_path / "none.log") == []
