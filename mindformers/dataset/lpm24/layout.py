"""The published layout of LPM-24-data, written row by row.

smiles2text/             LPM-24_{train,test}.json                  [{"molecule", "caption", "properties"}, ...]; in test
                                                                   also "withheld_combos" where there are some
                         LPM-24_{train,test}_qa_conversation.json  [{"id", "conversation": [human, gpt]}, ...]
smiles2text_generate/    LPM-24_{test,eval}_generate.txt           a ready prompt a line
                         LPM-24_smiles2text_{test,eval}.tsv        SMILES<TAB>ground truth; eval: SMILES alone
text2smiles/             the same two kinds of file, the other way round
text2smiles_generate/    LPM-24_text2smiles_{test,eval}.tsv        description<TAB>ground truth; eval: description
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mindformers.dataset.example import GPT, HUMAN, Turn
from mindformers.dataset.instructions import CAPTION_INSTRUCTIONS, MOLGEN_INSTRUCTIONS
from mindformers.dataset.lpm24.rows import Row
from mindformers.dataset.stable import chosen
from mindformers.dataset.templates import get_template
from mindformers.tools.files import replaced_file


@dataclass(frozen=True)
class Task:
    """One direction of the data.

    Args:
        name: the folder's name.
        asks_for_caption: whether the molecule is given and its caption asked for, or the reverse.
        instructions: phrases with one slot for what is given; the first is the one of prompts.
    """

    name: str
    asks_for_caption: bool
    instructions: tuple[str, ...]

    def given(self, row: Row) -> str:
        """What the question contains: the SMILES or the description."""
        return row.molecule if self.asks_for_caption else row.caption

    def wanted(self, row: Row) -> str:
        """The right answer, empty where it is not known."""
        return row.caption if self.asks_for_caption else row.molecule

    def header(self, has_answers: bool) -> str:
        """The header of the task's TSV."""
        given = "SMILES" if self.asks_for_caption else "description"
        return f"{given}\tground truth" if has_answers else given


TASKS = (
    Task("smiles2text", True, CAPTION_INSTRUCTIONS),
    Task("text2smiles", False, MOLGEN_INSTRUCTIONS),
)


class LayoutWriter:
    """Writes rows of one or both tasks. Made by `layout_writer`, which puts the files in place at the end."""

    def __init__(self, stack: ExitStack, output: Path, tasks: tuple[Task, ...], seed: int) -> None:
        self.tasks = tasks
        self.paths: list[Path] = []
        self._stack, self._output, self._seed = stack, output, seed
        self._streams: dict[str, IO[str]] = {}
        self._lists: dict[str, int] = {}
        self._template = get_template("vicuna")

    def write(self, row: Row, split: str, withheld: Iterable[Sequence[str]] = (), number: int = 0) -> None:
        """Write a row with molecule and caption to `train` or `test` of every task.

        The first one opens the files of both sides: a source of questions alone leaves older training files alone.

        Args:
            row: the row.
            split: `train` or `test`.
            withheld: the held-out property combinations that put it there.
            number: which of several captions of the molecule, from 0; another one gets another instruction.
        """
        if not self._lists:
            self._open_both_sides()
        flat: dict[str, object] = {"molecule": row.molecule, "caption": row.caption, "properties": list(row.properties)}
        if combos := [list(combo) for combo in withheld]:
            flat["withheld_combos"] = combos
        for task in self.tasks:
            phrase = self._phrase(task, row, number) if split == "train" else task.instructions[0]
            self._append(f"{task.name}/LPM-24_{split}.json", flat)
            self._append(f"{task.name}/LPM-24_{split}_qa_conversation.json", self._talk(task, row, split, phrase))
            if split == "test":
                self._write_prompt(task, row, "test")

    def write_question(self, row: Row) -> None:
        """Write an evaluation row, which has a molecule or a description alone, as a prompt of its task."""
        for task in self.tasks:
            if task.given(row):
                self._open_prompts(task, "eval")
                self._write_prompt(task, row, "eval")

    def close_lists(self) -> None:
        """Write the closing brackets; nothing can be written afterwards."""
        for name, count in self._lists.items():
            self._streams[name].write("\n]\n" if count else "]\n")

    def _open_both_sides(self) -> None:
        for task in self.tasks:
            for split in ("train", "test"):
                self._open_list(f"{task.name}/LPM-24_{split}.json")
                self._open_list(f"{task.name}/LPM-24_{split}_qa_conversation.json")
            self._open_prompts(task, "test")

    def _talk(self, task: Task, row: Row, split: str, phrase: str) -> dict[str, object]:
        number = self._lists[f"{task.name}/LPM-24_{split}_qa_conversation.json"]
        turns = ((HUMAN, phrase.format(task.given(row))), (GPT, _answer(task, row)))
        conversation = [{"from": role, "value": value} for role, value in turns]
        return {"id": f"LPM-24_{task.name}_{split}_{number}", "conversation": conversation}

    def _phrase(self, task: Task, row: Row, number: int) -> str:
        text = f"{row.molecule}\n{number}" if number else row.molecule
        return chosen(task.instructions, task.name, self._seed, text)

    def _write_prompt(self, task: Task, row: Row, split: str) -> None:
        question = Turn(HUMAN, task.instructions[0].format(task.given(row)))
        prompt = self._template.render_prompt([question])
        self._streams[_prompts(task, split)].write(f"{prompt}\n")
        cells = [task.given(row)] if split == "eval" else [task.given(row), task.wanted(row)]
        self._streams[_table(task, split)].write("\t".join(cells) + "\n")

    def _open_prompts(self, task: Task, split: str) -> None:
        if _prompts(task, split) not in self._streams:
            self._open(_prompts(task, split))
            self._open(_table(task, split)).write(task.header(has_answers=split == "test") + "\n")

    def _open_list(self, name: str) -> None:
        self._open(name).write("[")
        self._lists[name] = 0

    def _open(self, name: str) -> IO[str]:
        path = self._output / name
        beside = self._stack.enter_context(replaced_file(path))
        self._streams[name] = self._stack.enter_context(beside.open("w", encoding="utf-8", newline="\n"))
        self.paths.append(path)
        return self._streams[name]

    def _append(self, name: str, value: object) -> None:
        comma = "," if self._lists[name] else ""
        self._streams[name].write(f"{comma}\n{json.dumps(value, ensure_ascii=False)}")
        self._lists[name] += 1


@contextmanager
def layout_writer(output: Path, tasks: tuple[Task, ...], seed: int) -> Iterator[LayoutWriter]:
    """A writer of the layout in `output`; on an error every file and folder is left as it was.

    Args:
        output: the folder of the layout; files that are there are replaced.
        tasks: the directions to write.
        seed: chooses the instruction phrase of training rows.
    """
    folders = [output, *(output / f"{task.name}{end}" for task in tasks for end in ("", "_generate"))]
    new = [folder for folder in folders if not folder.exists()]
    try:
        with ExitStack() as stack:
            writer = LayoutWriter(stack, output, tasks, seed)
            yield writer
            writer.close_lists()
    except BaseException:
        for folder in reversed(new):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def _answer(task: Task, row: Row) -> str:
    return row.caption if task.asks_for_caption else f"<molecule>{row.molecule}</molecule>"


def _prompts(task: Task, split: str) -> str:
    return f"{task.name}_generate/LPM-24_{split}_generate.txt"


def _table(task: Task, split: str) -> str:
    return f"{task.name}_generate/LPM-24_{task.name}_{split}.tsv"
