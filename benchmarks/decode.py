"""Decoding beside Hugging Face's `generate`: same shapes, float32, greedy, prompts and answers of the same length.

    python -m benchmarks.decode [--json F] [--sizes 10m,60m,500m] [--batches 1,8,32] [--patient]

Each side runs in a process of its own, as its users run it, and they take turns. What is timed is a step behind the
prompt: a token of every row in, the next one chosen; the ratio is that of the steps per second.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from benchmarks.timing import Timing, machine, save, table
from mindformers.kernels.decode import native_decode, native_greedy
from mindformers.modalities import MODALITIES
from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.models.llama.llama_config import LlamaConfig

PROMPT, NEW, EXPERTS, TOP_K = 64, 64, 16, 2
SHAPES = {
    "10m": {"hidden_size": 256, "num_layers": 8, "num_heads": 4, "intermediate_size": 704, "vocab_size": 8192},
    "60m": {"hidden_size": 512, "num_layers": 8, "num_heads": 8, "intermediate_size": 1408, "vocab_size": 32098},
    "500m": {"hidden_size": 1280, "num_layers": 20, "num_heads": 20, "intermediate_size": 3456, "vocab_size": 32098},
}
GOALS = {("10m", 1): 2.5, ("60m", 1): 2.2, ("60m", 8): 2.0, ("60m", 32): 2.0, ("500m", 1): 2.0}
ROUTED_SIZE, ROUTED_GOAL = "60m", 3.0
PEER, NATIVE, LOOP = "Hugging Face generate", "native step", "native loop"
ROUTED = f"native step, learned top {TOP_K} of {EXPERTS}, molecules"


@dataclass
class Step:
    """One form of our network, whose caches hold a prompt of every row.

    Args:
        decode: a step of all rows.
        logits: float32 [B, V], behind the prompts.
        first_id, last_id: the tokens to choose from.
    """

    decode: nn.Cell
    logits: np.ndarray
    first_id: int
    last_id: int

    def seconds(self) -> float:
        """Of the steps behind the prompts."""
        start = time.perf_counter()
        self.go_on(self.logits)
        return time.perf_counter() - start

    def go_on(self, logits: np.ndarray) -> None:
        """All steps behind the prompts."""
        for position in range(PROMPT, PROMPT + NEW - 1):
            logits = self.decode(Tensor(self.chosen(logits)), positions_of(logits, position)).asnumpy()
        self.chosen(logits)

    def chosen(self, logits: np.ndarray) -> np.ndarray:
        """The most likely of the allowed tokens of every row, int32 [B]."""
        return (logits[:, self.first_id : self.last_id + 1].argmax(-1) + self.first_id).astype(np.int32)


class Loop(Step):
    """`decode` takes all steps in one call."""

    def go_on(self, logits: np.ndarray) -> None:
        self.decode(Tensor(self.chosen(logits)), positions_of(logits, PROMPT)).asnumpy()


def positions_of(rows: np.ndarray, position: int) -> Tensor:
    """The same one for all rows, int32 [B]."""
    return Tensor(np.full(len(rows), position, np.int32))


class Peer:
    """The other side, in a process of its own.

    Args:
        is_patient: its idle threads sleep, as ours do; else they spin as OpenMP's default has it, which is faster on
            an idle machine and several times slower beside other jobs.
    """

    def __init__(self, is_patient: bool) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        if is_patient:
            environment["OMP_WAIT_POLICY"] = "passive"
        command = [sys.executable, "-m", "benchmarks.decode_peer"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        root = Path(__file__).resolve().parents[1]
        self.process = subprocess.Popen(command, text=True, env=environment, cwd=root, **pipes)

    def ask(self, **request: Any) -> float:
        """The answer to a request of `decode_peer`."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("Hugging Face's side has ended: see its message above")
        return json.loads(answer)

    def build(self, config: LlamaConfig) -> int:
        """A random network of the same shapes; returns its number of parameters."""
        settings = {
            "hidden_size": config.hidden_size,
            "intermediate_size": config.ffn_size,
            "num_hidden_layers": config.num_layers,
            "num_attention_heads": config.num_heads,
            "num_key_value_heads": config.num_kv_heads,
            "vocab_size": config.vocab_size,
            "max_position_embeddings": config.seq_length,
            "rms_norm_eps": config.rms_norm_eps,
        }
        return int(self.ask(build=settings))

    def seconds(self, batch: int) -> float:
        """Of the steps behind a prompt."""
        return self.ask(batch=batch, prompt=PROMPT, new=NEW)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def config_of(size: str, routing: str = "none") -> LlamaConfig:
    """A network of about that size."""
    experts = None
    if routing != "none":
        experts = {"num_experts": EXPERTS, "routing": routing, "top_k": {"molecule": TOP_K}}
    return LlamaConfig(seq_length=PROMPT + NEW, compute_dtype="float32", experts=experts, **SHAPES[size])


def network_of(config: LlamaConfig) -> LlamaForCausalLM:
    """Random weights, those of the routers too."""
    net = LlamaForCausalLM(config)
    rng = np.random.default_rng(0)
    for parameter in net.get_parameters():
        if "router" in parameter.name:
            parameter.set_data(Tensor(rng.standard_normal(parameter.shape).astype(np.float32)))
    return net.set_train(False)


def native_steps(net: LlamaForCausalLM, batch: int) -> tuple[Step, Loop]:
    """The network's native step and the loop of such steps, over the same caches with a random prompt."""
    caches = [(cache.keys, cache.values) for cache in net.new_caches(batch, PROMPT + NEW)]
    weights, config = net.decode_weights(), net.config
    step, loop = native_decode(weights, caches), native_greedy(weights, caches, NEW - 1, None)
    if step is None or loop is None:
        raise SystemExit("the native kernels are not available: nothing to measure")
    molecule = [row.name for row in MODALITIES].index("molecule")
    ids = np.flatnonzero(config.modality_table() == molecule) if config.is_routed else (0, config.vocab_size - 1)
    first_id, last_id = int(ids[0]), int(ids[-1])
    prompts = np.random.default_rng(0).integers(first_id, last_id + 1, (PROMPT, batch)).astype(np.int32)
    # Token by token: what a graph needs for 32 whole prompts is more memory than the largest network.
    for position, tokens in enumerate(prompts):
        logits = step(Tensor(tokens), positions_of(tokens, position)).asnumpy()
    return Step(step, logits, first_id, last_id), Loop(loop, logits, first_id, last_id)


def measure(
    group: str, peer: Peer, cases: dict[str, Step], batch: int, goals: dict[str, float], seconds: float
) -> list[Timing]:
    """Take turns until the time is over, at least three times; the first turn warms up."""
    rounds: list[list[float]] = []
    end = None
    while end is None or len(rounds) < 3 or time.perf_counter() < end:
        times = [peer.seconds(batch), *(step.seconds() for step in cases.values())]
        if end is None:
            end = time.perf_counter() + seconds
        else:
            rounds.append([1e3 * t / (NEW - 1) for t in times])
    return [
        Timing(
            group,
            name,
            milliseconds=statistics.median(times[i] for times in rounds),
            fastest=min(times[i] for times in rounds),
            ratio=statistics.median(times[0] / times[i] for times in rounds),
            goal=goals.get(name),
        )
        for i, name in enumerate([PEER, *cases])
    ]


def measure_size(size: str, batches: list[int], seconds: float, is_patient: bool) -> list[Timing]:
    """All batches of a size."""
    config = config_of(size)
    peer = Peer(is_patient)
    try:
        count = peer.build(config)
        if count != config.count_parameters():
            raise SystemExit(f"{size}: {count} parameters of the peer's network, {config.count_parameters()} of ours")
        nets = {NATIVE: network_of(config)}
        if size == ROUTED_SIZE:
            nets[ROUTED] = network_of(config_of(size, "learned"))
        timings = []
        for batch in batches:
            goals = {NATIVE: GOALS[size, batch]} if (size, batch) in GOALS else {}
            if batch == 1:
                goals[ROUTED] = ROUTED_GOAL
            cases = cases_of(nets, batch)
            timings += measure(f"{count / 1e6:.1f}M, batch {batch}", peer, cases, batch, goals, seconds)
            print(table(timings[-len(cases) - 1 :]), flush=True)
        return timings
    finally:
        peer.close()


def cases_of(nets: dict[str, LlamaForCausalLM], batch: int) -> dict[str, Step]:
    """The forms to compare. The loop chooses from all tokens, so it has no case with molecules."""
    steps = {name: native_steps(net, batch) for name, net in nets.items()}
    return {name: step for name, (step, _) in steps.items()} | {LOOP: steps[NATIVE][1]}


def main() -> None:
    """Measure, print every case as it is done, and save the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="F", help="also write the figures to this file")
    parser.add_argument("--sizes", default=",".join(SHAPES), help="some of " + ", ".join(SHAPES))
    parser.add_argument("--batches", default="1,8,32", help="rows at once")
    parser.add_argument("--seconds", type=float, default=15.0, help="time for each of the comparisons")
    parser.add_argument("--patient", action="store_true", help="for a busy machine: the peer's idle threads sleep")
    arguments = parser.parse_args()
    ms.set_context(mode=ms.GRAPH_MODE)
    print(f"prompts of {PROMPT} tokens, {NEW} new ones, milliseconds per step; {machine()}\n")
    timings = []
    for size in arguments.sizes.split(","):
        batches = [int(batch) for batch in arguments.batches.split(",")]
        timings += measure_size(size, batches, arguments.seconds, arguments.patient)
    if arguments.json:
        save(arguments.json, timings)


if __name__ == "__main__":
    main()
