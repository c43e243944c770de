"""Prompts to answers, as they come, onto the screen or into a file; nothing is kept of those that are written."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mindformers.dataset.prompt import PROBABILITY_COLUMN, Prompt
from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.choices import first_choice_share, shared_beginning
from mindformers.generation.requests import Answer, check_prompt
from mindformers.tools.progress import Progress
from mindformers.trainer.answers import OUTPUT_COLUMN, AnswerFile, escaped

LOG_PROBABILITY_COLUMN = "log_probability"


@dataclass(frozen=True)
class Survey:
    """What is known of all prompts before the first is answered.

    Args:
        count: how many there are.
        longest: tokens of the longest one, with what is read before a choice.
        columns: names of all columns that came with them, in the order of their first appearance.
    """

    count: int
    longest: int
    columns: list[str]


def survey(prompts: Iterable[Prompt], tokenizer: Any, seq_length: int) -> Survey:
    """Go through all prompts once.

    Raises:
        InputError: a prompt that is empty, holds a sequence that cannot be written, or is longer than the model.
    """
    count, longest = 0, 0
    columns: dict[str, None] = {}
    for prompt in prompts:
        ids = [*prompt.ids(tokenizer), *_read_before_choosing(tokenizer, prompt)]
        check_prompt(ids, seq_length, prompt.source)
        count, longest = count + 1, max(longest, len(ids))
        columns |= dict.fromkeys(prompt.columns)
    return Survey(count, longest, list(columns))


def output_columns(options: GenerationOptions) -> list[str]:
    """Names of what is written for each prompt: `output`, and `log_probability` where asked; then `output 2`, ..."""
    names = [OUTPUT_COLUMN, LOG_PROBABILITY_COLUMN] if options.is_scored else [OUTPUT_COLUMN]
    more = range(2, options.num_return_sequences + 1)
    return names + [f"{name} {number}" for number in more for name in names]


def predict_all(
    engine: Engine,
    tokenizer: Any,
    prompts: Iterable[Prompt],
    known: Survey,
    options: GenerationOptions,
    batch_size: int,
    file: AnswerFile | None = None,
) -> Iterator[list[str]]:
    """Answer prompts in order.

    Args:
        engine, tokenizer: what answers.
        prompts: what is asked.
        known: what `survey` says of them.
        options: how tokens are chosen.
        batch_size: prompts that are decoded together.
        file: where answers go; those it already has are not asked again. None prints them.

    Yields:
        The answers to a prompt of this run, once they are written.
    """
    start = file.num_done if file else 0
    left = max(known.count - start, 0)
    taken = _Taken(engine, tokenizer, known.longest)
    rows = taken.ids_of(islice(prompts, start, None))
    with Progress("predicting", left, "prompts") as progress:
        num_slots = max(min(batch_size, left * options.num_return_sequences), 1)
        for number, answers in engine.answers_in_turn(rows, options, known.longest, num_slots, start):
            texts = [tokenizer.decode(answer.ids, skip_special_tokens=True).strip() for answer in answers]
            _put(taken.columns_of(number), texts, answers, options, file)
            progress.update()
            yield texts
    if file is not None:
        file.sync()


class _Taken:
    """Prompts that are being answered, until they are."""

    def __init__(self, engine: Engine, tokenizer: Any, longest: int) -> None:
        self.engine, self.tokenizer, self.longest = engine, tokenizer, longest
        self._rows: dict[int, tuple[Prompt, list[int]]] = {}

    def ids_of(self, prompts: Iterable[Prompt]) -> Iterator[list[int]]:
        """The tokens of each prompt, as they are taken."""
        for number, prompt in enumerate(prompts):
            self._rows[number] = prompt, prompt.ids(self.tokenizer)
            yield self._rows[number][1]

    def columns_of(self, number: int) -> dict[str, str]:
        """A prompt's own columns, with the probability of the first of its two choices where it has some."""
        prompt, ids = self._rows.pop(number)
        if not prompt.choices:
            return prompt.columns
        first, second = _choices(self.tokenizer, prompt)
        share = first_choice_share(self.engine, ids, first, second, self.longest)
        return prompt.columns | {PROBABILITY_COLUMN: f"{share:.9g}"}


def _choices(tokenizer: Any, prompt: Prompt) -> list[list[int]]:
    return [tokenizer.encode(choice, is_continuation=True) for choice in prompt.choices]


def _read_before_choosing(tokenizer: Any, prompt: Prompt) -> list[int]:
    return shared_beginning(*_choices(tokenizer, prompt)) if prompt.choices else []


def _put(
    columns: dict[str, str],
    texts: list[str],
    answers: list[Answer],
    options: GenerationOptions,
    file: AnswerFile | None,
) -> None:
    if not options.is_scored:
        cells = [[text] for text in texts]
    else:
        cells = [[text, f"{answer.log_probability:.6f}"] for text, answer in zip(texts, answers, strict=True)]
    if file is not None:
        file.add([(columns, [cell for row in cells for cell in row])])
        return
    lines = ["\t".join(map(escaped, row)) for row in cells] if options.is_scored else texts
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
