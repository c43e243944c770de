"""LLaMA's tokenizer with one token per character of a molecule, nucleic acid or protein behind the text pieces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.modalities import TEXT, ModalityVocabulary, modality_of_ids, split_spans
from mindformers.modalities.vocabulary import SEQUENCE_MODALITIES
from mindformers.models.batch_encoding import BatchEncoding
from mindformers.models.llama.text_pieces import TextPieces
from mindformers.tools.errors import InputError
from mindformers.tools.files import replaced_file, write_json
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

_MODEL_NAME, _CONFIG_NAME = "tokenizer.model", "tokenizer_config.json"
_SPECIALS = ("unk_token", "bos_token", "eos_token", "pad_token")
_SETTINGS = (*_SPECIALS, "add_bos_token", "add_eos_token", "modalities", "padding_side")


@dataclass(frozen=True)
class TokenSpan:
    """Where one modality's stretch stands: characters [start, end) of the text, tokens [token_start, token_end)."""

    modality: str
    start: int
    end: int
    token_start: int
    token_end: int


@MindFormerRegister.register(MindFormerModuleType.TOKENIZER)
class LlamaTokenizer(BatchEncoding):
    """Mixed text to ids and back.

    Args:
        vocab_file: the SentencePiece model of the base LLaMA.
        unk_token, bos_token, eos_token, pad_token: pieces of the base model that serve as special tokens.
        add_bos_token, add_eos_token: whether `encode` puts them around a text.
        modalities: names of the modalities that have tokens; all by default.
        padding_side: `right` or `left`.

    Raises:
        InputError: the file is no SentencePiece model, or a special token is not a piece of it.
    """

    def __init__(
        self,
        vocab_file: str | Path,
        unk_token: str = "<unk>",
        bos_token: str = "<s>",
        eos_token: str = "</s>",
        pad_token: str = "<unk>",
        add_bos_token: bool = True,
        add_eos_token: bool = False,
        modalities: Sequence[str] = SEQUENCE_MODALITIES,
        padding_side: str = "right",
    ) -> None:
        self.vocab_file = Path(vocab_file)
        self.add_bos_token, self.add_eos_token, self.padding_side = add_bos_token, add_eos_token, padding_side
        self._pieces = TextPieces(vocab_file)
        self.modality_vocabulary = ModalityVocabulary(len(self._pieces), modalities)
        self._ids = {name: table.__getitem__ for name, table in self.modality_vocabulary.ids.items()}
        self._token_ids = {t: len(self._pieces) + i for i, t in enumerate(self.modality_vocabulary.tokens)}
        self.unk_token, self.bos_token, self.eos_token, self.pad_token = unk_token, bos_token, eos_token, pad_token
        self.unk_token_id = self._special(unk_token, "unk_token")
        self.bos_token_id = self._special(bos_token, "bos_token")
        self.eos_token_id = self._special(eos_token, "eos_token")
        self.pad_token_id = self._special(pad_token, "pad_token")
        self.all_special_ids = {self.unk_token_id, self.bos_token_id, self.eos_token_id, self.pad_token_id}

    def __len__(self) -> int:
        return self.modality_vocabulary.end_id

    @property
    def vocab_size(self) -> int:
        """Number of all tokens, text pieces and modality tokens."""
        return len(self)

    @property
    def num_text_tokens(self) -> int:
        """Number of pieces of the base model; the first modality token has this id."""
        return len(self._pieces)

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities that have tokens."""
        return [row.name for row in self.modality_vocabulary.rows]

    def modality_table(self) -> np.ndarray:
        """int32 [V]: for every id the row number of its modality (0 is text)."""
        return modality_of_ids(len(self), self.num_text_tokens, self.modalities)

    def encode(self, text: str, add_special_tokens: bool = True, is_continuation: bool = False) -> list[int]:
        """Ids of a mixed text.

        Args:
            text: plain text with sequences in tags or in token form. The end-of-sequence token written out (`</s>`,
                as between the rounds of a conversation) is that token, and the text behind it begins anew.
            add_special_tokens: put BOS and EOS around it as `add_bos_token` and `add_eos_token` say.
            is_continuation: the text goes on from an earlier one, so it gets neither BOS nor a blank in front.

        Returns:
            The ids.

        Raises:
            InputError: a sequence that cannot be written in its alphabet; the message names the position.
        """
        return self._encode(text, add_special_tokens, is_continuation)[0]

    def encode_with_spans(self, text: str, add_special_tokens: bool = True) -> tuple[list[int], list[TokenSpan]]:
        """As `encode`, and where each modality's stretch stands in the text and in the ids."""
        return self._encode(text, add_special_tokens, is_continuation=False)

    def _encode(self, text: str, special: bool, is_continuation: bool) -> tuple[list[int], list[TokenSpan]]:
        ids = [self.bos_token_id] if special and self.add_bos_token and not is_continuation else []
        spans: list[TokenSpan] = []
        for span in split_spans(text):
            begin = len(ids)
            if span.modality is TEXT:
                ids += self._encode_text(span.sequence, is_first=span.start == 0 and not is_continuation)
            else:
                ids += map(self._lookup(span.modality.name), span.sequence)
            spans.append(TokenSpan(span.modality.name, span.start, span.end, begin, len(ids)))
        if special and self.add_eos_token:
            ids.append(self.eos_token_id)
        return ids, spans

    def _encode_text(self, text: str, is_first: bool) -> list[int]:
        head, *rest = text.split(self.eos_token)
        ids = self._pieces.encode(head, is_first) if head else []
        for part in rest:
            ids.append(self.eos_token_id)
            ids += self._pieces.encode(part, is_first=True) if part else []
        return ids

    def _lookup(self, modality: str) -> Any:
        if modality not in self._ids:
            raise InputError(
                "tokenizer", f"has no tokens for {modality}", f"one of {', '.join(self._ids)}", "see `modalities`"
            )
        return self._ids[modality]

    def decode(
        self,
        ids: Sequence[int],
        skip_special_tokens: bool = False,
        with_tags: bool = False,
        is_continuation: bool = False,
    ) -> str:
        """The text of ids, sequences plain and unspaced.

        Args:
            ids: token ids, any integer sequence.
            skip_special_tokens: leave BOS, EOS, padding and unknown tokens out.
            with_tags: put a sequence into its tag again, so that `encode` gives the same ids.
            is_continuation: the ids go on from earlier text: a blank in front is kept.

        Raises:
            InputError: an id that the vocabulary does not have.
        """
        parts: list[str] = []
        is_first = not is_continuation
        for modality, run in self._runs(ids, skip_special_tokens):
            if modality is TEXT:
                parts.append(self._pieces.decode(run, is_first))
            elif modality is None:
                parts += [self._pieces.piece(index) for index in run]
                is_first = is_first or run[-1] in (self.bos_token_id, self.eos_token_id)
                continue
            else:
                sequence = "".join([self.modality_vocabulary.characters[i - self.num_text_tokens] for i in run])
                tag = modality.tag_for(sequence)
                parts.append(f"<{tag}>{sequence}</{tag}>" if with_tags else sequence)
            is_first = False
        return "".join(parts)

    def _runs(self, ids: Sequence[int], skip_special: bool) -> list[tuple[Any, list[int]]]:
        """Neighbouring ids of one modality together; special tokens as runs of modality None."""
        runs: list[tuple[Any, list[int]]] = []
        base, rows = self.num_text_tokens, self.modality_vocabulary.row_of
        for index in map(int, ids):
            if not 0 <= index < len(self):
                raise InputError("token id", str(index), f"0 to {len(self) - 1}", "use the tokenizer of this model")
            special = index in self.all_special_ids
            if special and skip_special:
                continue
            modality = rows[index - base] if index >= base else None if special else TEXT
            if runs and runs[-1][0] is modality:
                runs[-1][1].append(index)
            else:
                runs.append((modality, [index]))
        return runs

    def encode_at_most(self, text: str, add_special_tokens: bool, length: int | None) -> list[int]:
        """As `encode`, cut to `length` tokens."""
        return self.encode(text, add_special_tokens)[:length]

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> int | list[int]:
        """Ids of written tokens, e.g. `{|C|}`; the unknown token's id for one that is not known."""
        if isinstance(tokens, str):
            known = self._token_ids.get(tokens, self._pieces.index(tokens))
            return self.unk_token_id if known is None else known
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: int | Sequence[int]) -> str | list[str]:
        """Written tokens of ids."""
        if isinstance(ids, int):
            base = self.num_text_tokens
            return self._pieces.piece(ids) if ids < base else self.modality_vocabulary.tokens[ids - base]
        return [self.convert_ids_to_tokens(int(index)) for index in ids]

    def get_vocab(self) -> dict[str, int]:
        """Every written token with its id."""
        return {self.convert_ids_to_tokens(index): index for index in range(len(self))}

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `tokenizer.model` and `tokenizer_config.json` into a folder."""
        folder = Path(folder)
        with replaced_file(folder / _MODEL_NAME) as beside:
            shutil.copyfile(self.vocab_file, beside)
        config = {name: getattr(self, name) for name in _SETTINGS}
        write_json(folder / _CONFIG_NAME, {"tokenizer_class": type(self).__name__, **config})

    @classmethod
    def from_pretrained(cls, folder: str | Path, **overrides: Any) -> LlamaTokenizer:
        """The tokenizer that `save_pretrained` wrote; a folder with only `tokenizer.model` gives the defaults."""
        folder = Path(folder)
        path = folder / _CONFIG_NAME
        config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        known = {name: v for name, v in config.items() if name in _SETTINGS and isinstance(v, str | bool | list)}
        return cls(folder / _MODEL_NAME, **{**known, **overrides})

    def _special(self, token: str, what: str) -> int:
        index = self._pieces.index(token)
        if index is None:
            raise InputError(what, f"'{token}' is not a piece of '{self.vocab_file}'", "a piece of the model", "fix it")
        return index
