"""`model.model_config.pet_config`: what LoRA trains, in MindFormers 0.8's words."""

# ruff: noqa: RUF009 - `inert` makes a dataclass field, as `field` does

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mindformers.config import decode, inert
from mindformers.pet.names import LORA_A, LORA_B, NEW_ROWS, linear_cells, vocabulary_tables, weight_of
from mindformers.pet.targets import matching
from mindformers.tools.errors import InputError

PET_CONFIG = "model.model_config.pet_config"
Shapes = Mapping[str, tuple[int, ...]]


@dataclass
class LoraConfig:
    """Low-rank adaptation (Hu et al. 2021, equation 3): y = W x + alpha / r * B A dropout(x), of which A and B learn.

    Args:
        pet_type: `lora`.
        target_modules: the linear layers that get it: a regular expression that fits whole names, e.g. `.*wq|.*wv`, or
            a list of names or last parts of names.
        exclude_layers: layers that do not get it although they are meant by `target_modules`; written as these.
        lora_rank: r.
        lora_alpha: the scale is `lora_alpha / lora_rank`.
        lora_dropout: share of the inputs of A that are zero in training, at least 0 and below 1.
        train_new_tokens: whether the rows of embedding and head behind the base vocabulary are trained as well, all of
            them; the other rows stay.
    """

    target_modules: str | list[str]
    pet_type: Literal["lora"] = "lora"
    exclude_layers: str | list[str] | None = None
    lora_rank: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.01
    train_new_tokens: bool = True
    lora_a_init: str | None = inert()
    lora_b_init: str | None = inert()
    param_init_type: str | None = inert()
    compute_dtype: str | None = inert()
    freeze_include: list[str] | None = inert()
    freeze_exclude: list[str] | None = inert()

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], where: str = PET_CONFIG) -> LoraConfig:
        """From a recipe's block. Raises InputError naming the key that is at fault."""
        settings = decode(cls, mapping, where)
        _check(settings.lora_rank >= 1, f"{where}.lora_rank", settings.lora_rank, "1 or more")
        _check(settings.lora_alpha > 0, f"{where}.lora_alpha", settings.lora_alpha, "a number above 0")
        _check(0 <= settings.lora_dropout < 1, f"{where}.lora_dropout", settings.lora_dropout, "at least 0, below 1")
        return settings

    def targets_among(self, cells: list[str]) -> list[str]:
        """The linear layers, of these, that get A and B.

        Raises:
            InputError: a pattern means none of them, or none is left.
        """
        chosen = matching(cells, self.target_modules, f"{PET_CONFIG}.target_modules")
        if not self.exclude_layers:
            return chosen
        left_out = matching(cells, self.exclude_layers, f"{PET_CONFIG}.exclude_layers")
        kept = [name for name in chosen if name not in left_out]
        _check(bool(kept), f"{PET_CONFIG}.exclude_layers", self.exclude_layers, "at least one layer to be left")
        return kept

    def weight_shapes(self, base: Shapes, vocab_size: int, base_vocab_size: int) -> dict[str, tuple[int, ...]]:
        """Name -> shape of what is trained beside a base, without building either.

        Args:
            base: name -> shape of the base's weights.
            vocab_size: rows of its vocabulary tables.
            base_vocab_size: those of them that are not new.

        Raises:
            InputError: a pattern means nothing, or the rank is larger than a layer.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for cell in self.targets_among(linear_cells(base)):
            rows, columns = base[weight_of(cell)]
            most = f"at most {min(rows, columns)}, the smaller side of {cell}"
            _check(self.lora_rank <= min(rows, columns), f"{PET_CONFIG}.lora_rank", self.lora_rank, most)
            shapes |= {cell + LORA_A: (self.lora_rank, columns), cell + LORA_B: (rows, self.lora_rank)}
        if self.train_new_tokens and base_vocab_size < vocab_size:
            for name in vocabulary_tables(base, vocab_size):
                shapes[name + NEW_ROWS] = (vocab_size - base_vocab_size, base[name][1])
        return shapes


def _check(is_fine: bool, key: str, got: object, expected: str) -> None:
    if not is_fine:
        raise InputError(key, f"got {got}", expected, "correct the value")
