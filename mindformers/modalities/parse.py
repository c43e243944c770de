"""Mixed text to spans of one modality each.

"Describe <molecule>CCO</molecule> and *|A|**|C|*."
 text     molecule              text nucleotide  text
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mindformers.modalities.table import MODALITIES, TEXT, Modality
from mindformers.tools.errors import InputError

_BY_TAG = {tag: row for row in MODALITIES for tag in row.tags}
_WRITTEN = [row for row in MODALITIES if row.opening]
_ALPHABETS = {row.name: frozenset(row.alphabet) for row in MODALITIES}


@dataclass(frozen=True)
class Span:
    """A stretch of a text that belongs to one modality.

    Args:
        modality: the row of the table.
        sequence: the text itself, or the plain sequence without tags and token marks.
        start, end: characters of the source that the span covers, tags included (half-open).
    """

    modality: Modality
    sequence: str
    start: int
    end: int


def _token_run(row: Modality) -> str:
    return f"(?:{re.escape(row.opening)}.{re.escape(row.closing)})+"


_TAGS = "|".join(_BY_TAG)
_MAY_MARK = re.compile(f"[<{re.escape(''.join(row.opening[0] for row in _WRITTEN))}]")
_RUNS = {row.name: re.compile(_token_run(row), re.DOTALL) for row in _WRITTEN}
_MARKED = re.compile(
    rf"<(?P<tag>{_TAGS})>(?P<tagged>.*?)</(?P=tag)>|(?P<stray></?(?:{_TAGS})>)|"
    + "|".join(f"(?P<{row.name}>{_token_run(row)})" for row in _WRITTEN),
    re.DOTALL,
)


def split_spans(text: str) -> list[Span]:
    """Cut a text into spans, in order and without gaps.

    Args:
        text: plain text in which sequences stand in tags (`<molecule>CCO</molecule>`) or in token form
            (`{|C|}{|C|}{|O|}`). Everything else is text.

    Returns:
        The spans; their source ranges cover the whole text.

    Raises:
        InputError: a character outside the alphabet, an empty sequence, or a tag without its partner; the message
            names the character and its position in the text (from 0).
    """
    first = _MAY_MARK.search(text)  # most texts have no mark, and a prompt a long stretch before its first
    if first is None:
        return [Span(TEXT, text, 0, len(text))] if text else []
    spans: list[Span] = []
    position = 0
    for match in _MARKED.finditer(text, first.start()):
        if match.start() > position:
            spans.append(Span(TEXT, text[position : match.start()], position, match.start()))
        spans.append(_marked_span(match))
        position = match.end()
    if position < len(text):
        spans.append(Span(TEXT, text[position:], position, len(text)))
    return spans


def _marked_span(match: re.Match[str]) -> Span:
    kind = match.lastgroup
    if kind == "stray":
        raise InputError(
            f"tag '{match['stray']}' at character {match.start()}",
            "has no partner",
            "an opening and a closing tag",
            "close the tag or remove it",
        )
    row = _BY_TAG[match["tag"]] if match["tag"] else next(row for row in _WRITTEN if match[row.name])
    body, start = (match["tagged"], match.start("tagged")) if match["tag"] else (match[0], match.start())
    return Span(row, _plain_sequence(row, body, start), match.start(), match.end())


def _plain_sequence(row: Modality, body: str, start: int) -> str:
    stride, skip = 1, 0
    if body.startswith(row.opening) and _RUNS[row.name].fullmatch(body):
        stride, skip = len(row.token("?")), len(row.opening)
    sequence = body[skip::stride]
    if not sequence:
        raise InputError(
            f"{row.name} at character {start}", "empty sequence", "at least one character", "remove the tags"
        )
    if not _ALPHABETS[row.name].issuperset(sequence):
        wrong = next(i for i, character in enumerate(sequence) if character not in _ALPHABETS[row.name])
        raise InputError(
            f"{row.name} at character {start + skip + wrong * stride}",
            f"{sequence[wrong]!r} is not in the alphabet",
            f"one of {row.alphabet}",
            "correct the sequence",
        )
    return sequence
