"""Ranks that meet at MindSpore's scheduler, and the variables that tell a process its place among them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from mindformers.launch.supervisor import Process, is_free
from mindformers.tools.errors import InputError

LOCAL_HOST, DEFAULT_PORT = "127.0.0.1", 8118
BUILDING_SECONDS = 7200  # how long ranks wait for each other, as in MindFormers
_LAUNCHERS = (
    "RANK_ID",
    "RANK_SIZE",
    "RANK_TABLE_FILE",
    "DEVICE_ID",
    "MS_ROLE",
    "MS_NODE_ID",
    "MS_WORKER_NUM",
    "MS_SCHED_HOST",
    "MS_SCHED_PORT",
    "MS_TOPO_TIMEOUT",
)


@dataclass(frozen=True)
class Cluster:
    """Ranks that meet at a scheduler, as MindSpore's `msrun` starts them."""

    worker_num: int
    local_worker: int
    host: str = LOCAL_HOST
    port: int = DEFAULT_PORT
    node_rank: int = 0
    timeout: int = BUILDING_SECONDS

    def variables(self, rank: int | None) -> dict[str, str | None]:
        """The environment of a rank, or of the scheduler."""
        shared = {
            "MS_WORKER_NUM": str(self.worker_num),
            "MS_SCHED_HOST": self.host,
            "MS_SCHED_PORT": str(self.port),
            "MS_TOPO_TIMEOUT": str(self.timeout),
            "RANK_SIZE": str(self.worker_num),
        }
        if rank is None:
            return {**cleared(), **shared, "MS_ROLE": "MS_SCHED", "RANK_ID": "0"}
        device = str(rank - self.node_rank * self.local_worker)
        own = {"MS_ROLE": "MS_WORKER", "MS_NODE_ID": str(rank), "RANK_ID": str(rank), "DEVICE_ID": device}
        return {**cleared(), **shared, **own}

    def scheduler(self, log: Path) -> Process | None:
        """The process to meet at, on the first machine."""
        if self.node_rank:
            return None
        if not is_free(self.port):
            raise InputError("port", f"{self.port} is in use", "a free port", "wait for that run's end or name another")
        return Process("scheduler", [sys.executable, "-m", "mindformers.launch.scheduler"], self.variables(None), log)


def cleared() -> dict[str, None]:
    """What another launcher may have left in the environment is taken away."""
    return dict.fromkeys(_LAUNCHERS)
