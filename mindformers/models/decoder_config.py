"""What the configurations of all families have: the same keys, read and written in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from mindformers.config.decode import decode
from mindformers.tools.errors import InputError


@dataclass
class DecoderConfig:
    """Keys of every family under MindFormers' names; lengths are in tokens.

    `use_past` False generates without a cache: slow, same answers.
    """

    batch_size: int = 1
    seq_length: int = 2048
    hidden_size: int = 4096
    num_heads: int = 32
    ignore_token_id: int = -100
    compute_dtype: str = "float16"
    layernorm_compute_type: str = "float32"
    softmax_compute_type: str = "float32"
    initializer_range: float = 0.02
    use_past: bool = True
    checkpoint_name_or_path: str = ""
    top_k: int = 0
    do_sample: bool = False
    repetition_penalty: float = 1.0
    min_new_tokens: int = 0
    stop: list[str] = field(default_factory=list)
    num_beams: int = 1
    length_penalty: float = 1.0
    num_return_sequences: int = 1

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], where: str = "model.model_config") -> Self:
        """A configuration from a recipe's block. Raises InputError naming the key that is at fault."""
        return decode(cls, mapping, where)

    @property
    def head_dim(self) -> int:
        """d = D / H."""
        return self.hidden_size // self.num_heads

    def check_counts(self, *names: str) -> None:
        """Raises InputError for a key of these that is below 1."""
        for name in names:
            if getattr(self, name) < 1:
                raise wrong_key(name, str(getattr(self, name)), "1 or more")

    def to_dict(self) -> dict[str, Any]:
        """All keys that have an effect, as plain values."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.metadata.get("inert")}


def wrong_key(key: str, got: str, expected: str) -> InputError:
    """The error of a key of a recipe's block."""
    return InputError(f"model.model_config.{key}", got, expected, "correct the recipe")
