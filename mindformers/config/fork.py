"""Recipes of the published SciMind: they say nothing of experts, their code had the numbers built in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mindformers.config.schema.recipe import Recipe
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)

MASK_COLUMN = "molecular_mask"
BASE_VOCABULARY = 32000  # LLaMA-2's pieces: molecule tokens start here, whichever modalities follow them
NUM_EXPERTS, TEXT_EXPERTS, SEQUENCE_EXPERTS = 16, 14, 2


def is_published_fork(config: Recipe) -> bool:
    """Whether a recipe reads the column that only the published SciMind has."""
    return any(MASK_COLUMN in dataset.input_columns for dataset in (config.train_dataset, config.eval_dataset))


def published_experts() -> dict[str, Any]:
    """The `experts` block that the published code amounts to; proteins and nucleotides count as molecules do."""
    top_k = {"text": TEXT_EXPERTS} | dict.fromkeys(("molecule", "nucleotide", "protein"), SEQUENCE_EXPERTS)
    return {"num_experts": NUM_EXPERTS, "routing": "activation", "top_k": top_k}


def add_published_experts(config: Recipe, has_block: bool) -> None:
    """Write the published numbers into a recipe of the fork, under whatever an override already said.

    Args:
        config: changed in place.
        has_block: whether the file itself has an `experts` block, which then stays as it is.
    """
    if has_block or not is_published_fork(config):
        return
    network = config.model.model_config
    given = network.get("experts", {})
    if not isinstance(given, Mapping):
        return
    network["experts"] = _merged(published_experts(), given)
    network.setdefault("base_vocab_size", BASE_VOCABULARY)
    logger.info(
        "input column '%s': a recipe of the published SciMind; model.model_config.experts is set to %d experts, "
        "%d for text, %d for molecules, proteins and nucleotides",
        MASK_COLUMN,
        NUM_EXPERTS,
        TEXT_EXPERTS,
        SEQUENCE_EXPERTS,
    )


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = {**base, **over}
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            result[key] = _merged(base[key], value)
    return result
