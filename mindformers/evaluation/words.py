"""Texts to words, for BLEU and METEOR: by a WordPiece vocabulary where the user gives one, else a plain split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from mindformers.evaluation.text_files import read_lines
from mindformers.tools.errors import InputError

MAX_WORDS = 510  # BERT's 512 positions less [CLS] and [SEP], which published captioning scores leave out
_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")
_SPECIAL = ("[PAD]", "[CLS]", "[SEP]")
_NEEDED = ("[UNK]", "[CLS]", "[SEP]")  # what the tokenizer library asks for; SciBERT has no [PAD]


class Words(Protocol):
    """A way to split texts.

    Attributes:
        label: how reports name it.
        packages: the distributions that split.
        is_published: whether published captioning scores were made with this kind of words.
    """

    label: str
    packages: tuple[str, ...]
    is_published: bool

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text."""
        ...

    def search_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """The whole of each text as tokens in which a phrase can be looked for, punctuation apart from words."""
        ...


class PlainWords:
    """Lower-cased words between spaces. Its scores cannot be compared with published ones."""

    label = "plain lower-cased words"
    packages = ()
    is_published = False

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text."""
        return [text.lower().split() for text in texts]

    def search_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """Lower-cased words and punctuation marks."""
        return [_WORD_OR_MARK.findall(text.lower()) for text in texts]


class WordPieces:
    """BERT's uncased WordPiece: lower-cased, accents stripped, split at punctuation, then longest pieces first.

    Args:
        vocabulary: a `vocab.txt`, one piece a line; captioning scores are published with SciBERT's uncased one.

    Raises:
        InputError: the file cannot be read or misses BERT's special pieces.
    """

    packages = ("tokenizers",)
    is_published = True

    def __init__(self, vocabulary: str | Path) -> None:
        from tokenizers import BertWordPieceTokenizer

        pieces = {piece: number for number, piece in enumerate(read_lines(vocabulary, "--text_tokenizer"))}
        missing = [piece for piece in _NEEDED if piece not in pieces]
        if missing:
            got = f"{len(pieces)} lines without {', '.join(missing)}"
            expected = "a BERT vocabulary, one piece a line"
            raise InputError(f"{vocabulary}", got, expected, "give SciBERT's uncased vocab.txt")
        self.label = f"WordPiece ({Path(vocabulary).name})"
        self._tokenizer = BertWordPieceTokenizer(pieces, lowercase=True)

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The first `MAX_WORDS` pieces of each text, without special pieces that the text itself spells."""
        encoded = self._encoded(texts)
        return [[piece for piece in one.tokens[:MAX_WORDS] if piece not in _SPECIAL] for one in encoded]

    def search_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """All pieces of each text, however long it is."""
        return [one.tokens for one in self._encoded(texts)]

    def _encoded(self, texts: Sequence[str]) -> list[Any]:
        return self._tokenizer.encode_batch([text.strip() for text in texts], add_special_tokens=False)


def words_from(vocabulary: str | Path | None) -> Words:
    """WordPieces of a vocabulary file, or plain words where there is none."""
    return PlainWords() if vocabulary is None else WordPieces(vocabulary)
