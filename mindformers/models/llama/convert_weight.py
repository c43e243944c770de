"""Hugging Face's LLaMA to our checkpoint and back, tensor by tensor: a 7B model needs memory for its largest tensor.

python -m mindformers.models.llama.convert_weight --hf_dir DIR --config YAML --output O.safetensors
    [--experts experts.npz] [--vocab_file tokenizer.model] [--dtype float32|float16|bfloat16]
python -m mindformers.models.llama.convert_weight --checkpoint CKPT --config YAML --hf_dir OUT
    [--max_shard_size 5GB] [--vocab_file tokenizer.model] [--dtype float32|float16|bfloat16]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mindformers.config import Recipe
from mindformers.models.convert_command import choose_tokenizer, conversion_parser, run_conversion
from mindformers.models.llama.from_hf import import_hf
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.models.llama.to_hf import export_hf
from mindformers.tools.errors import InputError
from mindformers.trainer.build import build_model_config, build_tokenizer, find_vocab_file, keep_tokenizer_beside

_TOKENIZER = "tokenizer.model"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, or 2 where the input cannot be used."""
    return run_conversion(_parser().parse_args(argv), _to_ours, _to_theirs)


def _parser() -> argparse.ArgumentParser:
    parser = conversion_parser(
        "python -m mindformers.models.llama.convert_weight",
        "Convert a Hugging Face LLaMA to our checkpoint (--output) or back (--checkpoint).",
        _TOKENIZER,
    )
    parser.add_argument(
        "--experts", type=Path, metavar="experts.npz", help="store neurons expert by expert (with --output)"
    )
    return parser


def _to_ours(recipe: Recipe, flags: argparse.Namespace) -> str:
    tokenizer = _tokenizer(recipe, flags.vocab_file, flags.hf_dir / _TOKENIZER)
    config = _config(recipe, tokenizer)
    written = import_hf(config, flags.hf_dir, flags.output, recipe.seed, flags.experts, flags.dtype)
    if tokenizer is not None:
        keep_tokenizer_beside(tokenizer.vocab_file, flags.output.parent)
    return f"{flags.output}: {written}, vocabulary of {config.vocab_size}"


def _to_theirs(recipe: Recipe, flags: argparse.Namespace) -> str:
    if flags.experts:
        got = "given with --checkpoint"
        raise InputError("--experts", got, "the order that the checkpoint records", "leave the flag out")
    checkpoint = flags.checkpoint
    if checkpoint.is_dir():
        from mindformers.trainer.checkpoint import find_checkpoint

        checkpoint = find_checkpoint(checkpoint)
    recipe.load_checkpoint = str(checkpoint)
    tokenizer = _tokenizer(recipe, flags.vocab_file, None)
    config = _config(recipe, tokenizer)
    written = export_hf(config, checkpoint, flags.hf_dir, tokenizer, flags.dtype, flags.max_shard_size)
    return f"{flags.hf_dir}: {written}, vocabulary of {config.vocab_size}"


def _tokenizer(recipe: Recipe, given: Path | None, near: Path | None) -> LlamaTokenizer | None:
    choose_tokenizer(recipe, given, near)
    return build_tokenizer(recipe) if find_vocab_file(recipe) else None


def _config(recipe: Recipe, tokenizer: LlamaTokenizer | None) -> LlamaConfig:
    config = build_model_config(recipe, tokenizer)
    if not isinstance(config, LlamaConfig):
        got = f"is a {type(config).__name__}"
        raise InputError("model.model_config.type", got, "LlamaConfig", "use the converter of that family")
    return config


if __name__ == "__main__":
    sys.exit(main())
