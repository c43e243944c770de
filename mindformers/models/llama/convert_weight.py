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

from mindformers.config import Recipe, load_recipe
from mindformers.dataset.command_line import CommandParser, run_command
from mindformers.models.llama.from_hf import import_hf
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.models.llama.to_hf import export_hf
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file
from mindformers.trainer.build import build_model_config, build_tokenizer, find_vocab_file, keep_tokenizer_beside

_TOKENIZER = "tokenizer.model"
_TYPES = ("float32", "float16", "bfloat16")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, or 2 where the input cannot be used."""
    flags = _parser().parse_args(argv)
    return run_command(lambda: _run(flags))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m mindformers.models.llama.convert_weight",
        description="Convert a Hugging Face LLaMA to our checkpoint (--output) or back (--checkpoint).",
    )
    add = parser.add_argument
    add("--config", required=True, metavar="YAML", help="the recipe of the network")
    add("--hf_dir", required=True, type=Path, metavar="DIR", help="the Hugging Face folder, to read or to write")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--output", type=Path, metavar="O.safetensors", help="our checkpoint, to write")
    way.add_argument("--checkpoint", type=Path, metavar="CKPT", help="our checkpoint or its folder, to read")
    add("--experts", type=Path, metavar="experts.npz", help="store neurons expert by expert (with --output)")
    add("--vocab_file", type=Path, metavar=_TOKENIZER, help="the tokenizer; else found beside the weights")
    add("--dtype", choices=_TYPES, help="number type to write; else each weight keeps its own")
    add("--max_shard_size", default="5GB", metavar="SIZE", help="largest file (with --checkpoint; default 5GB)")
    return parser


def _run(flags: argparse.Namespace) -> str:
    recipe = load_recipe(flags.config)
    try:
        return _to_ours(recipe, flags) if flags.output else _to_theirs(recipe, flags)
    except OSError as error:
        raise _input_error(error, flags.output or flags.hf_dir) from error


def _input_error(error: OSError, target: Path) -> InputError:
    name = str(error.filename or target)
    where = str(target) if name.endswith(".part") else name
    return InputError(f"'{where}'", error.strerror or str(error), "a place to read and write", "check it")


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
    """As the flag says, else beside the weights, else as the recipe says if that file is here, else none."""
    path = existing_file(given, "--vocab_file") if given else near
    if given or (path is not None and path.is_file()):
        recipe.processor.tokenizer.vocab_file = str(path)
    elif not Path(recipe.processor.tokenizer.vocab_file or "").is_file():
        recipe.processor.tokenizer.vocab_file = None
    return build_tokenizer(recipe) if find_vocab_file(recipe) else None


def _config(recipe: Recipe, tokenizer: LlamaTokenizer | None) -> LlamaConfig:
    config = build_model_config(recipe, tokenizer)
    if not isinstance(config, LlamaConfig):
        got = f"is a {type(config).__name__}"
        raise InputError("model.model_config.type", got, "LlamaConfig", "use the converter of that family")
    return config


if __name__ == "__main__":
    sys.exit(main())
