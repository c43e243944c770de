"""Beam search: the K most likely sequences so far are continued together.

running   a b       K sequences, log-probabilities summed
next      2K best continuations of all -> the K best that do not end run on; those of the first K that end are done
done      the K best by log-probability / length^penalty; the search ends when no running one can beat them
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mindformers.generation.options import GenerationOptions
from mindformers.generation.requests import Answer, Piece
from mindformers.generation.sampling import RowSampler
from mindformers.generation.stopping import StopTexts


@dataclass
class Beam:
    """A sequence that may be continued: its tokens, summed log-probability (nats) and what restricts it."""

    ids: list[int]
    score: float
    sampler: RowSampler


@dataclass(frozen=True)
class Candidate:
    """A continuation: the number of the beam, the token, the summed log-probability (nats), the answer if it ends."""

    source: int
    token: int
    score: float
    answer: Answer | None = None


def search_beams(slots: Any, engine: Any, prompt: list[int], options: GenerationOptions) -> list[Answer]:
    """The `num_return_sequences` best answers to one prompt, best first.

    Args:
        slots: as many as beams.
        engine: knows the configuration and the constraints.
        prompt: its tokens.
        options: `num_beams`, `length_penalty` and the limits.
    """
    limit = min(options.max_new_tokens, engine.config.seq_length - len(prompt))
    search = _Search(options, engine.config.eos_token_id, limit, StopTexts(options.stop, engine.tokenizer))
    first = RowSampler(options, prompt, search.eos, state=engine.constrained(options, limit))
    logits = np.repeat(slots.take([Piece(0, prompt, 0)]), options.num_beams, axis=0)
    slots.rearrange([0] * options.num_beams, len(prompt))
    beams = [Beam([], 0.0, first)]
    while True:
        kept = search.advance(beams, logits)
        if not kept:
            return search.best(options.num_return_sequences)
        sources = [candidate.source for candidate in kept]
        beams = [_continued(beams[candidate.source], candidate) for candidate in kept]
        position = len(prompt) + len(beams[0].ids) - 1
        slots.rearrange(sources + [0] * (options.num_beams - len(beams)), position)
        logits = slots.take([Piece(slot, beam.ids[-1:], position) for slot, beam in enumerate(beams)])


def _continued(beam: Beam, candidate: Candidate) -> Beam:
    sampler = beam.sampler.copy()
    sampler.take(candidate.token)
    return Beam([*beam.ids, candidate.token], candidate.score, sampler)


class _Search:
    """What is finished, and what may still become better."""

    def __init__(self, options: GenerationOptions, eos: int, limit: int, stop_texts: StopTexts) -> None:
        self.options, self.eos, self.limit, self.width = options, eos, limit, options.num_beams
        self.stop_texts = stop_texts
        self.done: list[tuple[float, Answer]] = []

    def advance(self, beams: list[Beam], logits: np.ndarray) -> list[Candidate]:
        """Rank all continuations of beams with logits [K, V]. Returns those that run on; none when the search ends."""
        candidates = self._candidates(beams, logits)
        length = len(beams[0].ids) + 1
        is_last = length == self.limit
        for candidate in candidates[: self.width]:
            if candidate.answer is not None:
                self._finish(candidate, length)
        running = [candidate for candidate in candidates if candidate.answer is None][: self.width]
        if is_last or not running or not self._can_improve(running[0].score, length):
            return []
        return running

    def best(self, count: int) -> list[Answer]:
        """The best finished answers."""
        return [answer for _, answer in self.done[:count]]

    def _candidates(self, beams: list[Beam], logits: np.ndarray) -> list[Candidate]:
        budget = self.limit - len(beams[0].ids)
        rows = [
            beam.score + beam.sampler.adjusted(_log_softmax(row), budget)
            for beam, row in zip(beams, logits, strict=False)
        ]
        scores = np.stack(rows).reshape(-1)
        count = min(2 * self.width, int(np.isfinite(scores).sum()))
        best = np.argpartition(-scores, count - 1)[:count] if count < scores.size else np.arange(scores.size)
        best = best[np.lexsort((best, -scores[best]))]
        sources, tokens = np.divmod(best, logits.shape[1])
        return [
            Candidate(int(s), int(t), float(scores[b]), self._answer(beams[s], int(t), float(scores[b])))
            for s, t, b in zip(sources, tokens, best, strict=True)
        ]

    def _answer(self, beam: Beam, token: int, score: float) -> Answer | None:
        """The answer that a token ends; None where it goes on."""
        ids = [*beam.ids, token]
        if token == self.eos:
            return Answer(list(beam.ids), score, "eos")
        if self.options.stop and (kept := self.stop_texts.cut(ids)) is not None:
            return Answer(kept, score, "stop")
        return Answer(ids, score, "length") if len(ids) == self.limit else None

    def _finish(self, candidate: Candidate, length: int) -> None:
        self.done.append((candidate.score / length**self.options.length_penalty, candidate.answer))
        self.done.sort(key=lambda pair: -pair[0])
        del self.done[self.width :]

    def _can_improve(self, best_running: float, length: int) -> bool:
        if len(self.done) < self.width:
            return True
        return best_running / length**self.options.length_penalty > self.done[-1][0]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float32) - logits.max()
    return shifted - np.log(np.exp(shifted).sum())
