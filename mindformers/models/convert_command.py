"""What the conversion commands of all families share: flags, the tokenizer that is meant, errors in one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from mindformers.config import Recipe, load_recipe
from mindformers.dataset.command_line import CommandParser, run_command
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file

_TYPES = ("float32", "float16", "bfloat16")
Way = Callable[[Recipe, argparse.Namespace], str]


def conversion_parser(prog: str, description: str, tokenizer: str) -> CommandParser:
    """Flags of a conversion to our checkpoint (`--output`) and back (`--checkpoint`).

    Args:
        prog: as the user types it.
        description: what it does.
        tokenizer: name of the family's tokenizer file.
    """
    parser = CommandParser(prog=prog, description=description)
    add = parser.add_argument
    add("--config", required=True, metavar="YAML", help="the recipe of the network")
    add("--hf_dir", required=True, type=Path, metavar="DIR", help="the Hugging Face folder, to read or to write")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--output", type=Path, metavar="O.safetensors", help="our checkpoint, to write")
    way.add_argument("--checkpoint", type=Path, metavar="CKPT", help="our checkpoint or its folder, to read")
    add("--vocab_file", type=Path, metavar=tokenizer, help="the tokenizer; else found beside the weights")
    add("--dtype", choices=_TYPES, help="number type to write; else each weight keeps its own")
    add("--max_shard_size", default="5GB", metavar="SIZE", help="largest file (with --checkpoint; default 5GB)")
    return parser


def run_conversion(flags: argparse.Namespace, to_ours: Way, to_theirs: Way) -> int:
    """Convert the way that the flags say. Returns the exit status: 0, or 2 where the input cannot be used."""

    def convert() -> str:
        recipe = load_recipe(flags.config)
        try:
            return to_ours(recipe, flags) if flags.output else to_theirs(recipe, flags)
        except OSError as error:
            raise _input_error(error, flags.output or flags.hf_dir) from error

    return run_command(convert)


def choose_tokenizer(recipe: Recipe, given: Path | None, near: Path | None) -> None:
    """The recipe's tokenizer becomes the flag's, else the one beside the weights, else its own if it is here, or none.

    Args:
        recipe: is changed in place.
        given: by `--vocab_file`.
        near: where one would stand beside the weights.

    Raises:
        InputError: the flag's file is missing.
    """
    settings = recipe.processor.tokenizer
    path = existing_file(given, "--vocab_file") if given else near
    if path is not None and path.is_file():
        settings.vocab_file = str(path)
    elif not Path(settings.vocab_file or "").is_file():
        settings.vocab_file = None


def _input_error(error: OSError, target: Path) -> InputError:
    name = str(error.filename or target)
    where = str(target) if name.endswith(".part") else name
    return InputError(f"'{where}'", error.strerror or str(error), "a place to read and write", "check it")
