"""`python -m mindformers.launch standalone|distribute|msrun WORDS`: see the scripts of these names for the words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from mindformers.launch.jobs import Job, distribute, msrun, standalone
from mindformers.launch.supervisor import Supervisor
from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_OK, InputError, unknown_name

_LAUNCHERS = {"standalone": standalone, "distribute": distribute, "msrun": msrun}


def main(argv: Sequence[str]) -> int:
    """Start a run. Returns its exit status, or 2 where the words cannot be used."""
    try:
        kind, *words = argv or [""]
        if kind not in _LAUNCHERS:
            raise unknown_name("launcher", kind, _LAUNCHERS)
        job = _LAUNCHERS[kind](words)
        _make_log_folders(job)
    except InputError as error:
        _say(f"error: {error.line()}")
        return EXIT_BAD_INPUT
    if not job.joins:
        return _in_background(job, words)
    logs = f"{job.ranks[0].log}" + (f" to {job.ranks[-1].log}" if len(job.ranks) > 1 else "")
    _say(f"starting {len(job.ranks)} process{'es' if len(job.ranks) > 1 else ''}; logs: {logs}")
    return Supervisor(job.ranks, job.scheduler, job.port, _say).run()


def _make_log_folders(job: Job) -> None:
    for process in job.ranks:
        try:
            process.log.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            got = f"'{process.log.parent}' cannot be made ({error.strerror})"
            raise InputError("log folder", got, "a folder to write to", "choose another") from error


def _in_background(job: Job, words: Sequence[str]) -> int:
    """The same command once more, waiting there for the end."""
    log = job.log_dir / "launcher.log"
    joined = ["True" if word == "False" else word for word in words]
    command = [sys.executable, "-m", "mindformers.launch", "msrun", *joined]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    _say(f"started in the background; 'kill {process.pid}' stops it; log: {log}")
    return EXIT_OK


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
