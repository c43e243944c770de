"""How an answer is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from mindformers.tools.errors import InputError


@dataclass(frozen=True)
class GenerationOptions:
    """Settings of one request.

    Args:
        max_new_tokens: tokens of an answer at the most; fewer where the model's length ends before.
        do_sample: draw from the distribution rather than take the most likely token.
        temperature: logits are divided by it before drawing.
        top_k: draw from the k most likely tokens only; 0 means from all.
        top_p: draw from the smallest set of tokens whose probability reaches p.
        repetition_penalty: logits of tokens that occurred are divided by it (multiplied where negative; Keskar et al.
            2019); 1 changes nothing.
        seed: of the drawing. A prompt's draws depend on the seed and its place in the input only, not on its batch.

    Raises:
        InputError: a value outside its range.
    """

    max_new_tokens: int = 512
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        ranges = {
            "max_new_tokens": (self.max_new_tokens >= 1, "1 or more"),
            "temperature": (self.temperature > 0, "more than 0 (use do_sample False for the most likely answer)"),
            "top_k": (self.top_k >= 0, "0 or more"),
            "top_p": (0 < self.top_p <= 1, "more than 0, at most 1"),
            "repetition_penalty": (self.repetition_penalty > 0, "more than 0"),
        }
        for name, (is_right, expected) in ranges.items():
            if not is_right:
                raise InputError(name, str(getattr(self, name)), expected, "correct the value")
