"""How likely one of two answers is, judged by the first token in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from mindformers.generation.engine import Engine
from mindformers.generation.requests import Piece
from mindformers.tools.errors import InputError


def first_choice_share(
    engine: Engine, prompt: Sequence[int], first: Sequence[int], second: Sequence[int], longest: int = 0
) -> float:
    """P(first) / (P(first) + P(second)) for the first token in which two answers differ.

    For `Yes` and `No` this is P(Yes) / (P(Yes) + P(No)) at the first answer token, unless both begin with the same
    piece (as small vocabularies have it), which then counts as part of the prompt.

    Args:
        engine: the network.
        prompt: token ids in front of the answer.
        first, second: token ids of the two answers.
        longest: tokens of the longest prompt that will be asked about, so that all share one slot and its graphs.

    Returns:
        A share between 0 and 1.

    Raises:
        InputError: one answer begins with the whole other one, or the prompt is too long.
    """
    shared = shared_beginning(first, second)
    if len(shared) in (len(first), len(second)):
        raise InputError("choices", "one begins with the other", "two answers that differ", "give other ones")
    context = [*prompt, *shared]
    engine.check(context, "prompt")
    length = max(len(context), longest + len(shared)) + 1
    logits = engine.slots_for(1, length).take([Piece(0, context, 0)])[0].astype(np.float64)
    difference = logits[second[len(shared)]] - logits[first[len(shared)]]
    return float(np.exp(-np.logaddexp(0.0, difference)))


def shared_beginning(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """The tokens with which both answers begin; they are read behind the prompt before the choice is judged."""
    return [token for token, _ in takewhile(lambda both: both[0] == both[1], zip(first, second, strict=False))]
