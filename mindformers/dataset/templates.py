"""Templates: turns of a conversation to the text a model reads, in training and at inference by the same object.

             prompt (hidden in the labels)          answer (learnt)
vicuna       system line USER: q ASSISTANT:         ` a</s>`        the next round follows at once
alpaca       Instruction: q\\n[Input: i\\n]Answer:    `a</s>`         one round only
chemdfm      [Round i]\\nHuman: q\\nAssistant:         ` a</s>`        the next round follows after a line break
chatglm      q, or [Round i]\\n问：q\\n答：...          `a</s>`         numbered only where there are several rounds
plain        q                                      `a</s>`         one round only
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mindformers.dataset.example import Turn, split_system, why_not_a_conversation
from mindformers.tools.errors import InputError
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


class Segment(NamedTuple):
    """A stretch of a rendered conversation.

    Args:
        text: what stands there, without the end-of-sequence token of an answer.
        is_target: whether it is an answer, to be learnt, or a prompt, to be hidden in the labels.
    """

    text: str
    is_target: bool


class Template:
    """How rounds of question and answer are written. Subclasses say what stands where.

    Attributes:
        max_rounds: how many rounds a conversation may have; None for any number.
        writes_eos: whether `</s>` stands in the text after every answer. Where it does not, it ends the last answer
            only, and earlier ones are taught to end by the label of the token behind them.
    """

    max_rounds: int | None = None
    writes_eos: bool = True
    eos_token: str = "</s>"

    def opening(self, system: str | None) -> str:
        """What stands before the first round; `system` is the text of the conversation's own system turn."""
        return f"{system}\n" if system else ""

    def question(self, turn: Turn, number: int) -> str:
        """A human turn of round `number` (from 0), up to where its answer begins."""
        raise NotImplementedError

    def answer(self, turn: Turn) -> str:
        """An answer, without its end-of-sequence token."""
        return turn.text

    def why_not(self, turns: Sequence[Turn], is_prompt: bool = False) -> str | None:
        """Why turns cannot be rendered, or None where they can; `is_prompt` when the last turn waits for an answer."""
        reason = why_not_a_conversation(turns, is_prompt)
        rounds = (len(split_system(turns)[1]) + 1) // 2
        if reason is None and self.max_rounds is not None and rounds > self.max_rounds:
            return f"{rounds} rounds, but this template has {self.max_rounds}; use vicuna or chemdfm"
        return reason

    def segments(self, turns: Sequence[Turn]) -> list[Segment]:
        """The rendered conversation in pieces: prompt, answer, prompt, answer, ...

        Args:
            turns: turns that `why_not` has no objection to.
        """
        system, rounds = split_system(turns)
        segments = []
        for place, turn in enumerate(rounds):
            if place % 2:
                segments.append(Segment(self.answer(turn), True))
            else:
                before = "" if place else self.opening(system)
                segments.append(Segment(before + self.question(turn, place // 2), False))
        return segments

    def render_prompt(self, turns: Sequence[Turn]) -> str:
        """The text that a model is given to answer the last turn: the same that stood before the answer in training.

        Args:
            turns: the conversation so far; the last turn is the human's.

        Raises:
            InputError: the turns do not alternate, one is empty, or there are too many rounds.
        """
        reason = self.why_not(turns, is_prompt=True)
        if reason:
            raise InputError("conversation", reason, "human and gpt in turns, the human's turn last", "correct it")
        after = self.eos_token if self.writes_eos else ""
        return "".join(text + after * is_target for text, is_target in self.segments(turns))


def _register(name: str):
    return MindFormerRegister.register(MindFormerModuleType.TEMPLATE, name)


@_register("vicuna")
class VicunaTemplate(Template):
    """Vicuna v1.1, the template of the published model."""

    def opening(self, system: str | None) -> str:
        return f"{system or VICUNA_SYSTEM} "

    def question(self, turn: Turn, number: int) -> str:
        return f"USER: {_whole(turn)} ASSISTANT:"

    def answer(self, turn: Turn) -> str:
        return f" {turn.text}"


@_register("alpaca")
class AlpacaTemplate(Template):
    """Instruction, input and answer on lines of their own; one round."""

    max_rounds = 1

    def question(self, turn: Turn, number: int) -> str:
        given = f"Input: {turn.input}\n" if turn.input else ""
        return f"Instruction: {turn.text}\n{given}Answer: "


@_register("chemdfm")
class ChemDfmTemplate(Template):
    """ChemDFM's numbered rounds."""

    writes_eos = False

    def question(self, turn: Turn, number: int) -> str:
        line_break = "\n" if number else ""
        return f"{line_break}[Round {number}]\nHuman: {_whole(turn)}\nAssistant:"

    def answer(self, turn: Turn) -> str:
        return f" {turn.text}"


@_register("chatglm")
class ChatGlmTemplate(Template):
    """ChatGLM-6B's rounds: the first question stands bare; once there is a second one, all are numbered."""

    writes_eos = False

    def segments(self, turns: Sequence[Turn]) -> list[Segment]:
        """As `Template.segments`."""
        system, rounds = split_system(turns)
        if len(rounds) > 2:
            return super().segments(turns)
        question, *answer = rounds
        asked = Segment(self.opening(system) + _whole(question), False)
        return [asked, *(Segment(self.answer(turn), True) for turn in answer)]

    def question(self, turn: Turn, number: int) -> str:
        line_break = "\n" if number else ""
        return f"{line_break}[Round {number}]\n问：{_whole(turn)}\n答："


@_register("plain")
class PlainTemplate(Template):
    """Nothing added: the answer follows the question as it stands; one round."""

    max_rounds = 1

    def question(self, turn: Turn, number: int) -> str:
        return _whole(turn)


def get_template(name: str) -> Template:
    """The template registered as `name`. Raises InputError where there is none."""
    return MindFormerRegister.get(MindFormerModuleType.TEMPLATE, name, "template")()


def template_names() -> list[str]:
    """Names of all templates."""
    return MindFormerRegister.names(MindFormerModuleType.TEMPLATE)


def _whole(turn: Turn) -> str:
    return f"{turn.text}\n{turn.input}" if turn.input else turn.text
