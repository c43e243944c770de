"""`--run_mode chat`: one conversation in the terminal, the answer streaming as it comes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from mindformers.config import Recipe
from mindformers.dataset.example import GPT, HUMAN, Turn
from mindformers.dataset.templates import Template, get_template
from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.streaming import TextStream
from mindformers.modalities import split_spans
from mindformers.tools.errors import InputError
from mindformers.tools.files import write_json
from mindformers.tools.terminal import typed_lines
from mindformers.trainer.interruption import Interruption

HELP = """Write a question, with sequences in tags: Describe <molecule>CCO</molecule>.
/clear   forget the conversation          /back   forget the last question and its answer
/save F  write the conversation to a file /quit   leave (also Ctrl-D)
Ctrl-C   stop the answer, or clear the line; a second one leaves"""
LEAVE_HINT = "Ctrl-C once more, Ctrl-D or /quit leaves"


class Chat:
    """A conversation with a model.

    Args:
        engine, tokenizer: what answers.
        template: how rounds are written; the one the model was trained with.
        options: how tokens are chosen.
    """

    def __init__(self, engine: Engine, tokenizer: Any, template: Template, options: GenerationOptions) -> None:
        self.engine, self.tokenizer, self.template, self.options = engine, tokenizer, template, options
        self.turns: list[Turn] = []

    def ask(self, question: str, show: Callable[[str], None]) -> str:
        """Put a question; `show` gets the answer's text as it comes. An interrupted answer counts as it stands.

        Returns:
            The answer.

        Raises:
            InputError: the question alone is longer than the model, or holds a sequence that cannot be written.
        """
        asked = Turn(HUMAN, question)
        prompt = self._prompt(asked)
        stream, said = TextStream(self.tokenizer, self.options.stop), None
        with Interruption(notice=None) as interruption:

            def take(token: int) -> None:
                show(stream.add(token))
                if interruption.is_asked:
                    raise KeyboardInterrupt

            try:
                said = self.engine.stream(prompt, self.options, take)
            except KeyboardInterrupt:
                show(" ...")
        show(stream.end())
        ids = stream.ids if said is None else said.ids
        answer = self.tokenizer.decode(ids, skip_special_tokens=True, with_tags=True).strip()
        self.turns += [asked, Turn(GPT, answer)]
        return answer

    def _prompt(self, asked: Turn) -> list[int]:
        """The conversation with the question; its oldest rounds go where the model's length is not enough."""
        most = max(self.engine.config.seq_length - self.options.max_new_tokens, self.engine.config.seq_length // 2)
        limit = getattr(self.tokenizer, "max_source_seq_len", None)
        most = min(most, limit + 1) if limit else most
        kept = [] if self.template.max_rounds == 1 else list(self.turns)
        while True:
            text = self.template.render_prompt([*kept, asked])
            ids = self.tokenizer.encode_at_most(text, True, None)
            if len(ids) <= most or not kept:
                ids = self.tokenizer.encode(text)
                self.engine.check(ids, "question")
                return ids
            kept = kept[2:]

    def back(self) -> bool:
        """Forget the last round. Returns whether there was one."""
        had = bool(self.turns)
        self.turns = self.turns[:-2]
        return had

    def save(self, path: str | Path) -> None:
        """Write the conversation as one row of the format that `llama_preprocess.py --dataset_type qa` reads."""
        rows = [{"from": turn.role, "value": turn.text} for turn in self.turns]
        write_json(path, [{"id": "chat", "conversation": rows}])


def molecules_of(text: str) -> list[str]:
    """A line for every molecule of an answer with tags: SMILES, formula and weight, or that it is not valid."""
    from rdkit import Chem, RDLogger
    from rdkit.Chem.Descriptors import MolWt
    from rdkit.Chem.rdMolDescriptors import CalcMolFormula

    RDLogger.DisableLog("rdApp.*")
    lines = []
    for span in split_spans(text):
        if span.modality.name == "molecule":
            molecule = Chem.MolFromSmiles(span.sequence)
            facts = f"{CalcMolFormula(molecule)}, {MolWt(molecule):.2f} g/mol" if molecule else "not a valid molecule"
            lines.append(f"{span.sequence}  {facts}")
    return lines


def converse(chat: Chat, lines: Iterable[str], out: TextIO) -> None:
    """Read questions and commands until the end of the input or `/quit`."""

    def show(text: str) -> None:
        out.write(text)
        out.flush()

    for line in lines:
        words = line.strip().split(maxsplit=1)
        if words and words[0] == "/quit":
            return
        try:
            if words:
                _reply(chat, line.strip(), words, show)
        except InputError as error:
            show(f"error: {error.line()}\n")
        except KeyboardInterrupt:
            show("\n")


def _reply(chat: Chat, line: str, words: list[str], show: Callable[[str], None]) -> None:
    if words[0] == "/clear":
        chat.turns = []
        show("cleared\n")
    elif words[0] == "/back":
        show("back by one round\n" if chat.back() else "nothing to go back to\n")
    elif words[0] == "/save":
        chat.save(words[1] if len(words) > 1 else "chat.json")
        show(f"saved {words[1] if len(words) > 1 else 'chat.json'}\n")
    elif words[0].startswith("/"):
        show(HELP + "\n")
    else:
        answer = chat.ask(line, show)
        show("\n" + "".join(f"  {one}\n" for one in molecules_of(answer)))


def chat_in_terminal(recipe: Recipe, flags: argparse.Namespace) -> None:
    """The run mode."""
    from mindformers.trainer.runner import answering

    engine, tokenizer, options = answering(recipe, flags)
    chat = Chat(engine, tokenizer, get_template(recipe.processor.template), options)
    if not sys.stdin.isatty():
        return converse(chat, sys.stdin, sys.stdout)
    sys.stdout.write(HELP + "\n")
    return converse(chat, typed_lines(sys.stdout, "> ", LEAVE_HINT), sys.stdout)
