"""Saves checkpoint after checkpoint and is killed while it does so: `python -m tests.trainer.saver FOLDER KILLS SEED`.

One process loads MindSpore and holds the weights. For every kill it forks a saver, which saves as fast as it can, waits
a random time, kills it, and loads what is there. The content tells which save it is of: all entries of save n are n.
Prints one line of JSON: how many kills met which moment, and how many saves there were.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from mindspore import Parameter, Tensor, nn

from mindformers.trainer.checkpoint import load_state, load_weights, save_checkpoint
from mindformers.trainer.checkpoint_files import CheckpointName, find_checkpoint, prune

NUM_TENSORS, SIZE = 8, 60_000
LONGEST_WAIT = 0.3  # seconds, some saves


class Weights(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        for i in range(NUM_TENSORS):
            setattr(self, f"w{i}", Parameter(Tensor(np.zeros(SIZE, np.float32)), name=f"w{i}"))


def fill(parameters: list[Parameter], value: int) -> None:
    for parameter in parameters:
        parameter.asnumpy()[:] = value


def save_forever(folder: Path, net: Weights, state: list[Parameter], first: int, keep: int, done: int) -> None:
    """Under a name of its own each, or, where only one is kept, every other time under the name of the last."""
    number = first
    while True:
        fill([*net.get_parameters(), *state], number)
        name = CheckpointName("m", 1, number // 2 if keep == 1 else number)
        save_checkpoint(folder, name, net.get_parameters(), state, {"progress": str(number)})
        prune(folder, "m", keep)
        os.write(done, number.to_bytes(4, "little"))
        number += 1


def found_in(folder: Path, net: Weights, state: list[Parameter]) -> int:
    """The number of the checkpoint that is loaded; all of it must be of one save."""
    fill([*net.get_parameters(), *state], -1)
    path = find_checkpoint(folder, for_training=True)
    number = int(load_state(state, load_weights(net, path))["progress"])
    assert all((parameter.asnumpy() == number).all() for parameter in [*net.get_parameters(), *state]), path
    return number


def kill_once(folder: Path, net: Weights, state: list[Parameter], first: int, keep: int, wait: float) -> int:
    """Returns the last save that was reported as done."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            save_forever(folder, net, state, first, keep, writable)
        finally:
            os._exit(1)
    os.close(writable)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the saver ended by itself"
    with os.fdopen(readable, "rb") as pipe:
        done = pipe.read()
    return int.from_bytes(done[-4:], "little") if done else first - 1


def moment_of(folder: Path) -> str:
    """What the kill left lying about."""
    names = [file.name for file in folder.iterdir()]
    if any(name.endswith(".part") for name in names):
        return "while a state was written" if any(".state." in n and n.endswith(".part") for n in names) else "weights"
    weights = {name.removesuffix(".safetensors") for name in names if ".state." not in name}
    states = {name.split(".state.")[0] for name in names if ".state." in name}
    return "between two files" if states != weights else "otherwise"


def main(folder: Path, kills: int, seed: int) -> None:
    net = Weights()
    state = [Parameter(Tensor(np.zeros(SIZE, np.float32)), name=f"adam_m.w{i}") for i in range(2 * NUM_TENSORS)]
    generator, moments, last = random.Random(seed), Counter(), {1: 0, 3: 0}
    for keep in last:  # before the first save there is nothing to load
        fill([*net.get_parameters(), *state], 0)
        save_checkpoint(folder / str(keep), CheckpointName("m", 1, 0), net.get_parameters(), state, {"progress": "0"})
    for number in range(kills):
        keep = (1, 3)[number % 2]
        place = folder / str(keep)
        done = kill_once(place, net, state, last[keep] + 1, keep, generator.uniform(0, LONGEST_WAIT))
        moments[moment_of(place)] += 1
        last[keep] = found_in(place, net, state)
        assert done <= last[keep] <= done + 1, (done, last[keep])
    sys.stdout.write(json.dumps({"kills": kills, "saves": sum(last.values()), "moments": moments}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
