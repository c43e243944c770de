"""Prompts to answers, batch by batch, onto the screen or into a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from mindformers.dataset.prompt import PROBABILITY_COLUMN, Prompt
from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.choices import first_choice_share, shared_beginning
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
        batch_size: prompts that are decoded together, and answers that are written together.
        file: where answers go; those it already has are not asked again. None prints them.

    Returns:
        The answers of this run.

    Raises:
        InputError: a prompt that is empty or longer than the model; no answer has been written then.
    """
    ids = [tokenizer.encode(prompt.text) for prompt in prompts]
    for row, prompt in zip(ids, prompts, strict=True):
        engine.check([*row, *_read_before_choosing(tokenizer, prompt)], prompt.source)
    start = file.num_done if file else 0
    columns_of = partial(_columns, engine, tokenizer, prompts, ids)
    answers: list[str] = []
    ready: list[tuple[dict[str, str], str]] = []
    with Progress("predicting", max(len(prompts) - start, 0), "prompts") as progress:
        for number, found in engine.answers(ids, options, batch_size=batch_size, skip=start):
            text = tokenizer.decode(found[0].ids, skip_special_tokens=True).strip()
            answers.append(text)
            ready.append((columns_of(number), text))
            if len(ready) >= batch_size or number == len(prompts) - 1:
                _put(ready, file)
                ready = []
            progress.update()
    return answers


def _columns(
    engine: Engine, tokenizer: Any, prompts: Sequence[Prompt], ids: Sequence[Sequence[int]], number: int
) -> dict[str, str]:
    """A prompt's own columns, with the probability of the first of its two choices where it has some."""
    prompt = prompts[number]
    if not prompt.choices:
        return prompt.columns
    first, second = _choices(tokenizer, prompt)
    share = first_choice_share(engine, ids[number], first, second, max(map(len, ids)))
    return prompt.columns | {PROBABILITY_COLUMN: f"{share:.9g}"}


def _choices(tokenizer: Any, prompt: Prompt) -> list[list[int]]:
    return [tokenizer.encode(choice, is_continuation=True) for choice in prompt.choices]


def _read_before_choosing(tokenizer: Any, prompt: Prompt) -> list[int]:
    return shared_beginning(*_choices(tokenizer, prompt)) if prompt.choices else []


def _put(ready: list[tuple[dict[str, str], str]], file: AnswerFile | None) -> None:
    if file is None:
        sys.stdout.write("".join(f"{text}\n" for _, text in ready))
        sys.stdout.flush()
        return
    file.add(ready)
