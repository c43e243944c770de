"""ChatGLM-6B's configuration under MindFormers' names."""

# ruff: noqa: RUF009 - `inert` makes a dataclass field, as `field` does

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mindformers.config.inert import inert
from mindformers.models.decoder_config import DecoderConfig, wrong_key
from mindformers.models.glm.vocabulary import ID_NAMES, ROWS, check_rows, special_ids
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister


@MindFormerRegister.register(MindFormerModuleType.CONFIG)
@dataclass
class GLMConfig(DecoderConfig):
    """Shape and arithmetic of a ChatGLM.

    Lengths are in tokens. `inner_hidden_size` None is four times `hidden_size`. The ids of special tokens follow from
    `vocab_size` where it is one of the two published row counts; with other rows they must be given. `use_past` False
    generates without a cache: slow, same answers. `dynamic_padding` cuts every batch behind its longest row, at one
    of a few lengths; each length has a graph of its own.
    """

    type: str = "GLMConfig"
    num_layers: int = 28
    inner_hidden_size: int | None = None
    vocab_size: int = ROWS
    layernorm_epsilon: float = 1e-5
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    mask_token_id: int | None = None
    gmask_token_id: int | None = None
    pad_token_id: int | None = None
    param_init_type: str = "float16"
    dynamic_padding: bool = True
    position_encoding_2d: bool = True
    activation_func: str = "GELU"
    max_decode_length: int = 2048
    top_p: float = 0.7
    temperature: float = 0.95
    ignore_index: int = inert(-100, instead="ignore_token_id")
    embedding_dropout_prob: float = inert(0.0)
    attention_dropout_rate: float = inert(0.0)
    hidden_dropout_rate: float = inert(0.0)
    hidden_size_per_attention_head: int | None = inert(None)
    layernorm_order: str = inert("post")
    use_final_layernorm: bool = inert(True)
    is_enhanced_encoder: bool = inert(True)
    is_sample_acceleration: bool = inert(False)
    use_flash_attention: bool = inert(False)
    op_parallel_config: Any = inert(None)
    embed_parallel_config: Any = inert(None)

    def __post_init__(self) -> None:
        self.validate()
        for name, value in special_ids(self.vocab_size, {n: getattr(self, n) for n in ID_NAMES}).items():
            setattr(self, name, value)

    @classmethod
    def completed(cls, settings: Mapping[str, Any], tokenizer: Any, rows: int | None) -> dict[str, Any]:
        """A recipe's block with what follows from elsewhere: the rows from the checkpoint, the ids from the tokenizer.

        Args:
            settings: the block.
            tokenizer: a `ChatGLMTokenizer`, or None.
            rows: of the checkpoint's word table; None where there is none.

        Raises:
            InputError: the word table is not for these ids: another tokenizer, or the other vocabulary.
        """
        filled = dict(settings)
        if rows and filled.get("vocab_size"):
            check_rows("load_checkpoint", rows, int(filled["vocab_size"]))
        if tokenizer is None:
            return filled | ({} if filled.get("vocab_size") else {"vocab_size": rows or ROWS})
        size = int(filled.get("vocab_size") or rows or tokenizer.smallest_table)
        tokenizer.check_rows(size)
        own = {name: getattr(tokenizer, name) for name in ID_NAMES}
        return {**filled, "vocab_size": size} | {n: v for n, v in own.items() if filled.get(n) is None}

    @property
    def ffn_size(self) -> int:
        """F, neurons of a feed-forward."""
        return self.inner_hidden_size or 4 * self.hidden_size

    @property
    def tie_word_embeddings(self) -> bool:
        """The head is always the word table."""
        return True

    @property
    def experts(self) -> None:
        """This family has no experts."""
        return None

    def modality_table(self) -> np.ndarray:
        """int32 [V]: the modality of every id, which is text (0)."""
        return np.zeros(self.vocab_size, np.int32)

    def count_parameters(self) -> int:
        """Number of weights, without building any."""
        width, inner = self.hidden_size, self.ffn_size
        attention = width * 3 * width + 3 * width + width * width + width
        layer = attention + 2 * width * inner + inner + width + 4 * width
        return self.vocab_size * width + self.num_layers * layer + 2 * width

    def validate(self) -> None:
        """Raises InputError where keys contradict each other."""
        self.check_counts("seq_length", "hidden_size", "num_layers", "num_heads", "vocab_size")
        if self.hidden_size % self.num_heads or self.head_dim % 4:
            got = f"{self.num_heads} for hidden_size {self.hidden_size}"
            raise wrong_key("num_heads", got, "a head dimension that divides by 4, as its halves turn apart")
        if not self.position_encoding_2d:
            raise wrong_key("position_encoding_2d", "False", "True, as in ChatGLM-6B's first version")
        if self.activation_func.upper() != "GELU":
            raise wrong_key("activation_func", self.activation_func, "GELU")
