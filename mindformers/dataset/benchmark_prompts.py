"""Items of ChemLLMBench as prompts, with solved examples in front where there are some.

    zero-shot   human: question + input                                  -> the answer
    few-shot    human: question   gpt: OK.
                human: input 1    gpt: answer 1    ...   human: input    -> the answer        (rounds of the template)

The published files are meant to be asked in just these rounds. A template of one round gets them as one text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mindformers.dataset.example import GPT, HUMAN, BadRow, Turn
from mindformers.dataset.prompt import PROBABILITY_COLUMN, TASK_COLUMN, TRUTH_COLUMN, Prompt
from mindformers.dataset.sources.chemllmbench import BenchmarkItem, read_items
from mindformers.dataset.sources.find_molecules import tag_molecules
from mindformers.dataset.sources.json_rows import JsonRow, json_rows
from mindformers.dataset.templates import Template
from mindformers.tools.errors import InputError
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
INPUT_COLUMN, SHOTS_COLUMN = "input", "shots"
YES_AND_NO = ("Yes", "No")
_AGREED = "OK."  # what the assistant says to the question alone, in the published rounds
Solved = tuple[str, str]


@dataclass(frozen=True)
class Shots:
    """Which solved examples stand in front of an item.

    Args:
        count: how many; None takes all that come with the item, and none from `pool`.
        pool: solved items that an item without examples of its own may use, those of its own task.
        seed: draws `count` of them where there are more.
        fits: whether a prompt is short enough; examples are left out from the last until it is. None: always.
    """

    count: int | None = None
    pool: Sequence[BenchmarkItem] = ()
    seed: int = 0
    fits: Callable[[str], bool] | None = None

    def of(self, item: BenchmarkItem) -> list[Solved]:
        """(input, answer) of the examples for an item, tagged; the drawn ones in the order of the file."""
        own = [(item.fill(shot.given), item.answer_text(shot.answer)) for shot in item.shots]
        found = own or (self._from_pool(item) if self.count else [])
        if self.count is None or len(found) <= self.count:
            return found
        draw = random.Random(f"{self.seed} {item.task} {item.line}")
        return [found[place] for place in sorted(draw.sample(range(len(found)), self.count))]

    def _from_pool(self, item: BenchmarkItem) -> list[Solved]:
        others = (other for other in self.pool if other.task == item.task)
        others = (other for other in others if (other.question, other.given) != (item.question, item.given))
        return [(other.fill(other.given) if other.slot else other.prompt(), other.target) for other in others]


def is_benchmark(path: str | Path) -> bool:
    """Whether a JSON file holds items of ChemLLMBench, judged by its first row."""
    first = next(iter(json_rows(path)), None)
    return isinstance(first, JsonRow) and isinstance(first.value, dict) and {"question", "answer"} <= first.value.keys()


def benchmark_prompts(path: Path, template: Template, shots: Shots, is_told: bool = False) -> Iterator[Prompt]:
    """The prompts of a file, in order; examples that were left out are counted in one warning, unless that `is_told`.

    Yields:
        Prompts with the columns `task`, `input`, `shots` (how many), `ground truth` (a JSON list where there are
        several right answers that are not one), and, empty, `P(Yes)` where the answer is Yes or No.

    Raises:
        InputError: a row is no item.
    """
    shortened = 0
    for item in required_items(path, "predict_data"):
        wanted = shots.of(item)
        text, used = _rendered(item, wanted, template, shots.fits)
        shortened += used < len(wanted)
        columns = {TASK_COLUMN: item.task, INPUT_COLUMN: item.given or item.question, SHOTS_COLUMN: str(used)}
        columns[TRUTH_COLUMN] = truth_cell(item)
        choices: tuple[str, ...] = ()
        if asks_yes_or_no(item):
            columns[PROBABILITY_COLUMN] = ""
            choices = tuple(template.answer(Turn(GPT, answer)) for answer in YES_AND_NO)
        yield Prompt(text, columns, f"{path} line {item.line}", choices)
    if shortened and not is_told:
        logger.warning(
            "%s: %d prompts leave examples out, which would not fit into the model; the column %s counts those used",
            path,
            shortened,
            SHOTS_COLUMN,
        )


def required_items(path: str | Path, what: str) -> Iterator[BenchmarkItem]:
    """The items of a file. Raises InputError at the first row that is none."""
    for item in read_items(path):
        if isinstance(item, BadRow):
            where = f"{what} '{path}' line {item.line}"
            raise InputError(where, item.reason, "an item of ChemLLMBench", "correct the file")
        yield item


def asks_yes_or_no(item: BenchmarkItem) -> bool:
    """Whether Yes and No are the answers."""
    return len(item.answers) == 1 and item.answers[0].strip().lower() in ("yes", "no")


def truth_cell(item: BenchmarkItem) -> str:
    """The right answers in one cell: the reference, or a JSON list of all where more than one is listed."""
    is_one = len(item.answers) == 1 or item.reference != item.answers[0]
    return item.reference if is_one else json.dumps(list(item.answers), ensure_ascii=False)


def _rendered(
    item: BenchmarkItem, solved: Sequence[Solved], template: Template, fits: Callable[[str], bool] | None
) -> tuple[str, int]:
    """The prompt with as many of the examples as fit, and their number."""
    used = len(solved)
    while True:
        text = template.render_prompt(_turns(item, solved[:used], template))
        if used == 0 or fits is None or fits(text):
            return text, used
        used -= 1


def _turns(item: BenchmarkItem, solved: Sequence[Solved], template: Template) -> list[Turn]:
    if not solved:
        return [Turn(HUMAN, item.prompt())]
    question = tag_molecules(item.question).strip()
    asked = item.fill(item.given) if item.slot else item.prompt()
    if template.max_rounds is not None:
        lines = [f"{given} {answer}" for given, answer in solved]
        return [Turn(HUMAN, "\n".join([*([question] if item.slot else []), *lines, asked]))]
    rounds = [(question, _AGREED), *solved] if item.slot else list(solved)
    turns = [Turn(role, text) for pair in rounds for role, text in zip((HUMAN, GPT), pair, strict=True)]
    return [*turns, Turn(HUMAN, asked)]
