"""Examples to token ids and labels.

    ids     BOS  A chat ... USER: q ASSISTANT:   a1 a2 EOS   USER: q ASSISTANT:   a1 EOS   0  0  0
    labels -100       ...          -100          a1 a2 EOS   -100     ...  -100   a1 EOS  -100 ...

A model with a prefix (ChatGLM) has one prompt and one answer; earlier rounds belong to the prompt, sop is learnt too.

    ids     q1 q2 ... [gMASK] sop a1 a2 eop   pad ...
    labels -100   ...  -100   sop a1 a2 eop  -100 ...

A label stands at the place of its token; the shift by one is the loss's business.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.templates import Template
from mindformers.modalities import split_spans
from mindformers.tools.errors import InputError

IGNORE_ID = -100


class Tokenizer(Protocol):
    """What is asked of a tokenizer here; `LlamaTokenizer` has it. One with `is_prefix` has `encode_pair` beside it."""

    bos_token_id: int
    eos_token_id: int
    pad_token_id: int

    def encode(self, text: str, add_special_tokens: bool = True, is_continuation: bool = False) -> list[int]:
        """Ids of a text."""


@dataclass(slots=True)
class Encoded:
    """An encoded example, not padded.

    Args:
        ids: token ids, int32.
        labels: for each id itself where it is learnt, else -100; int32.
        num_tokens: length in tokens before truncation.
        may_split: whether the ids may be cut anywhere into several records (raw text) or belong together.
    """

    ids: array[int]
    labels: array[int]
    num_tokens: int
    may_split: bool = False

    @property
    def is_truncated(self) -> bool:
        """Whether tokens were cut away."""
        return self.num_tokens > len(self.ids)


def encode_example(
    example: Example, template: Template, tokenizer: Tokenizer, seq_length: int | None = None
) -> Encoded | BadRow:
    """Token ids and labels of an example.

    Args:
        example: a conversation, rendered by the template, or a raw text, taken as it is.
        template: how rounds are written.
        tokenizer: text to ids; it must put BOS in front of a text and no EOS behind it.
        seq_length: tokens the model sees; a conversation is cut to one more, since the labels are shifted by one.
            Raw text is never cut. None for no limit.

    Returns:
        The ids and labels, or a BadRow: a sequence outside its alphabet, turns that do not alternate, an answer
        that lies wholly behind the cut.
    """
    try:
        if not example.turns:
            return _encode_raw(example, tokenizer)
        reason = template.why_not(example.turns)
        encoded = _encode_turns(example, template, tokenizer) if reason is None else None
    except InputError as error:
        reason = _why_not_encodable(example, error)
    if reason is None and seq_length is not None:
        reason = _truncate(encoded, seq_length + 1)
    return encoded if reason is None else BadRow(example.file, example.line, reason)


def pad_record(
    ids: Sequence[int], labels: Sequence[int], length: int, pad_token_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """One record: int32 ids [length] padded with `pad_token_id`, and int32 labels [length] padded with -100."""
    record = np.full(length, pad_token_id, np.int32), np.full(length, IGNORE_ID, np.int32)
    record[0][: len(ids)], record[1][: len(labels)] = ids, labels
    return record


def _why_not_encodable(example: Example, error: InputError) -> str:
    """The reason with the position in what the user wrote: the rendered text has the template's words in front."""
    for number, turn in enumerate(example.turns, 1):
        for text in (turn.text, turn.input):
            try:
                split_spans(text)
            except InputError as found:
                return f"turn {number} ({turn.role}): {found.what}: {found.got}"
    return f"{error.what}: {error.got}"


def _encode_raw(example: Example, tokenizer: Tokenizer) -> Encoded:
    if getattr(tokenizer, "is_prefix", False):
        ids, first, _ = tokenizer.encode_pair("", example.text)
        return _encoded(ids, [IGNORE_ID] * first + ids[first:])
    ids = tokenizer.encode(example.text, add_special_tokens=example.is_start)
    if example.is_end:
        ids.append(tokenizer.eos_token_id)
    return _encoded(ids, ids, example.may_split)


def _encode_turns(example: Example, template: Template, tokenizer: Tokenizer) -> Encoded:
    if getattr(tokenizer, "is_prefix", False):
        return _encode_prefix(example, template, tokenizer)
    ids: list[int] = []
    labels: list[int] = []
    eos = tokenizer.eos_token_id
    segments = template.segments(example.turns)
    for place, (text, is_target) in enumerate(segments):
        if is_target:
            answer = tokenizer.encode(text, is_continuation=True)
            if template.writes_eos or place == len(segments) - 1:
                answer.append(eos)
            ids += answer
            labels += answer
            continue
        prompt = tokenizer.encode(text, not place, is_continuation=bool(place) and not template.writes_eos)
        ids += prompt
        labels += [IGNORE_ID] * len(prompt)
        if place and not template.writes_eos:
            labels[-len(prompt)] = eos
    return _encoded(ids, labels)


def _encode_prefix(example: Example, template: Template, tokenizer: Any) -> Encoded:
    """The prompt is the very text that the model is given at inference."""
    prompt = template.render_prompt(example.turns[:-1])
    ids, first, whole = tokenizer.encode_pair(prompt, template.segments(example.turns)[-1].text)
    labels = [IGNORE_ID] * first + ids[first:]
    return Encoded(array("i", ids), array("i", labels), whole)


def _encoded(ids: list[int], labels: list[int], may_split: bool = False) -> Encoded:
    # Arrays travel between processes ten times faster than lists.
    return Encoded(array("i", ids), array("i", labels), len(ids), may_split)


def _truncate(encoded: Encoded, length: int) -> str | None:
    if encoded.num_tokens <= length:
        return None
    del encoded.ids[length:], encoded.labels[length:]
    if encoded.labels.count(IGNORE_ID) == length:
        return f"its answer begins behind token {length} and would be cut away; raise seq_length"
    return None
