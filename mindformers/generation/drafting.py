"""Tokens are guessed with weights rounded to bytes, and then checked by one exact step that takes them all in.

guessed   a  b  c  d           four steps over a quarter of the bytes each
checked   a  b  c  x           one exact step, about as long as for a single token: it reads the weights once
answer    a  b  c  x           what the exact logits choose; the next guesses stand behind x

So every token is chosen from exact logits, with the draws of its own place: answers are those without guesses.
"""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.generation.native_slots import NativeSlots
from mindformers.generation.requests import Piece, Running
from mindformers.kernels.decode import NativeDecoder
from mindformers.kernels.decode_draft import RoundedWeights, read_bytes
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
# Weights that are so much larger than the last-level cache come from memory, token by token.
_TIMES_CACHE, _USUAL_CACHE = 2, 32 << 20
_CACHE_SIZE = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")


class Pace:
    """How many tokens to guess, by how many of the last ones were right.

    Args:
        guess_cost, row_cost: of a guess, and of checking it, in exact steps.
    """

    most_rows = 8  # that a step takes in about as fast as one
    tokens_between_trials = 64  # while guesses do not pay
    _first_right, _first_tried, _memory = 1.5, 2.0, 0.93

    def __init__(self, guess_cost: float = 0.28, row_cost: float = 0.02) -> None:
        self.cost = guess_cost + row_cost
        self._right, self._tried = self._first_right, self._first_tried
        self._tokens_without = 0

    def num_guesses(self, num_texts: int) -> int:
        """Of each of so many texts; 0 where none pay."""
        most = self.most_rows // num_texts - 1
        if most < 1:
            return 0
        share = min(self._right / self._tried, 0.98)
        # Right guesses before the first wrong one, and the token that the exact step adds.
        tokens = [(1 - share ** (count + 1)) / (1 - share) for count in range(most + 1)]
        best = int(np.argmax([found / (1 + self.cost * count) for count, found in enumerate(tokens)]))
        return best or int(self._tokens_without >= self.tokens_between_trials)

    def note(self, num_tried: int, num_right: int) -> None:
        """Guesses that were checked: those after the first wrong one do not count."""
        self._tokens_without = 0
        kept = self._memory**num_tried
        self._right, self._tried = kept * self._right + num_right, kept * self._tried + num_tried

    def note_without(self, num_tokens: int) -> None:
        """Tokens of a text that were chosen without guesses."""
        self._tokens_without += num_tokens


class Drafter:
    """Guesses the next tokens of running texts.

    Args:
        decoder: any one over the network's weights; they are rounded when the first guess is wanted.
    """

    def __init__(self, decoder: NativeDecoder) -> None:
        self._decoder, self.pace = decoder, Pace()
        self.num_tried = self.num_right = 0

    @cached_property
    def rounded(self) -> RoundedWeights:
        """The weights in int8."""
        start = time.perf_counter()
        rounded = RoundedWeights(self._decoder.library, self._decoder.weights)
        size, seconds = rounded.num_bytes / 1e6, time.perf_counter() - start
        logger.info("tokens are guessed with a copy of the weights in int8: %.0f MB, made in %.1f s", size, seconds)
        return rounded

    def guess(
        self, slots: NativeSlots, running: dict[int, Running], columns: np.ndarray | None
    ) -> dict[int, list[int]]:
        """Of every slot, what its sampler would choose from nearly right logits; none behind an end."""
        guesses: dict[int, list[int]] = {slot: [] for slot in running}
        samplers = {slot: one.sampler.copy() for slot, one in running.items()}
        for depth in range(self.pace.num_guesses(len(running))):
            pieces = [
                Piece(slot, (guesses[slot] or one.ids)[-1:], one.num_taken + depth)
                for slot, one in running.items()
                if len(guesses[slot]) == depth < one.num_left - 1 and not samplers[slot].has_ended
            ]
            if not pieces:
                break
            for piece, logits in zip(pieces, slots.guess(pieces, columns, self.rounded), strict=True):
                left = running[piece.slot].num_left - depth
                guesses[piece.slot].append(samplers[piece.slot].choose(logits, left, columns is not None))
        return guesses

    def note(self, num_tried: int, num_right: int) -> None:
        """As `Pace.note`."""
        self.pace.note(num_tried, num_right)
        self.num_tried += num_tried
        self.num_right += num_right


def is_drafting(slots: Any, choice: str) -> bool:
    """Whether tokens of these slots, from `new_slots`, shall be guessed: `choice` is as `Engine` has it."""
    if choice == "none" or not isinstance(slots, NativeSlots):
        return False
    return choice == "int8" or read_bytes(slots.decoder.weights) >= _TIMES_CACHE * last_level_cache()


def last_level_cache() -> int:
    """Bytes, as Linux tells them; a usual size elsewhere."""
    try:
        return int(_CACHE_SIZE.read_text().strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        return _USUAL_CACHE
