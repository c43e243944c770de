"""One process of a run on several devices: does the recipes it is given, one after the other."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mindformers.parallel.device import device_num, rank
from mindformers.trainer.training import Training
from tests.parallel.runs import work


def main(recipes: list[str]) -> None:
    counted: list[int] = []
    build = Training.__init__

    def build_and_count(self: Training, *given: object, **named: object) -> None:
        build(self, *given, **named)
        counted.append(sum(p.nbytes for p in self.optimizer_state()))

    Training.__init__ = build_and_count
    for path in recipes:
        work(Path(path))
    Path(f"state_bytes_{device_num()}_{rank()}.json").write_text(json.dumps(counted), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
