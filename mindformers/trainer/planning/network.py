"""The network of a recipe in numbers: what it holds, what of it is trained, what a token costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mindformers.config import Recipe
from mindformers.models import cutting_obstacle, registered
from mindformers.models.footprint import Footprint, Weight
from mindformers.pet.lora_config import LoraConfig
from mindformers.pet.names import LORA_A, base_weight_of, is_cut_beside
from mindformers.tools.errors import InputError
from mindformers.tools.registry import MindFormerModuleType
from mindformers.trainer.build import build_model_config, build_tokenizer, find_vocab_file


@dataclass(frozen=True)
class Network:
    """What is planned for.

    Args:
        config: the network's configuration.
        footprint: what its family knows.
        base: name -> weight of the network itself; frozen where an adapter is trained.
        adapter: name -> weight of what LoRA trains beside it.
        lora: its settings, None where everything is trained.
        arch: name of the network's class.
    """

    config: Any
    footprint: Footprint
    base: dict[str, Weight]
    adapter: dict[str, Weight]
    lora: LoraConfig | None
    arch: str

    @property
    def weights(self) -> list[Weight]:
        """All weights."""
        return [*self.base.values(), *self.adapter.values()]

    @property
    def num_parameters(self) -> int:
        """Numbers in the network's weights, those of an adapter left out."""
        return sum(weight.size for weight in self.base.values())

    @property
    def num_trained(self) -> int:
        """Numbers that are trained."""
        return sum(weight.size for weight in self.weights if weight.is_trained)

    @property
    def num_adapted_cells(self) -> int:
        """Linear layers with a low-rank addition."""
        return sum(name.endswith(LORA_A) for name in self.adapter)

    def obstacle(self, parts: int) -> str:
        """What was expected in place of so many tensor-parallel parts; empty where they fit."""
        return cutting_obstacle(self.arch, self.config, parts)

    def flops_per_token(self) -> float:
        """Operations for a token, forward and backward: 6 per weight of a product, 4 where it is frozen, attention."""
        products = sum(w.size * (6 if w.is_trained else 4) for w in self.weights if w.is_product)
        return products + self.footprint.attention_flops()


def network_of(recipe: Recipe, has_kernels: bool = True) -> Network:
    """The network that a recipe trains.

    Args:
        recipe: the recipe; its tokenizer is read where it exists.
        has_kernels: whether a CPU has the native operators.

    Raises:
        InputError: the recipe's settings are wrong, or neither they nor a tokenizer tell the size of the vocabulary.
    """
    config = build_model_config(replace(recipe, load_checkpoint=""), _tokenizer(recipe))  # of weights nothing is read
    kind = registered(MindFormerModuleType.FOOTPRINT, type(config).__name__, "model.model_config.type")
    footprint = kind(config, recipe.context.device_target, has_kernels)
    base, arch = dict(footprint.weights()), recipe.model.arch.type
    block = recipe.model.model_config.get("pet_config")
    if block is None:
        return Network(config, footprint, base, {}, None, arch)
    lora = LoraConfig.from_mapping(block)
    shapes = {name: weight.shape for name, weight in base.items() if ".router." not in name}
    new = lora.weight_shapes(shapes, config.vocab_size, getattr(config, "first_modality_id", config.vocab_size))
    frozen = {name: replace(weight, is_trained=False) for name, weight in base.items()}
    adapter = {name: Weight(shape, _cut_beside(base, name), is_product=True) for name, shape in new.items()}
    return Network(config, footprint, frozen, adapter, lora, arch)


def _cut_beside(base: Mapping[str, Weight], name: str) -> int | None:
    """The axis by which an adapter's weight is split, as the weight beside it."""
    axis = base[base_weight_of(name)].cut
    return axis if is_cut_beside(name, axis) else None


def _tokenizer(recipe: Recipe) -> Any:
    path = find_vocab_file(recipe)
    if path is not None and path.is_file():
        return build_tokenizer(recipe)
    if "vocab_size" in recipe.model.model_config:
        return None
    got = "not given" if path is None else f"no file '{path}', which the vocabulary's size would follow from"
    next_step = "pass it, or --model.model_config.vocab_size N"
    raise InputError("processor.tokenizer.vocab_file", got, "a SentencePiece tokenizer.model", next_step)
