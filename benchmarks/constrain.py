"""What `--constrain` costs: one engine, sampling, with and without the constraint, the same number of tokens.

    python -m benchmarks.constrain [--json F] [--sizes tiny,10m,60m] [--batches 1,8] [--seconds 8]

The network has random weights and is told what to write where real molecules are asked for (the next token's logit is
raised), so that both sides draw the same tokens and every answer ends where its molecule does. The molecules of random
weights are much harder than real ones: rings in rings, most of them aromatic, up to the last token that is left. The
answers of both sides have the same lengths. The ratio is the speed that is left. It is above 1 where the constraint
saves more than it costs: only logits of tokens that it can allow are computed, and drawn from.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np

from benchmarks.decode import SHAPES
from benchmarks.timing import Timing, compare, machine, save, table
from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.requests import Answer, Piece, Request
from mindformers.modalities import ModalityVocabulary
from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.models.llama.llama_config import LlamaConfig

TINY = {"hidden_size": 256, "num_layers": 4, "num_heads": 4, "intermediate_size": 704, "vocab_size": 2048}
SIZES = {"tiny": TINY, **SHAPES}
GOAL, SIZES_WITH_GOAL = 0.7, ("10m", "60m")
PROMPT, LENGTH, OWN_TOKENS, TIGHT = 8, 256, 64, 10
PROMPTS_PER_SLOT, FEWEST_PROMPTS = 2, 8
PLAIN = "sampled freely"
EOS, BLANK, RAISED = 2, 3, 100.0
MOLECULES = Path(__file__).resolve().parents[1] / "LPM-24-data/smiles2text_generate/LPM-24_smiles2text_test.tsv"


class Letters:
    """The part of a tokenizer that a constraint asks for.

    Args:
        vocab_size: the modalities' tokens are the last of these.
    """

    def __init__(self, vocab_size: int) -> None:
        self.modality_vocabulary = ModalityVocabulary(vocab_size - len(ModalityVocabulary(0)))
        self.eos_token_id, self._vocab_size = EOS, vocab_size

    def __len__(self) -> int:
        return self._vocab_size

    def encode(self, text: str, **_: Any) -> list[int]:
        """Of a blank only."""
        return [BLANK]


class Led:
    """Slots whose logits say what comes next.

    Args:
        slots: those of the engine.
        scripts: first token of a prompt -> the tokens behind it; None lets the network choose, but not end.
    """

    def __init__(self, slots: Any, scripts: dict[int, list[int] | None]) -> None:
        self.slots, self.scripts, self.num_slots = slots, scripts, slots.num_slots
        self.most_prompt_tokens = slots.most_prompt_tokens
        self._script: dict[int, list[int] | None] = {}

    def take(self, pieces: Sequence[Piece], columns: np.ndarray | None = None) -> np.ndarray:
        """As the slots', every row changed at one place."""
        logits = self.slots.take(pieces, columns)
        for row, piece in zip(logits, pieces, strict=True):
            if piece.position == 0:
                self._script[piece.slot] = self.scripts.get(piece.tokens[0])
            script = self._script[piece.slot]
            place = piece.position + len(piece.tokens) - PROMPT
            token = EOS if script is None else script[place]
            row[token if columns is None else np.searchsorted(columns, token)] += -RAISED if script is None else RAISED
        return logits


class Side:
    """One way to answer.

    Args:
        engine, slots: shared by the sides.
        requests: what is asked.
    """

    def __init__(self, engine: Engine, requests: list[Request], slots: Led) -> None:
        self.engine, self.requests, self.slots = engine, requests, slots

    def __call__(self) -> list[Answer]:
        """The answers, in the order of the requests."""
        found = {request.index: answer for request, answer in self.engine.run(self.requests, self.slots)}
        return [found[index] for index in range(len(self.requests))]


def real_molecules(count: int, vocabulary: ModalityVocabulary) -> list[list[int]]:
    """Molecules of the evaluation set as ids, the end behind each."""
    with MOLECULES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    ids = vocabulary.ids["molecule"]
    return [[*(ids[character] for character in row["SMILES"]), EOS] for row in rows[:count]]


@dataclass(frozen=True)
class Case:
    """What is compared.

    Args:
        title: of the molecules or sequences.
        constrain: the constraint.
        scripts: first token of a prompt -> what it is answered; see `Led`.
        limits: for each of them, tokens of its answer at the most.
    """

    title: str
    constrain: str
    scripts: dict[int, list[int] | None]
    limits: list[int]

    def requests(self, vocab_size: int, limits: Sequence[int], constrain: str | None) -> list[Request]:
        """Prompts that begin with the keys of the scripts, to be sampled."""
        rng = np.random.default_rng(0)
        prompts = [[first, *rng.integers(BLANK + 1, vocab_size, PROMPT - 1).tolist()] for first in self.scripts]
        return [
            Request(prompt, GenerationOptions(max_new_tokens=limit, do_sample=True, constrain=constrain), index)
            for index, (prompt, limit) in enumerate(zip(prompts, limits, strict=True))
        ]


def cases_of(count: int, vocabulary: ModalityVocabulary) -> list[Case]:
    """Of so many prompts."""
    keys = range(BLANK + 1, BLANK + 1 + count)
    real, own = dict(zip(keys, real_molecules(count, vocabulary), strict=True)), dict.fromkeys(keys)
    tight = [len(ids) - 1 + TIGHT for ids in real.values()]
    return [
        Case("real molecules", "smiles", real, [LENGTH - PROMPT] * count),
        Case(f"real molecules, room for {TIGHT} tokens more", "smiles", real, tight),
        Case("molecules of random weights", "smiles", own, [OWN_TOKENS] * count),
        Case("proteins of random weights", "protein", own, [OWN_TOKENS] * count),
        Case("DNA of random weights", "dna", own, [OWN_TOKENS] * count),
    ]


def measure(title: str, engine: Engine, slots: Any, case: Case, seconds: float, goal: float | None) -> list[Timing]:
    """Time both sides of a case."""
    led, vocab_size = Led(slots, case.scripts), engine.config.vocab_size
    constrained = Side(engine, case.requests(vocab_size, case.limits, case.constrain), led)
    # A molecule that cannot get longer ends before its limit: what is sampled freely ends there, too.
    limits = [len(answer.ids) + (answer.reason == "eos") for answer in constrained()]
    plain = Side(engine, case.requests(vocab_size, limits, None), led)
    steps = [[len(answer.ids) + (answer.reason == "eos") for answer in side()] for side in (constrained, plain)]
    if steps[0] != steps[1]:
        raise SystemExit(f"{title}: got answers of {steps[0]} and {steps[1]} tokens, expected the same lengths")
    sides, name = {PLAIN: plain, f"--constrain {case.constrain}": constrained}, f"--constrain {case.constrain}"
    return compare(f"{title}, {sum(steps[0])} tokens", sides, {name: goal} if goal else None, seconds)


def engine_of(size: str) -> Engine:
    """With a random network."""
    config = LlamaConfig(**SIZES[size], seq_length=LENGTH, compute_dtype="float32", eos_token_id=EOS)
    return Engine(LlamaForCausalLM(config), tokenizer=Letters(config.vocab_size))


def measure_size(size: str, batches: list[int], seconds: float) -> list[Timing]:
    """All cases of a size."""
    engine, timings = engine_of(size), []
    goal = GOAL if size in SIZES_WITH_GOAL else None
    for batch in batches:
        slots = engine.slots_for(batch, LENGTH)
        count = max(PROMPTS_PER_SLOT * batch, FEWEST_PROMPTS)
        for case in cases_of(count, engine.tokenizer.modality_vocabulary):
            found = measure(f"{size}, batch {batch}, {case.title}", engine, slots, case, seconds, goal)
            print(table(found), end="\n\n", flush=True)
            timings += found
    return timings


def main() -> None:
    """Measure, print every case as it is done, and save the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="F", help="also write the figures to this file")
    parser.add_argument("--sizes", default="tiny,10m,60m", help="some of " + ", ".join(SIZES))
    parser.add_argument("--batches", default="1,8", help="rows at once")
    parser.add_argument("--seconds", type=float, default=8.0, help="time for each of the comparisons")
    arguments = parser.parse_args()
    ms.set_context(mode=ms.GRAPH_MODE)
    print(f"{machine()}\n")
    timings = []
    for size in arguments.sizes.split(","):
        timings += measure_size(size, [int(batch) for batch in arguments.batches.split(",")], arguments.seconds)
    if arguments.json:
        save(arguments.json, timings)


if __name__ == "__main__":
    sys.exit(main())
