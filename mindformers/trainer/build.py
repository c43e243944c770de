"""From a recipe to the parts of a run: tokenizer, configuration, network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mindformers.config import Recipe
from mindformers.modalities.vocabulary import SEQUENCE_MODALITIES, ModalityVocabulary
from mindformers.models import registered
from mindformers.models.checkpoint_file import open_checkpoint
from mindformers.tools.errors import InputError
from mindformers.tools.files import replaced_file
from mindformers.tools.registry import MindFormerModuleType
from mindformers.trainer.checkpoint_files import find_checkpoint

_BESIDE = ("tokenizer.model", "ice_text.model")
_LLAMA2_PIECES = 32000
VOCABULARY_TABLE = ".embedding_weight"


def find_vocab_file(recipe: Recipe) -> Path | None:
    """The tokenizer's model: as the recipe says, else one under its usual name in a folder near the checkpoint."""
    given = recipe.processor.tokenizer.vocab_file
    if given:
        return Path(given)
    start = Path(recipe.load_checkpoint) if recipe.load_checkpoint else None
    places = [start, *list(start.parents)[:2]] if start else []
    found = (place / name for place in places for name in _BESIDE)
    return next((path for path in found if path.is_file()), None)


def keep_tokenizer_beside(vocab_file: str | Path, folder: Path) -> None:
    """Copy a tokenizer's model into a folder of weights that has none, so that the folder is complete in itself."""
    target = folder / _BESIDE[0]
    if not target.exists():
        with replaced_file(target) as beside:
            shutil.copyfile(vocab_file, beside)


def build_tokenizer(recipe: Recipe, rows: int | None = None) -> Any:
    """The tokenizer of a recipe.

    Args:
        recipe: the recipe.
        rows: of the vocabulary table, where a file that is no checkpoint tells them.

    Raises:
        InputError: there is no vocabulary file.
    """
    path = find_vocab_file(recipe)
    if path is None:
        raise InputError(
            "processor.tokenizer.vocab_file",
            "not given",
            "a SentencePiece tokenizer.model",
            "pass --processor.tokenizer.vocab_file FILE",
        )
    settings = recipe.processor.tokenizer
    kind = registered(MindFormerModuleType.TOKENIZER, settings.type, "processor.tokenizer.type")
    wanted = recipe.model.model_config.get("vocab_size")
    if hasattr(kind, "of_recipe"):
        size = int(wanted) if wanted else rows or vocabulary_rows(recipe)
        return kind.of_recipe(path, recipe, size)
    names = ("unk_token", "bos_token", "eos_token", "pad_token", "padding_side", "add_bos_token", "add_eos_token")
    given = {name: value for name in names if (value := getattr(settings, name)) is not None}
    tokenizer = kind(path, modalities=settings.modalities or SEQUENCE_MODALITIES, **given)
    if settings.modalities is None and wanted is not None and int(wanted) < len(tokenizer):
        return kind(path, modalities=fitting_modalities(tokenizer.num_text_tokens, int(wanted)), **given)
    return tokenizer


def tokenizer_if_any(recipe: Recipe) -> Any:
    """The tokenizer of a recipe, or None where there is no vocabulary file."""
    return build_tokenizer(recipe) if find_vocab_file(recipe) else None


def fitting_modalities(num_text_tokens: int, vocab_size: int) -> list[str]:
    """The first modalities of the table whose tokens find room between the text pieces and the vocabulary's end."""
    names: list[str] = []
    for name in SEQUENCE_MODALITIES:
        if len(ModalityVocabulary(num_text_tokens, [*names, name])) + num_text_tokens > vocab_size:
            break
        names.append(name)
    return names


def vocabulary_rows(recipe: Recipe) -> int | None:
    """Rows of the vocabulary table in the recipe's checkpoint; None where there is no checkpoint or no such table.

    Raises:
        InputError: the checkpoint is missing or damaged.
    """
    if not recipe.load_checkpoint:
        return None
    tensors = open_checkpoint(find_checkpoint(recipe.load_checkpoint), "load_checkpoint").tensors
    return next((stored.shape[0] for name, stored in tensors.items() if name.endswith(VOCABULARY_TABLE)), None)


def build_model_config(recipe: Recipe, tokenizer: Any | None = None, rows: int | None = None) -> Any:
    """The network's configuration. What the tokenizer knows (vocabulary, special ids) is derived from it.

    Args:
        recipe: the recipe.
        tokenizer: its tokenizer; None where there is none.
        rows: as `build_tokenizer`.

    Raises:
        InputError: a key that is unknown or wrong, or a vocabulary smaller than the tokenizer's.
    """
    settings = dict(recipe.model.model_config)
    settings.pop("pet_config", None)  # of what is trained beside the network, see `adapting`
    kind = registered(MindFormerModuleType.CONFIG, settings.get("type", "LlamaConfig"), "model.model_config.type")
    if hasattr(kind, "completed"):
        settings = kind.completed(settings, tokenizer, rows or vocabulary_rows(recipe))
    elif tokenizer:
        _fill_from_tokenizer(settings, tokenizer)
    else:
        _fill_from_base(settings)
    return kind.from_mapping(settings)


def config_with_routing(recipe: Recipe, routing: str) -> Any:
    """The network's configuration, routed in another way than the recipe says.

    Raises:
        InputError: the recipe has no experts.
    """
    config = build_model_config(recipe, tokenizer_if_any(recipe))
    if config.experts is None:
        key, expected = "model.model_config.experts", "num_experts and top_k"
        raise InputError(key, "not given", expected, "add the block to the recipe")
    config.experts.routing = routing
    return config


def _fill_from_tokenizer(settings: dict[str, Any], tokenizer: Any) -> None:
    if int(settings.setdefault("vocab_size", len(tokenizer))) < len(tokenizer):
        raise InputError(
            "model.model_config.vocab_size",
            str(settings["vocab_size"]),
            f"at least the tokenizer's {len(tokenizer)}",
            "leave the key out: it follows from the tokenizer",
        )
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        settings[name] = getattr(tokenizer, name)
    if tokenizer.modalities:
        _set_modalities(settings, tokenizer.num_text_tokens, tokenizer.modalities)


def _fill_from_base(settings: dict[str, Any]) -> None:
    """Without a tokenizer: LLaMA-2's pieces with as many modalities as the vocabulary has room for."""
    size = int(settings.get("vocab_size", _LLAMA2_PIECES))
    names = fitting_modalities(_LLAMA2_PIECES, size)
    if names and "base_vocab_size" not in settings:
        _set_modalities(settings, _LLAMA2_PIECES, names)


def _set_modalities(settings: dict[str, Any], base: int, names: list[str]) -> None:
    settings["base_vocab_size"] = base
    if settings.get("experts"):
        settings["experts"] = {"modalities": list(names), **settings["experts"]}


def build_network(recipe: Recipe, config: Any, random: bool) -> Any:
    """The network, with random weights of the recipe's seed, or with zeros for a checkpoint to fill."""
    kind = registered(MindFormerModuleType.MODELS, recipe.model.arch.type, "model.arch.type")
    return kind(config, seed=recipe.seed if random else None)
