"""Adds up the numbers of all ranks, step by step; with `fail` rank 1 fails on its way, and the others wait for it."""

from __future__ import annotations

import sys

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from mindspore.communication import get_rank, init


def main(steps: int, how: str = "") -> None:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    ms.set_device("CPU")
    init()
    add = ops.AllReduce()
    for step in range(steps):
        total = add(Tensor(np.asarray([get_rank() + 1.0], np.float32))).asnumpy()[0]
        if how == "fail" and get_rank() == 1 and step == 3:
            raise ValueError("rank one is broken")
    sys.stdout.write(f"total {total}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
