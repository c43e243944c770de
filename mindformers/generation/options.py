"""How an answer is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from mindformers.tools.errors import InputError


@dataclass(frozen=True)
class GenerationOptions:
    """Settings of one request.

    Args:
        max_new_tokens: tokens of an answer at the most; fewer where the model's length ends before.
        min_new_tokens: tokens before an answer may end.
        do_sample: draw from the distribution rather than take the most likely token.
        temperature: logits are divided by it before drawing.
        top_k: draw from the k most likely tokens only; 0 means from all.
        top_p: draw from the smallest set of tokens whose probability reaches p.
        repetition_penalty: logits of tokens that occurred are divided by it (multiplied where negative; Keskar et al.
            2019); 1 changes nothing.
        stop: texts that end an answer; the answer is cut before them.
        num_beams: width of beam search; 1 is none.
        length_penalty: beams are compared by their log-probability over their length to this power.
        num_return_sequences: answers to each prompt: drawn one by one, or the best beams.
        log_probabilities: say how likely each answer is; always said of several.
        constrain: form that answers must have, e.g. `smiles`; None for any.
        seed: of the drawing. A prompt's draws depend on the seed, its place in the input and the number of the sample
            only, not on its batch.

    Raises:
        InputError: a value outside its range, or two that contradict each other.
    """

    max_new_tokens: int = 512
    min_new_tokens: int = 0
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    num_beams: int = 1
    length_penalty: float = 1.0
    num_return_sequences: int = 1
    log_probabilities: bool = False
    constrain: str | None = None
    seed: int = 0

    @property
    def is_scored(self) -> bool:
        """Whether log-probabilities are asked for."""
        return self.log_probabilities or self.num_return_sequences > 1

    @property
    def is_limited(self) -> bool:
        """Whether draws leave out unlikely tokens."""
        return self.top_k > 0 or self.top_p < 1

    def __post_init__(self) -> None:
        ranges = {
            "max_new_tokens": (self.max_new_tokens >= 1, "1 or more"),
            "min_new_tokens": (0 <= self.min_new_tokens <= self.max_new_tokens, "0 to max_new_tokens"),
            "temperature": (self.temperature > 0, "more than 0 (use do_sample False for the most likely answer)"),
            "top_k": (self.top_k >= 0, "0 or more"),
            "top_p": (0 < self.top_p <= 1, "more than 0, at most 1"),
            "repetition_penalty": (self.repetition_penalty > 0, "more than 0"),
            "num_beams": (self.num_beams >= 1, "1 or more"),
            "length_penalty": (isfinite(self.length_penalty), "a number"),
            "num_return_sequences": (self.num_return_sequences >= 1, "1 or more"),
            "stop": (all(self.stop), "texts that are not empty"),
        }
        for name, (is_right, expected) in ranges.items():
            if not is_right:
                raise InputError(name, str(getattr(self, name)), expected, "correct the value")
        if self.num_beams > 1 and self.do_sample:
            raise InputError("num_beams", "beam search and do_sample", "one of them", "set do_sample False")
        if self.num_return_sequences > 1 and not (self.do_sample or self.num_beams >= self.num_return_sequences):
            what, expected = "num_return_sequences", "do_sample True, or num_beams of at least as many"
            raise InputError(what, str(self.num_return_sequences), expected, "set do_sample True")
