"""Prompts to answers, as they come, onto the screen or into a file; nothing is kept of those that are written."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from mindformers.dataset.prompt import PROBABILITY_COLUMN, Prompt
from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.choices import first_choice_share, shared_beginning
from mindformers.generation.requests import Answer, check_prompt
from mindformers.parallel.mesh import ALONE, Mesh
from mindformers.tools.progress import Progress
from mindformers.trainer.answering_together import Row, rows_together
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
    mesh: Mesh = ALONE,
) -> Iterator[list[str]]:
    """Answer prompts in order.

    Args:
        engine, tokenizer: what answers.
        prompts: what is asked.
        known: what `survey` says of them.
        options: how tokens are chosen.
        batch_size: prompts that are decoded together.
        file: where answers go, on the first device; those it already has are not asked again. None prints them.
        mesh: the devices that share the prompts, each with all of the network.

    Yields:
        The answers to a prompt of this run, of all devices, once they are written.
    """
    start = int(mesh.sum_over_data(np.asarray([file.num_done if file else 0]))[0])
    left, following = max(known.count - start, 0), islice(prompts, start, None)

    def answer(some: Iterable[Prompt], first: int, count: int) -> Iterator[Row]:
        taken, num_requests = _Taken(engine, tokenizer, known.longest), count * options.num_return_sequences
        slots = max(min(batch_size, num_requests), 1)
        for number, answers in engine.answers_in_turn(taken.ids_of(some), options, known.longest, slots, first):
            yield taken.columns_of(number), _cells(tokenizer, answers, options)

    if mesh.size > 1:
        rows = rows_together(answer, following, start, batch_size, mesh)
    else:
        rows = answer(following, start, left)
    with Progress("predicting", left, "prompts") as progress:
        for columns, cells in rows:
            if mesh.is_first:
                _put(columns, cells, file)
            progress.update()
            yield [text for text, *_ in cells]
    if file is not None:
        file.sync()


def _cells(tokenizer: Any, answers: Iterable[Answer], options: GenerationOptions) -> list[list[str]]:
    """What is written of each answer to a prompt: its text, and its log probability where asked."""
    cells = [[tokenizer.decode(answer.ids, skip_special_tokens=True).strip()] for answer in answers]
    if options.is_scored:
        for cell, answer in zip(cells, answers, strict=True):
            cell.append(f"{answer.log_probability:.6f}")
    return cells


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


def _put(columns: dict[str, str], cells: list[list[str]], file: AnswerFile | None) -> None:
    if file is not None:
        file.add([(columns, [cell for row in cells for cell in row])])
        return
    lines = ["\t".join(map(escaped, row)) if len(row) > 1 else row[0] for row in cells]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
