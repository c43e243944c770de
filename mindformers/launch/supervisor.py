"""Starts the processes of a run and watches over them: all end well, or all end."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

_POLL_SECONDS, _GRACE_SECONDS, _MEETING_SECONDS, _PORT_SECONDS = 0.1, 8.0, 3.0, 10.0
_SAVING_SECONDS = 300.0  # for ranks that were asked to end, and finish and save their step together
_MOST_LINES = 30
_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Process:
    """One process of a run.

    Args:
        name: e.g. `rank 3`.
        command: its words.
        variables: added to this process's environment; None takes one away.
        log: takes all that it writes.
    """

    name: str
    command: Sequence[str]
    variables: Mapping[str, str | None]
    log: Path
    running: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it as the leader of a group, so that what it starts can be ended with it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        changed = {**os.environ, "PYTHONUNBUFFERED": "1", **self.variables}
        environment = {name: value for name, value in changed.items() if value is not None}
        with self.log.open("wb") as log:
            self.running = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=_die_with_parent() if sys.platform == "linux" else None,
            )

    def status(self) -> int | None:
        """The exit status, 128 + N after signal N; None while it runs."""
        code = self.running.poll() if self.running else None
        return 128 - code if code is not None and code < 0 else code

    def send(self, number: int) -> None:
        """Send a signal to it and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.running.pid, number)


class Supervisor:
    """A run of several processes.

    Args:
        ranks: the processes that do the work; what the first writes is shown.
        scheduler: the process that they meet at, if any.
        port: that of the scheduler; it is free again at the end.
        say: takes a line for the user.
    """

    def __init__(
        self, ranks: Sequence[Process], scheduler: Process | None, port: int | None, say: Callable[[str], None]
    ) -> None:
        self.ranks, self.scheduler, self.port, self.say = ranks, scheduler, port, say
        self.all = [*([scheduler] if scheduler else []), *ranks]
        self.signal, self.is_hurried = 0, False
        self.shown = 0

    def run(self) -> int:
        """Run to the end.

        Returns:
            0 where all ranks end well; the status of the first that fails, the others being stopped; 128 + N where
            signal N ended the run.
        """
        with self._signals_caught():
            try:
                for process in self.all:
                    process.start()
                failed = self._watch()
            finally:
                self._stop()
                self._show()
            self._report(failed)
            self._await_port()
        return failed[0].status() if failed else 128 + self.signal if self.signal else 0

    @contextmanager
    def _signals_caught(self) -> Iterator[None]:
        def remember(number: int, frame: FrameType | None) -> None:
            self.is_hurried = bool(self.signal)
            self.signal = self.signal or number

        heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]  # nohup ignores one
        before = {number: signal.signal(number, remember) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _watch(self) -> list[Process]:
        """Until all ranks have ended, one has failed, or a signal has come. Returns those that failed."""
        while not self.signal:
            time.sleep(_POLL_SECONDS)
            self._show()
            if failed := [process for process in (*self.ranks, *self.all[: -len(self.ranks)]) if process.status()]:
                return failed
            if all(process.status() == 0 for process in self.ranks):
                break
        return []

    def _stop(self) -> None:
        """Ask all that still run to end, and end them where they do not, or at a second signal at once.

        The scheduler is asked last, as ranks cannot speak to each other without it.
        """
        if self.scheduler and all(process.status() == 0 for process in self.ranks):
            self._await([self.scheduler], _MEETING_SECONDS)  # it ends by itself behind the last rank
        running = [process for process in self.ranks if process.running and process.status() is None]
        for process in running:
            process.send(self.signal or signal.SIGTERM)
        self._await(running, _SAVING_SECONDS if self.signal else _GRACE_SECONDS)
        if self.scheduler and self.scheduler.running and self.scheduler.status() is None:
            self.scheduler.send(signal.SIGTERM)
            self._await([self.scheduler], _MEETING_SECONDS)
        for process in self.all:
            if process.running:
                process.send(signal.SIGKILL)  # whatever is left of its group
                process.running.wait()

    def _await(self, processes: Sequence[Process], seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(process.status() is None for process in processes) and not self.is_hurried:
            time.sleep(_POLL_SECONDS)

    def _show(self) -> None:
        """Pass on what the first rank has written since the last time."""
        try:
            with self.ranks[0].log.open("rb") as log:
                log.seek(self.shown)
                new = log.read()
        except OSError:
            return
        self.shown += len(new)
        sys.stdout.buffer.write(new)
        sys.stdout.flush()

    def _report(self, failed: Sequence[Process]) -> None:
        if self.signal:
            self.say(f"stopped by {_name_of(self.signal)}")
        for process in failed:
            status = process.status() or 0
            how = f"status {status}" if status < 128 else f"signal {_name_of(status - 128)}"
            others = "" if len(self.ranks) == 1 else "; the others were stopped"
            self.say(f"error: {process.name} failed with {how}{others}; see {process.log}")
            if process is not self.ranks[0]:
                for line in telling_lines(process.log):
                    self.say(f"  {process.name} | {line}")

    def _await_port(self) -> None:
        end = time.monotonic() + _PORT_SECONDS
        while self.port is not None and not is_free(self.port):
            if time.monotonic() > end:
                self.say(f"warning: port {self.port} is still in use")
                return
            time.sleep(_POLL_SECONDS)


def is_free(port: int) -> bool:
    """Whether a server could listen on a port of this machine."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("", port))
        except OSError:
            return False
    return True


def telling_lines(log: Path) -> list[str]:
    """Lines of a log that say why a process failed: the line of a refusal, else the last traceback, else the end."""
    try:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        return []
    refusals = [line for line in lines if line.startswith("error: ")]
    if refusals:
        return refusals[-1:]
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        return lines[-_MOST_LINES:]
    start = starts[-1]
    inside = range(start + 1, len(lines))
    end = next((i for i in inside if not lines[i].startswith(" ")), len(lines) - 1)
    return lines[max(start, end - _MOST_LINES) : end + 1]


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _die_with_parent() -> Callable[[], None]:
    """Even where this process is killed and can stop nothing, none of its children goes on (Linux' prctl)."""
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return ask
