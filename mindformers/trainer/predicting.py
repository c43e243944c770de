"""Prompts to answers, batch by batch, onto the screen or into a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from mindformers.dataset.prompts import Prompt
from mindformers.generation import Engine, GenerationOptions
from mindformers.tools.progress import Progress
from mindformers.trainer.answers import AnswerFile


def predict_all(
    engine: Engine,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    options: GenerationOptions,
    batch_size: int,
    file: AnswerFile | None = None,
) -> list[str]:
    """Answer prompts in order.

    Args:
        engine, tokenizer: what answers.
        prompts: what is asked; all are checked before the first is answered.
        options: how tokens are chosen.
        batch_size: prompts at once.
        file: where answers go; those it already has are not asked again. None prints them.

    Returns:
        The answers of this run.

    Raises:
        InputError: a prompt that is empty or longer than the model; no answer has been written then.
    """
    ids = [tokenizer.encode(prompt.text) for prompt in prompts]
    for row, prompt in zip(ids, prompts, strict=True):
        engine.check(row, prompt.source)
    start = file.num_done if file else 0
    answers: list[str] = []
    with Progress("predicting", max(len(prompts) - start, 0), "prompts") as progress:
        for places in _batches(start, len(prompts), batch_size):
            found = engine.generate([ids[i] for i in places], options, places.start, min(batch_size, len(prompts)))
            texts = [tokenizer.decode(row, skip_special_tokens=True).strip() for row in found]
            _put([prompts[i] for i in places], texts, file)
            answers += texts
            progress.update(len(places))
    return answers


def _batches(start: int, stop: int, size: int) -> Iterator[range]:
    for first in range(start, stop, size):
        yield range(first, min(first + size, stop))


def _put(prompts: Sequence[Prompt], texts: Sequence[str], file: AnswerFile | None) -> None:
    if file is None:
        sys.stdout.write("".join(f"{text}\n" for text in texts))
        sys.stdout.flush()
        return
    file.add([(prompt.columns, text) for prompt, text in zip(prompts, texts, strict=True)])
