"""ChatGLM's tokenizer: text with [gMASK] and sop behind it, in either of the two vocabularies."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.models.batch_encoding import BatchEncoding
from mindformers.models.glm.ice_pieces import SPECIALS, IcePieces
from mindformers.models.glm.vocabulary import check_rows, is_published, num_image_tokens
from mindformers.tools.errors import InputError
from mindformers.tools.files import replaced_file, write_json
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

_PUBLISHED_PIECES = 130344
_MULTIPLE = 8
_MODEL_NAME, _CONFIG_NAME = "ice_text.model", "tokenizer_config.json"


@MindFormerRegister.register(MindFormerModuleType.TOKENIZER)
class ChatGLMTokenizer(BatchEncoding):
    """Text to ids and back.

    Args:
        vocab_file: the SentencePiece model, `ice_text.model`.
        num_image_tokens: rows for images in front, by which every id is moved up: 20000 in the early vocabulary.
        padding_side: `left` or `right`.
        max_source_seq_len: S; a prompt is cut to S - 1 tokens, in training and at inference. None for no limit.
        max_target_seq_len: T; an answer is cut to T - 2 tokens. None for no limit.

    Attributes:
        is_prefix: whether prompt and answer are encoded by `encode_pair`, the answer being learnt together with sop.

    Raises:
        InputError: the file is no SentencePiece model, or not ChatGLM's.
    """

    is_prefix = True
    modalities: tuple[str, ...] = ()

    def __init__(
        self,
        vocab_file: str | Path,
        num_image_tokens: int = 0,
        padding_side: str = "left",
        max_source_seq_len: int | None = None,
        max_target_seq_len: int | None = None,
    ) -> None:
        self.vocab_file, self.num_image_tokens = Path(vocab_file), num_image_tokens
        self.padding_side = padding_side
        self.max_source_seq_len, self.max_target_seq_len = max_source_seq_len, max_target_seq_len
        self._pieces = IcePieces(vocab_file)
        self.bos_token_id, self.eos_token_id = self._id("<sop>"), self._id("<eop>")
        self.mask_token_id, self.gmask_token_id = self._id("[MASK]"), self._id("[gMASK]")
        self.pad_token_id, self.end_token_id = self._id("<pad>"), self._id("</s>")
        self.unk_token_id = num_image_tokens
        named = {self._id(piece) for piece in SPECIALS}
        self.all_special_ids = {self.unk_token_id, self.pad_token_id, self.end_token_id, *named}

    @classmethod
    def of_recipe(cls, vocab_file: str | Path, recipe: Any, rows: int | None) -> ChatGLMTokenizer:
        """The tokenizer of a recipe for a word table of so many rows (None where they are not known).

        Args:
            vocab_file: the SentencePiece model.
            recipe: with `processor.tokenizer` and the limits.
            rows: of the word table; 150,528 mean the early vocabulary.
        """
        limits = recipe.max_source_seq_len, recipe.max_target_seq_len
        side = recipe.processor.tokenizer.padding_side or "left"
        tokenizer = cls(vocab_file, num_image_tokens(rows), side, *limits)
        if rows is not None:
            tokenizer.check_rows(rows)
        return tokenizer

    def __len__(self) -> int:
        return self.num_image_tokens + len(self._pieces)

    @property
    def vocab_size(self) -> int:
        """Number of all ids that mean something."""
        return len(self)

    @property
    def num_text_tokens(self) -> int:
        """As `len`: behind the text there is nothing more."""
        return len(self)

    @property
    def smallest_table(self) -> int:
        """Rows of a word table for these ids: the published number, or for another model the next multiple of 8."""
        if len(self._pieces) == _PUBLISHED_PIECES:
            return len(self) + 184
        return -(-len(self) // _MULTIPLE) * _MULTIPLE

    def check_rows(self, rows: int) -> None:
        """Raises InputError where a word table of so many rows is not for these ids."""
        what = "model.model_config.vocab_size"
        is_ours = len(self._pieces) == _PUBLISHED_PIECES
        if is_ours and is_published(rows):
            check_rows(what, rows, self.smallest_table)
        elif is_published(rows) or rows < len(self):
            got, expected = f"{rows}, but the tokenizer has {len(self)} tokens", f"at least {len(self)}"
            if is_published(rows):
                expected = f"ChatGLM-6B's own ice_text.model with {_PUBLISHED_PIECES}"
            raise InputError(what, got, expected, f"'{self.vocab_file}' belongs to another model")

    def modality_table(self) -> np.ndarray:
        """int32 [V]: the modality of every id, which is text (0)."""
        return np.zeros(len(self), np.int32)

    def encode(self, text: str, add_special_tokens: bool = True, is_continuation: bool = False) -> list[int]:
        """Ids of a text.

        Args:
            text: any text.
            add_special_tokens: put [gMASK] and sop behind it: it is a prompt, cut to its limit, and an answer follows.
            is_continuation: it is an answer: neither of them.
        """
        if is_continuation or not add_special_tokens:
            return [self.num_image_tokens + index for index in self._pieces.encode(text)]
        limit = None if self.max_source_seq_len is None else self.max_source_seq_len + 1
        return self.encode_at_most(text, True, limit)

    def encode_pair(self, prompt: str, answer: str) -> tuple[list[int], int, int]:
        """A prompt and its answer as they are learnt: prompt, [gMASK], sop, answer, eop.

        Returns:
            The ids, the index of sop, from which on they are learnt, and the number of ids without the limits.
        """
        source, target = self.encode(prompt, False), self.encode(answer, False)
        whole = len(source) + len(target) + 3
        source = source[: None if self.max_source_seq_len is None else self.max_source_seq_len - 1]
        target = target[: None if self.max_target_seq_len is None else self.max_target_seq_len - 2]
        return [*source, *self.prompt_end, *target, self.eos_token_id], len(source) + 1, whole

    @property
    def prompt_end(self) -> list[int]:
        """[gMASK] and sop."""
        return [self.gmask_token_id, self.bos_token_id]

    def encode_at_most(self, text: str, add_special_tokens: bool, length: int | None) -> list[int]:
        """As `encode`, the text cut so that all is no longer than `length`."""
        ids = self.encode(text, add_special_tokens=False)
        end = self.prompt_end if add_special_tokens else []
        return (ids if length is None else ids[: max(length - len(end), 0)]) + end

    def decode(
        self,
        ids: Sequence[int],
        skip_special_tokens: bool = False,
        with_tags: bool = False,
        is_continuation: bool = False,
    ) -> str:
        """The text of ids. Ids that mean nothing (images, rows that fill the table up) are left out.

        Args:
            ids: token ids, any integer sequence.
            skip_special_tokens: leave special tokens out; else they are written, as `[gMASK]`.
            with_tags, is_continuation: as `LlamaTokenizer.decode`; they change nothing here.
        """
        parts: list[str] = []
        run: list[int] = []
        for index in [*map(int, ids), None]:
            is_special = index in self.all_special_ids
            if index is not None and not is_special:
                if self.num_image_tokens <= index < len(self):
                    run.append(index - self.num_image_tokens)
                continue
            if index is not None and skip_special_tokens:
                continue
            parts.append(self._pieces.decode(run) if run else "")
            run = []
            if index is not None:
                parts.append(self.convert_ids_to_tokens(index))
        return "".join(parts)

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> int | list[int]:
        """Ids of pieces; the unknown token's id for one that is not known."""
        if isinstance(tokens, str):
            index = self._pieces.index(tokens)
            return self.unk_token_id if index is None else self.num_image_tokens + index
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: int | Sequence[int]) -> str | list[str]:
        """Pieces of ids."""
        if isinstance(ids, int):
            return self._pieces.piece(ids - self.num_image_tokens)
        return [self.convert_ids_to_tokens(int(index)) for index in ids]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `ice_text.model` and `tokenizer_config.json` into a folder."""
        with replaced_file(Path(folder) / _MODEL_NAME) as beside:
            shutil.copyfile(self.vocab_file, beside)
        settings = {"num_image_tokens": self.num_image_tokens, "padding_side": self.padding_side, "remove_space": False}
        write_json(Path(folder) / _CONFIG_NAME, {"tokenizer_class": type(self).__name__, **settings})

    def _id(self, piece: str) -> int:
        return self.num_image_tokens + self._pieces.index(piece)
