"""Continuous batching against static batching, and memory over many prompts.

    python -m benchmarks.batching [--json F] [--size 60m] [--prompts 500] [--slots 8] [--rounds 2] [--memory 0]

Static batching answers a batch and waits for its longest answer; continuous batching gives a slot that becomes free to
the next prompt. Both run the same engine, slots and graphs, one after the other in rounds. `--memory 10000` also
answers so many prompts and prints the resident memory on the way. A batch of which few rows are left is cheap where
the rows are what a step costs, as at 10m; in larger networks reading the weights is.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import mindspore as ms
import numpy as np

from benchmarks.decode import SHAPES
from benchmarks.timing import compare, machine, save, table
from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.requests import Request
from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.models.llama.llama_config import LlamaConfig

LENGTH, GOAL, NO_TOKEN = 512, 1.5, -1
_FEWEST_IDS = min(shape["vocab_size"] for shape in SHAPES.values())


def mixed_requests(count: int, seed: int = 0) -> Iterator[Request]:
    """Prompts of 4 to 200 tokens with answers of 4 to 256 tokens, most of them short and some long."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        prompt = rng.integers(3, _FEWEST_IDS, int(np.clip(rng.lognormal(3.3, 0.8), 4, 200))).tolist()
        answer = int(np.clip(rng.lognormal(3.3, 1.0), 4, 256))
        yield Request(prompt, GenerationOptions(max_new_tokens=answer), index)


def answer_all(engine: Engine, batches: Iterator[list[Request]], slots: object) -> int:
    """Answer batch after batch. Returns the number of tokens."""
    return sum(len(answer.ids) for batch in batches for _, answer in engine.run(batch, slots))


def watch_memory(engine: Engine, slots: object, count: int) -> None:
    """Print the resident memory as prompts are answered."""
    for done, _ in enumerate(engine.run(mixed_requests(count, seed=1), slots), start=1):
        if done in (500, 1000) or done % 2500 == 0 or done == count:
            sys.stdout.write(f"{done:>6} prompts: resident memory {resident_bytes() / 2**20:.0f} MiB\n")
            sys.stdout.flush()


def resident_bytes() -> int:
    """What of this process is in memory now; as Linux counts it."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def main(argv: list[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--size", choices=SHAPES, default="60m", help="of the network (default 60m)")
    parser.add_argument("--prompts", type=int, default=500, help="prompts of very mixed length (default 500)")
    parser.add_argument("--slots", type=int, default=8, help="sequences decoded together (default 8)")
    parser.add_argument("--rounds", type=int, default=2, help="times that both are measured (default 2)")
    parser.add_argument("--memory", type=int, default=0, help="also answer so many prompts and print memory")
    given = parser.parse_args(argv)
    ms.set_context(mode=ms.GRAPH_MODE)
    net = LlamaForCausalLM(
        LlamaConfig(**SHAPES[given.size], seq_length=LENGTH, compute_dtype="float32", eos_token_id=NO_TOKEN)
    )
    engine = Engine(net)
    requests = list(mixed_requests(given.prompts))
    slots = engine.slots_for(given.slots, LENGTH)
    static = [requests[i : i + given.slots] for i in range(0, len(requests), given.slots)]
    cases = {
        "static batching": lambda: answer_all(engine, iter(static), slots),
        "continuous batching": lambda: answer_all(engine, iter([requests]), slots),
    }
    title = f"{given.size}: {given.prompts} prompts of very mixed length, {given.slots} slots"
    answer_all(engine, iter([requests[: given.slots]]), slots)
    timings = compare(title, cases, {"continuous batching": GOAL}, 0.0, given.rounds, warm_up_calls=0)
    sys.stdout.write(f"{machine()}\n{table(timings)}\n")
    if given.json:
        save(given.json, timings)
    if given.memory:
        watch_memory(engine, slots, given.memory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
