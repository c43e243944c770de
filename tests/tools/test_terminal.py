"""Typing, in a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import sys
from mindformers.tools.terminal import typed_lines
for line in typed_lines(sys.stdout, "> ", "HINT"):
    print(f"got [{line}]", flush=True)
print("left", flush=True)
"""
INTERRUPT, END = "\x03", "\x04"


def typed(*steps: tuple[str, str]) -> list[str]:
    """What appears behind each (keys, text to wait for); then the program must have ended with status 0."""
    ours, its = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=its,
        stdout=its,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
        # Ctrl-C reaches the program as its terminal is the controlling one.
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )
    os.close(its)
    try:
        found = [_until(ours, "> ")]
        for keys, wanted in steps:
            _until_it_waits(program.pid)
            os.write(ours, keys.encode())
            found.append(_until(ours, wanted))
        assert program.wait(timeout=20) == 0
    finally:
        program.kill()
        program.wait()
        os.close(ours)
    return found[1:]


def _until_it_waits(pid: int) -> None:
    """For a key: of a signal that comes just before, behind an echo, Python hears with the next key only."""
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "S":
        assert time.monotonic() < end
        time.sleep(0.001)


def _until(terminal: int, wanted: str) -> str:
    seen, end = "", time.monotonic() + 20
    while wanted not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 4096).decode()
    assert wanted in seen
    return seen


def test_one_interrupt_clears_the_line_and_two_in_a_row_leave() -> None:
    steps = typed(
        ("half", "half"), (INTERRUPT, "HINT\r\n> "), ("b\n", "]\r\n> "), (INTERRUPT, "> "), (INTERRUPT, "left")
    )
    assert "got [b]" in steps[2]


def test_the_end_of_the_input_leaves() -> None:
    assert "got [a]" in typed(("a\n", "]\r\n> "), (END, "left"))[0]
