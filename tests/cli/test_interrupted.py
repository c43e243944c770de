"""Predictions that are killed in the middle: whole lines only, and `--resume True` ends with the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import MOLECULES, QUESTION, Outcome, Workplace

ROOT = Path(__file__).resolve().parents[2]
NUM_PROMPTS, BATCH_SIZE, LONGEST_WAIT = 160, 4, 90.0


@pytest.fixture
def prompts(workplace: Workplace) -> Path:
    smiles = list(MOLECULES)
    lines = [QUESTION.format(smiles[i % len(smiles)] + "C" * (i % 7)) for i in range(NUM_PROMPTS)]
    path = workplace.folder / "prompts.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def words(prompts: Path, output: str) -> list[str]:
    given = ["--run_mode", "predict", "--predict_data", str(prompts), "--save_file", output, "--do_sample", "True"]
    return [*given, "--predict_batch_size", str(BATCH_SIZE), "--max_new_tokens", "12"]


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_can_be_completed(
    workplace: Workplace, run: Callable[..., Outcome], prompts: Path, stop: signal.Signals
) -> None:
    whole, cut = workplace.folder / "whole.txt", workplace.folder / "cut.txt"
    assert run(*words(prompts, str(whole))).status == 0
    command = [sys.executable, str(ROOT / "run_mindformer.py"), "--config", str(workplace.recipe)]
    process = subprocess.Popen([*command, *words(prompts, str(cut))], stderr=subprocess.DEVNULL, cwd=workplace.folder)
    end = time.monotonic() + LONGEST_WAIT
    while not (cut.is_file() and cut.stat().st_size) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    os.kill(process.pid, stop)
    process.wait()
    found, wanted = cut.read_bytes(), whole.read_bytes()
    assert 0 < len(found) <= len(wanted)
    assert found.endswith(b"\n") and wanted.startswith(found)
    assert run(*words(prompts, str(cut)), "--resume", "True").status == 0
    assert cut.read_bytes() == wanted
    assert len(wanted.splitlines()) == NUM_PROMPTS


def test_a_line_that_was_cut_off_is_written_anew(
    workplace: Workplace, run: Callable[..., Outcome], prompts: Path
) -> None:
    whole, cut = workplace.folder / "whole.tsv", workplace.folder / "cut.tsv"
    assert run(*words(prompts, str(whole))).status == 0
    content = whole.read_bytes()
    for length in (3, len(content) // 2, len(content) - 1):
        cut.write_bytes(content[:length])
        assert run(*words(prompts, str(cut)), "--resume", "True").status == 0
        assert cut.read_bytes() == content
