"""Our training step beside Hugging Face's LLaMA with torch: same weights, batches and settings, float32.

    python -m benchmarks.train [--json F] [--sizes 10m,60m] [--seconds 20] [--patient]

A step is gradients, clipping by their global norm and AdamW; each side takes it as its users would, the peer in a
process of its own, and both must find the same losses step by step before they are timed. They take turns, in rounds
of a random order. Beside them: what routing and LoRA change in our own step, and how long its graph takes to compile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import mindspore as ms
import numpy as np

from benchmarks.peer import PeerProcess, hugging_face_settings
from benchmarks.timing import Timing, compare, machine, save, table
from mindformers.core.loss import CausalLoss
from mindformers.core.optimizer import AdamW
from mindformers.kernels.build import has_tiles
from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.models.llama.names import hugging_face_names
from mindformers.pet.adapter import Adapter
from mindformers.pet.lora_config import LoraConfig
from mindformers.tools.number_types import FLOAT_TYPES
from mindformers.tools.weight_files import Outgoing, Stored, write_safetensors
from mindformers.trainer.step import TrainStep

BATCH, LENGTH, MOLECULE_SHARE, EXPERTS = 4, 256, 0.7, 16
SHAPES = {
    "10m": {"hidden_size": 256, "num_layers": 8, "num_heads": 4, "intermediate_size": 704, "vocab_size": 8192},
    "60m": {"hidden_size": 512, "num_layers": 8, "num_heads": 8, "intermediate_size": 1408, "vocab_size": 32098},
}
GOALS, MASKED_GOAL = {"10m": 1.25, "60m": 1.6}, 1 / 1.06
RATE, CLIP = 1e-4, 1.0
ADAM = {"betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
CHECKED_STEPS, TOLERANCE = 3, 1e-3
PEER, OURS = "Hugging Face and torch", "ours"
MASKED, EXACT, LEARNED = "masked, all is computed", "native, exact router", "native, learned router"
LORA, LORA_TARGETS = "LoRA of rank 8", ".*wq|.*wv"
NUM_NEW_TOKENS, NUM_MOLECULE_TOKENS = 98, 66


class OurTraining:
    """Our side.

    Args:
        config: of the network.
        is_native: False computes routed layers by plain operators and a mask.
        lora: what an adapter trains beside the frozen network; None trains everything.
    """

    def __init__(self, config: LlamaConfig, is_native: bool = True, lora: LoraConfig | None = None) -> None:
        self.net = LlamaForCausalLM(config).set_train()
        if not is_native:
            for layer in self.net.model.layers:
                layer.feed_forward.native = None
        if lora is not None:
            Adapter(self.net, lora, config.vocab_size, seed=0)
        beta1, beta2 = ADAM["betas"]
        weights = self.net.trainable_params()
        optimizer = AdamW(weights, beta1, beta2, ADAM["eps"], ADAM["weight_decay"])
        self.step, self.number = TrainStep(CausalLoss(self.net), optimizer, CLIP), 0

    def compile(self, ids: np.ndarray) -> float:
        """Build the graph. Returns the seconds it took."""
        start = time.perf_counter()
        self.step.compile({"input_ids": ids, "labels": ids})
        return time.perf_counter() - start

    def take(self, ids: np.ndarray) -> float:
        """One step. Returns the mean loss in nats."""
        self.number += 1
        return self.step([{"input_ids": ids, "labels": ids}], RATE, 1.0, self.number).loss


class Peer(PeerProcess):
    """The other side, with the same weights.

    Args:
        net: whose weights it begins with.
        ids: int32 [B, S + 1], the batch.
        is_patient: as `PeerProcess`.
    """

    def __init__(self, net: LlamaForCausalLM, ids: np.ndarray, is_patient: bool) -> None:
        super().__init__("benchmarks.train_peer", is_patient)
        with tempfile.TemporaryDirectory() as folder:
            weights = str(Path(folder) / "weights.safetensors")
            write_safetensors(weights, outgoing(net))
            told = {"weights": weights, "ids": ids.tolist(), "rate": RATE, "clip": CLIP, "adam": ADAM}
            self.num_parameters = self.ask(build=hugging_face_settings(net.config), **told)

    def take(self) -> float:
        """One step. Returns the mean loss in nats."""
        return float(self.ask())


def outgoing(net: LlamaForCausalLM) -> list[Outgoing]:
    """The weights under Hugging Face's names."""
    ours = {parameter.name: parameter for parameter in net.get_parameters()}
    return [
        Outgoing(theirs, Stored(FLOAT_TYPES["float32"], ours[name].shape), lambda name=name: [ours[name].asnumpy()])
        for name, theirs in hugging_face_names(net.config).items()
    ]


def config_of(size: str, routing: str = "none") -> LlamaConfig:
    """A network of about that size."""
    experts = None if routing == "none" else {"num_experts": EXPERTS, "routing": routing}
    base = SHAPES[size]["vocab_size"] - NUM_NEW_TOKENS
    return LlamaConfig(
        compute_dtype="float32", seq_length=LENGTH, experts=experts, base_vocab_size=base, **SHAPES[size]
    )


def batch_of(config: LlamaConfig) -> np.ndarray:
    """int32 [B, S + 1], the given share of it molecule tokens."""
    rng = np.random.default_rng(0)
    shape = (BATCH, LENGTH + 1)
    text, molecule = rng.integers(3, config.first_modality_id, shape), config.first_modality_id
    molecules = rng.integers(molecule, molecule + NUM_MOLECULE_TOKENS, shape)
    return np.where(rng.random(shape) < MOLECULE_SHARE, molecules, text).astype(np.int32)


def check_equal(peer: Peer, ours: OurTraining, ids: np.ndarray) -> None:
    """A few steps of both must find the same losses."""
    pairs = [(peer.take(), ours.take(ids)) for _ in range(CHECKED_STEPS)]
    if not np.allclose(*zip(*pairs, strict=True), rtol=TOLERANCE):
        raise SystemExit(f"the sides do not compute the same: losses of theirs and ours {pairs}")


def measure_size(size: str, seconds: float, is_patient: bool) -> list[Timing]:
    """Ours beside the peer; then routing and LoRA beside the plain step."""
    config = config_of(size)
    ids = batch_of(config)
    ours = OurTraining(config)
    peer = Peer(ours.net, ids, is_patient)
    try:
        if peer.num_parameters != config.count_parameters():
            raise SystemExit(f"{size}: the peer's network has {peer.num_parameters} parameters")
        title = f"{peer.num_parameters / 1e6:.1f}M, {BATCH}x{LENGTH} tokens"
        print(f"{title}: our step compiled in {ours.compile(ids):.1f} s", flush=True)
        check_equal(peer, ours, ids)
        cases = {PEER: peer.take, OURS: lambda: ours.take(ids)}
        timings = compare(f"{title}, a step", cases, {OURS: GOALS[size]}, seconds)
    finally:
        peer.close()
    cases = {OURS: lambda: ours.take(ids)} | {
        name: partial(training.take, ids) for name, training in variants(size, config).items()
    }
    return timings + compare(f"{title}, beside the plain step", cases, {MASKED: MASKED_GOAL}, seconds)


def variants(size: str, config: LlamaConfig) -> dict[str, OurTraining]:
    """Our step in other forms."""
    return {
        MASKED: OurTraining(config_of(size, "activation"), is_native=False),
        EXACT: OurTraining(config_of(size, "activation")),
        LEARNED: OurTraining(config_of(size, "learned")),
        LORA: OurTraining(config, lora=LoraConfig(target_modules=LORA_TARGETS)),
    }


def main() -> None:
    """Measure, print every size as it is done, and save the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="F", help="also write the figures to this file")
    parser.add_argument("--sizes", default=",".join(SHAPES), help="some of " + ", ".join(SHAPES))
    parser.add_argument("--seconds", type=float, default=20.0, help="time for each of the comparisons")
    parser.add_argument("--patient", action="store_true", help="for a busy machine: the peer's idle threads sleep")
    arguments = parser.parse_args()
    ms.set_context(mode=ms.GRAPH_MODE)
    products = "the processor's matrix tiles, floats in three parts" if has_tiles() else "oneDNN or vectors"
    print(f"{machine()}; our products by {products}\n")
    timings = []
    for size in arguments.sizes.split(","):
        here = measure_size(size, arguments.seconds, arguments.patient)
        print(f"\n{table(here)}\n", flush=True)
        timings += here
    if arguments.json:
        save(arguments.json, timings)


if __name__ == "__main__":
    main()
