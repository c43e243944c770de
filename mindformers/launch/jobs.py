"""What the three launchers start: processes with their variables, from words that are checked first."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mindformers.config import RUN_MODES, Recipe, load_recipe, parse_arguments
from mindformers.launch.cluster import BUILDING_SECONDS, DEFAULT_PORT, LOCAL_HOST, Cluster, cleared
from mindformers.launch.rank_table import ranks_here, read_rank_table
from mindformers.launch.supervisor import Process
from mindformers.tools.errors import InputError, unknown_name
from mindformers.tools.logging import log_folder

ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = "run_mindformer.py"
_LOG = "mindformer.log"
_MODES = tuple(mode for mode in RUN_MODES if mode != "chat")  # which needs a terminal


@dataclass(frozen=True)
class Job:
    """The processes of a run on this machine.

    Args:
        ranks: those that do the work.
        scheduler: where they meet; None where a rank table tells, there is one rank, or it runs elsewhere.
        port: the scheduler's.
        joins: whether the command waits for the end.
        log_dir: where the command's own lines go where it does not wait.
    """

    ranks: list[Process]
    scheduler: Process | None = None
    port: int | None = None
    joins: bool = True
    log_dir: Path = Path()


def standalone(words: Sequence[str]) -> Job:
    """`CONFIG DEVICE_ID RUN_MODE [flags]`: one process."""
    words, flags = _split_flags(words)
    if len(words) != 3:
        raise _usage(words, "CONFIG DEVICE_ID RUN_MODE [--flag value ...]", "run_standalone.sh")
    config, device, mode = words
    device_id = str(_whole("DEVICE_ID", device, 0))
    recipe = _recipe(config, mode, flags)
    variables = {**cleared(), "RANK_ID": "0", "RANK_SIZE": "1", "DEVICE_ID": device_id}
    command = _command(config, mode, "False", ["--device_id", device_id, *flags])
    return Job([Process("rank 0", command, variables, log_folder(recipe.output_dir, 0) / _LOG)])


def distribute(words: Sequence[str]) -> Job:
    """`RANK_TABLE_FILE CONFIG [0,8] RUN_MODE [RANK_SIZE] [flags]`: the ranks of this server."""
    words, flags = _split_flags(words)
    if len(words) not in (4, 5):
        usage = "RANK_TABLE_FILE CONFIG '[0,8]' RUN_MODE [RANK_SIZE] [--flag value ...]"
        raise _usage(words, usage, "run_distribute.sh")
    table, config, text, mode = words[:4]
    places = read_rank_table(Path(table))
    ranks = ranks_here(places, text)
    if len(words) == 5 and _whole("RANK_SIZE", words[4], 1) != len(places):
        raise InputError("RANK_SIZE", f"got {words[4]}", f"the {len(places)} ranks of '{table}'", "correct one of them")
    recipe = _recipe(config, mode, flags)
    command = _command(config, mode, "True", flags)
    logs = {rank: log_folder(recipe.output_dir, rank) / _LOG for rank in ranks}
    if recipe.context.device_target == "CPU":  # where no rank table is read; the ranks meet at a scheduler
        cluster = Cluster(len(places), len(ranks), port=_port(os.environ.get("MS_SCHED_PORT") or str(DEFAULT_PORT)))
        if len(ranks) < len(places):
            raise InputError("RANK_TABLE_FILE", "several servers", "one, on a CPU", "use msrun_launcher.sh")
        processes = [Process(f"rank {rank}", command, cluster.variables(rank), logs[rank]) for rank in ranks]
        return Job(
            processes, cluster.scheduler(log_folder(recipe.output_dir, 0).parent / "scheduler.log"), cluster.port
        )
    shared = {"RANK_SIZE": str(len(places)), "RANK_TABLE_FILE": str(Path(table).resolve())}
    return Job(
        [
            Process(
                f"rank {rank}",
                command,
                {**cleared(), **shared, "RANK_ID": str(rank), "DEVICE_ID": str(places[rank].device_id)},
                logs[rank],
            )
            for rank in ranks
        ]
    )


def msrun(words: Sequence[str]) -> Job:
    """`"SCRIPT.py ARGS" [WORKER_NUM ...]` in one of the orders of `_named`."""
    usage = '"SCRIPT.py ARGS" WORKER_NUM [LOCAL_WORKER [PORT [LOG_DIR [JOIN [TIMEOUT]]]]]'
    if not 1 <= len(words) <= 7 and len(words) != 9:
        raise _usage(words, usage, "msrun_launcher.sh")
    named = _named(words[1:])
    workers = _whole("WORKER_NUM", named.get("WORKER_NUM", "8"), 1)
    local = _whole("LOCAL_WORKER", named.get("LOCAL_WORKER", str(workers)), 1)
    node = _whole("NODE_RANK", named.get("NODE_RANK", "0"), 0)
    if local > workers or (node + 1) * local > workers or (local < workers and "NODE_RANK" not in named):
        got = f"{local} of {workers} on machine {node}"
        expected = "all of them, or the nine words with MASTER_ADDR and NODE_RANK for several machines"
        raise InputError("LOCAL_WORKER", got, expected, "see --help")
    cluster = Cluster(
        workers,
        local,
        named.get("MASTER_ADDR", LOCAL_HOST),
        _port(named.get("PORT", str(DEFAULT_PORT))),
        node,
        _whole("TIMEOUT", named.get("TIMEOUT", str(BUILDING_SECONDS)), 1),
    )
    log_dir = Path(named.get("LOG_DIR", "output/msrun_log"))
    command = _script(words[0])
    ranks = range(node * local, (node + 1) * local)
    processes = [Process(f"rank {r}", command, cluster.variables(r), log_dir / f"worker_{r}.log") for r in ranks]
    joins = _truth("JOIN", named.get("JOIN", "True"))
    return Job(processes, cluster.scheduler(log_dir / "scheduler.log"), cluster.port, joins, log_dir)


def _named(words: Sequence[str]) -> dict[str, str]:
    """Ours, MindFormers' for one machine (the port in the second place), or MindFormers' for several."""
    orders = {
        "ours": ("WORKER_NUM", "LOCAL_WORKER", "PORT", "LOG_DIR", "JOIN", "TIMEOUT"),
        "one machine": ("WORKER_NUM", "PORT", "LOG_DIR", "JOIN", "TIMEOUT"),
        "several": ("WORKER_NUM", "LOCAL_WORKER", "MASTER_ADDR", "PORT", "NODE_RANK", "LOG_DIR", "JOIN", "TIMEOUT"),
    }
    is_theirs = len(words) == len(orders["one machine"]) and not words[2].isdigit()
    order = "several" if len(words) == len(orders["several"]) else "one machine" if is_theirs else "ours"
    return dict(zip(orders[order], words, strict=False))


def _recipe(config: str, mode: str, flags: Sequence[str]) -> Recipe:
    if mode not in _MODES:
        raise unknown_name("RUN_MODE", mode, _MODES)
    _, overrides = parse_arguments(["--config", config, "--run_mode", mode, *flags])
    return load_recipe(config, overrides)


def _command(config: str, mode: str, use_parallel: str, flags: Sequence[str]) -> list[str]:
    given = ["--config", config, "--run_mode", mode, "--use_parallel", use_parallel]
    return [sys.executable, str(ROOT / _PROGRAM), *given, *flags]


def _script(order: str) -> list[str]:
    try:
        words = shlex.split(order)
    except ValueError as error:
        raise InputError("script", f"'{order}' cannot be split into words ({error})", "closed quotes") from error
    places = [Path(words[0]), ROOT / words[0]] if words else []
    found = next((place for place in places if place.suffix == ".py" and place.is_file()), None)
    if found is None:
        expected = f'a Python file with its arguments, e.g. "{_PROGRAM} --config RECIPE"'
        raise InputError("script", f"'{words[0] if words else ''}' not found", expected, "put all of it in quotes")
    return [sys.executable, str(found), *words[1:]]


def _split_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words in front of the first `--flag`, and the rest."""
    first = next((i for i, word in enumerate(words) if word.startswith("--")), len(words))
    return list(words[:first]), list(words[first:])


def _whole(name: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise InputError(name, f"got '{text}'", f"a whole number, {least} or more", "see --help")
    return int(text)


def _port(text: str) -> int:
    port = _whole("PORT", text, 1024)
    if port > 65535:
        raise InputError("PORT", f"got {port}", "1024 to 65535", "name another")
    return port


def _truth(name: str, text: str) -> bool:
    if text not in ("True", "False"):
        raise InputError(name, f"got '{text}'", "True or False", "see --help")
    return text == "True"


def _usage(words: Sequence[str], usage: str, script: str) -> InputError:
    return InputError(script, f"got {len(words)} words", usage, f"see bash scripts/{script} --help")
