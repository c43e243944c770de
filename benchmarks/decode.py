"""Our engine beside Hugging Face's `generate`: same shapes, float32, greedy, prompts and answers of the same length.

    python -m benchmarks.decode [--json F] [--sizes 10m,60m,500m] [--batches 1,8,32] [--seconds 15] [--patient]

All of it takes about 8 minutes and 6 GB on two idle cores, --sizes 10m,60m some 2 minutes and 2 GB. Where our engine
guesses tokens with weights in int8 before it computes them, its row says so, and the other one is without guesses.

Each side runs in a process of its own, as its users run it, and they take turns. A step is a token of every row in and
the next one chosen, behind the first one; the whole answer has the prompt in it too. The goals are those of the steps.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor

from benchmarks.peer import PeerProcess, hugging_face_settings
from benchmarks.timing import Timing, machine, save, table
from mindformers.generation import Engine, GenerationOptions
from mindformers.modalities import MODALITIES
from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.models.llama.llama_config import LlamaConfig

PROMPT, NEW, EXPERTS, TOP_K, NO_TOKEN = 32, 33, 16, 2, -1
SHAPES = {
    "10m": {"hidden_size": 256, "num_layers": 8, "num_heads": 4, "intermediate_size": 704, "vocab_size": 8192},
    "60m": {"hidden_size": 512, "num_layers": 8, "num_heads": 8, "intermediate_size": 1408, "vocab_size": 32098},
    "500m": {"hidden_size": 1280, "num_layers": 20, "num_heads": 20, "intermediate_size": 3456, "vocab_size": 32098},
}
GOALS, GOAL_OF_BATCHES = {"10m": 2.5, "60m": 2.2, "500m": 2.0}, 2.0
ROUTED_SIZE, ROUTED_GOAL = "60m", 3.0
PEER, OURS, GUESSING = "Hugging Face generate", "engine", "engine, guesses with int8 weights"
ROUTED = f"engine, learned top {TOP_K} of {EXPERTS}, molecules"
# Seconds until the first token of every row, and those of the steps behind it.
Seconds = tuple[float, float]


class Ours:
    """Our side: one engine with a random network.

    Args:
        config: of the network; where it routes, prompts and answers are molecules.
    """

    def __init__(self, config: LlamaConfig) -> None:
        net = LlamaForCausalLM(config)
        ids = np.arange(config.vocab_size)
        if config.is_routed:
            molecule = [row.name for row in MODALITIES].index("molecule")
            ids = np.flatnonzero(config.modality_table() == molecule)
            randomise_routers(net)
            keep_rows(net.lm_head.weight, ids)
        self.ids = set(ids.tolist())
        start = time.perf_counter()
        self.engine = Engine(net)
        self.prepared = time.perf_counter() - start

    def seconds(self, batch: int) -> Seconds:
        """Of a greedy generation."""
        prompts = np.random.default_rng(0).choice(sorted(self.ids), (batch, PROMPT)).tolist()
        first = self._generate(prompts, 1)
        return first, self._generate(prompts, NEW) - first

    def _generate(self, prompts: Sequence[Sequence[int]], new: int) -> float:
        start = time.perf_counter()
        answers = self.engine.generate(prompts, GenerationOptions(max_new_tokens=new))
        seconds = time.perf_counter() - start
        if {len(answer) for answer in answers} != {new}:
            raise RuntimeError(f"engine: got answers of {sorted(map(len, answers))} tokens, expected {new}")
        if not {token for answer in answers for token in answer} <= self.ids:
            raise RuntimeError("engine: got a token of another modality")
        return seconds

    def guesses(self, batch: int) -> bool:
        """Whether it guesses tokens in a batch of this size."""
        self.seconds(batch)
        return self.take_counts() != (0, 0)

    def take_counts(self) -> tuple[int, int]:
        """Tokens guessed since this was asked last, and how many of them were right."""
        drafter = self.engine.drafter
        if drafter is None:
            return 0, 0
        counts = drafter.num_tried, drafter.num_right
        drafter.num_tried = drafter.num_right = 0
        return counts


class WithoutGuesses:
    """The same engine, which guesses nothing."""

    def __init__(self, ours: Ours) -> None:
        self.ours = ours

    def seconds(self, batch: int) -> Seconds:
        """Of a greedy generation."""
        engine = self.ours.engine
        chosen, engine.draft = engine.draft, "none"
        try:
            return self.ours.seconds(batch)
        finally:
            engine.draft = chosen


def randomise_routers(net: LlamaForCausalLM) -> None:
    """So that tokens choose different experts."""
    rng = np.random.default_rng(0)
    for parameter in net.get_parameters():
        if "router" in parameter.name:
            parameter.set_data(Tensor(rng.standard_normal(parameter.shape).astype(np.float32)))


def keep_rows(weight: Any, ids: np.ndarray) -> None:
    """Zero all other rows of a head: of random logits some are above zero, so nothing else is ever chosen."""
    values = np.zeros(weight.shape, np.float32)
    values[ids] = weight.asnumpy()[ids]
    weight.set_data(Tensor(values))


class Peer(PeerProcess):
    """The other side. Args: as `PeerProcess`."""

    def __init__(self, is_patient: bool) -> None:
        super().__init__("benchmarks.decode_peer", is_patient)

    def build(self, config: LlamaConfig) -> int:
        """A random network of the same shapes; returns its number of parameters."""
        return int(self.ask(build=hugging_face_settings(config)))

    def seconds(self, batch: int) -> Seconds:
        """Of a greedy generation."""
        return tuple(self.ask(batch=batch, prompt=PROMPT, new=NEW))


Side = Peer | Ours | WithoutGuesses


def config_of(size: str, routing: str = "none") -> LlamaConfig:
    """A network of about that size, in which no token ends an answer."""
    experts = None
    if routing != "none":
        experts = {"num_experts": EXPERTS, "routing": routing, "top_k": {"molecule": TOP_K}}
    shape = {**SHAPES[size], "seq_length": PROMPT + NEW, "eos_token_id": NO_TOKEN}
    return LlamaConfig(compute_dtype="float32", experts=experts, **shape)


def measure(sides: dict[str, Side], batch: int, seconds: float) -> list[list[Seconds]]:
    """Take turns, in an order of its own each, until the time is over, at least three times; the first one warms up and
    is left out."""
    rounds: list[list[Seconds]] = []
    names, draws = list(sides), random.Random(0)
    end = None
    while end is None or len(rounds) < 3 or time.perf_counter() < end:
        order = draws.sample(names, len(names))
        times = {name: sides[name].seconds(batch) for name in order}
        if end is None:
            end = time.perf_counter() + seconds
        else:
            rounds.append([times[name] for name in names])
    return rounds


def timings_of(group: str, names: Sequence[str], rounds: list[list[float]], goals: dict[str, float]) -> list[Timing]:
    """Medians over rounds of seconds, a row for each side."""
    return [
        Timing(
            group,
            name,
            milliseconds=1e3 * statistics.median(times[i] for times in rounds),
            fastest=1e3 * min(times[i] for times in rounds),
            ratio=statistics.median(times[0] / times[i] for times in rounds),
            goal=goals.get(name),
        )
        for i, name in enumerate(names)
    ]


def measure_size(size: str, batches: list[int], seconds: float, is_patient: bool) -> list[Timing]:
    """All batches of a size."""
    config = config_of(size)
    peer = Peer(is_patient)
    try:
        count = peer.build(config)
        if count != config.count_parameters():
            raise SystemExit(f"{size}: {count} parameters of the peer's network, {config.count_parameters()} of ours")
        ours = Ours(config)
        others = {ROUTED: Ours(config_of(size, "learned"))} if size == ROUTED_SIZE else {}
        print(f"{count / 1e6:.1f}M: nothing compiled, prepared in {ours.prepared:.1f} s\n", flush=True)
        timings = []
        for batch in batches:
            goal = GOALS[size] if batch == 1 else GOAL_OF_BATCHES
            title = f"{count / 1e6:.1f}M, batch {batch}"
            if ours.guesses(batch):
                sides = {PEER: peer, GUESSING: ours, OURS: WithoutGuesses(ours), **others}
                timings += measure_batch(title, batch, sides, {GUESSING: goal, ROUTED: ROUTED_GOAL}, seconds)
                tried, right = ours.take_counts()
                print(f"  {GUESSING}: {tried} tokens guessed, {right / tried:.0%} of them right\n", flush=True)
            else:
                sides = {PEER: peer, OURS: ours, **others}
                timings += measure_batch(title, batch, sides, {OURS: goal, ROUTED: ROUTED_GOAL}, seconds)
        return timings
    finally:
        peer.close()


def measure_batch(
    title: str, batch: int, sides: dict[str, Side], goals: dict[str, float], seconds: float
) -> list[Timing]:
    """Steps and whole answers of all sides; prints the table."""
    rounds = measure(sides, batch, seconds)
    steps = [[times[1] / (NEW - 1) for times in turn] for turn in rounds]
    answers = [[sum(times) for times in turn] for turn in rounds]
    timings = timings_of(f"{title}, a step", list(sides), steps, goals)
    timings += timings_of(f"{title}, the whole answer", list(sides), answers, {})
    print(table(timings), end="\n\n", flush=True)
    return timings


def main() -> None:
    """Measure, print every case as it is done, and save the figures where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", 2)[0] + " " + __doc__.split("\n\n")[2].replace("\n", " ")
    )
    parser.add_argument("--json", metavar="F", help="also write the figures to this file")
    parser.add_argument("--sizes", default=",".join(SHAPES), help="some of " + ", ".join(SHAPES))
    parser.add_argument("--batches", default="1,8,32", help="rows at once")
    parser.add_argument("--seconds", type=float, default=15.0, help="time for each of the comparisons")
    parser.add_argument("--patient", action="store_true", help="for a busy machine: the peer's idle threads sleep")
    arguments = parser.parse_args()
    ms.set_context(mode=ms.GRAPH_MODE)
    print(f"prompts of {PROMPT} tokens, {NEW} new ones; {machine()}\n")
    timings = []
    for size in arguments.sizes.split(","):
        batches = [int(batch) for batch in arguments.batches.split(",")]
        timings += measure_size(size, batches, arguments.seconds, arguments.patient)
    if arguments.json:
        save(arguments.json, timings)


if __name__ == "__main__":
    main()
