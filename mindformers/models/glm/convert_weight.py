"""Published ChatGLM-6B weights to our checkpoint and back, tensor by tensor: memory for the largest tensor is enough.

python -m mindformers.models.glm.convert_weight --hf_dir DIR --config YAML --output O.safetensors
    [--vocab_file ice_text.model] [--dtype float32|float16|bfloat16]
python -m mindformers.models.glm.convert_weight --checkpoint CKPT --config YAML --hf_dir OUT
    [--max_shard_size 5GB] [--vocab_file ice_text.model] [--dtype float32|float16|bfloat16]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mindformers.config import Recipe
from mindformers.models.convert_command import choose_tokenizer, conversion_parser, run_conversion
from mindformers.models.glm.glm_config import GLMConfig
from mindformers.models.glm.hf_config import shape_settings
from mindformers.models.glm.hf_weights import export_hf, import_hf, published_rows
from mindformers.models.hf_folder import CONFIG_NAME, read_config
from mindformers.tools.errors import InputError
from mindformers.trainer.build import build_model_config, build_tokenizer, find_vocab_file, keep_tokenizer_beside
from mindformers.trainer.checkpoint_files import find_checkpoint

_TOKENIZER = "ice_text.model"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, or 2 where the input cannot be used."""
    return run_conversion(_parser().parse_args(argv), _to_ours, _to_theirs)


def _parser() -> argparse.ArgumentParser:
    return conversion_parser(
        "python -m mindformers.models.glm.convert_weight",
        "Convert published ChatGLM-6B weights to our checkpoint (--output) or back (--checkpoint).",
        _TOKENIZER,
    )


def _check_family(recipe: Recipe) -> None:
    kind = recipe.model.model_config.get("type")
    if kind != GLMConfig.__name__:
        raise InputError("model.model_config.type", f"is {kind}", "GLMConfig", "use the converter of that family")


def _to_ours(recipe: Recipe, flags: argparse.Namespace) -> str:
    _check_family(recipe)
    rows = published_rows(flags.hf_dir)
    tokenizer = _tokenizer(recipe, flags.vocab_file, flags.hf_dir / _TOKENIZER, rows)
    if (flags.hf_dir / CONFIG_NAME).is_file():
        _take_shape(recipe, shape_settings(flags.hf_dir, read_config(flags.hf_dir), rows))
    config = build_model_config(recipe, tokenizer, rows)
    written = import_hf(config, flags.hf_dir, flags.output, flags.dtype)
    if tokenizer is not None:
        keep_tokenizer_beside(tokenizer.vocab_file, flags.output.parent)
    return f"{flags.output}: {written}, vocabulary of {config.vocab_size}"


def _to_theirs(recipe: Recipe, flags: argparse.Namespace) -> str:
    _check_family(recipe)
    checkpoint = find_checkpoint(flags.checkpoint)
    recipe.load_checkpoint = str(checkpoint)
    tokenizer = _tokenizer(recipe, flags.vocab_file, checkpoint.parent / "tokenizer.model", None)
    config = build_model_config(recipe, tokenizer)
    written = export_hf(config, checkpoint, flags.hf_dir, tokenizer, flags.dtype, flags.max_shard_size)
    return f"{flags.hf_dir}: {written}, vocabulary of {config.vocab_size}"


def _take_shape(recipe: Recipe, found: dict[str, Any]) -> None:
    """Hold the folder's `config.json` against the recipe; what the recipe leaves out is taken from it."""
    settings = recipe.model.model_config
    wrong = [f"{key} {value}, recipe {settings[key]}" for key, value in found.items() if _differs(settings, key, value)]
    if wrong:
        got, expected = f"differs from the recipe: {' / '.join(wrong)}", "the same network"
        raise InputError(f"'{CONFIG_NAME}'", got, expected, "correct model.model_config, or take other weights")
    settings.update(found)


def _differs(settings: dict[str, Any], key: str, value: Any) -> bool:
    given = settings.get(key)
    return given is not None and float(given) != float(value)


def _tokenizer(recipe: Recipe, given: Path | None, near: Path, rows: int | None) -> Any:
    choose_tokenizer(recipe, given, near)
    return build_tokenizer(recipe, rows) if find_vocab_file(recipe) else None


if __name__ == "__main__":
    sys.exit(main())
