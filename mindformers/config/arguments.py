"""The command line of run_mindformer.py: named flags, and any key of the recipe as `--a.b.c value`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import NoReturn

from mindformers.config.flags import FLAGS, GROUPS, Flag
from mindformers.config.scalars import to_bool, to_float, to_int
from mindformers.config.schema.recipe import Recipe
from mindformers.tools.errors import EXIT_BAD_INPUT, InputError
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)

Override = tuple[str, str]

_RECIPE_KEYS = frozenset(item.name for item in fields(Recipe))
_HELP = ("-h", "--help")
_METAVARS = {"text": "TEXT", "whole": "N", "number": "X", "bool": "True|False"}


def parse_arguments(argv: Sequence[str]) -> tuple[argparse.Namespace, list[Override]]:
    """Split a command line into flags and overrides of the recipe.

    Args:
        argv: the words after the program's name.

    Returns:
        The flags, one attribute each (`flags.predict_data`), None where not given; and `(dotted key, value)` pairs for
        `load_recipe`: flags that stand for a key, then `--options` and `--a.b.c value` in this order.

    Raises:
        SystemExit: status 2 after one line `error: ...`, or status 0 after `--help`.
    """
    parser = _parser()
    named, overrides = _split(list(argv), parser)
    flags = parser.parse_args(named)
    overrides = [*_mapped(flags), *_options(flags, parser), *overrides]
    if flags.run_mode:
        warn_unused_flags(flags, flags.run_mode)
    return flags, overrides


def warn_unused_flags(flags: argparse.Namespace, run_mode: str) -> list[str]:
    """Warn about each flag that was given and means nothing in a run mode.

    `parse_arguments` does so where `--run_mode` is given; call it after loading where the recipe names the mode.

    Returns:
        The names of those flags.
    """
    given = [flag for flag in FLAGS.values() if getattr(flags, flag.name) is not None]
    unused = [flag for flag in given if run_mode not in flag.modes]
    for flag in unused:
        modes = ", ".join(sorted(flag.modes))
        logger.warning("--%s has no effect with --run_mode %s; it belongs to: %s", flag.name, run_mode, modes)
    return [flag.name for flag in unused]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"error: {' '.join(message.split())}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="run_mindformer.py",
        usage="run_mindformer.py --config RECIPE [--run_mode MODE] [flags] [--any.key.of.the.recipe VALUE]",
        description="Train, evaluate and use a SciMind model as a recipe says.",
        epilog="Any key of the recipe is a flag too: --runner_config.epochs 3, --callbacks.1.prefix mine.",
        allow_abbrev=False,
    )
    for title, flags in GROUPS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            _add(group, flag)
    return parser


def _add(group: argparse._ArgumentGroup, flag: Flag) -> None:
    metavar = "|".join(flag.choices) if flag.choices else _METAVARS[flag.kind]
    group.add_argument(
        f"--{flag.name}",
        type=lambda text: _converted(flag, text),
        nargs="+" if flag.is_list else None,
        action="extend" if flag.is_list else "store",
        required=flag.name == "config",
        metavar=metavar,
        help=flag.help,
    )


def _converted(flag: Flag, text: str) -> object:
    """The value of a flag in its type."""
    try:
        value = {"bool": to_bool, "whole": to_int, "number": to_float}.get(flag.kind, lambda word, _: word)(text, "")
    except InputError as error:
        raise argparse.ArgumentTypeError(f"got '{text}'; expected {error.expected}") from error
    if flag.choices and value not in flag.choices:
        near = get_close_matches(text, flag.choices, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise argparse.ArgumentTypeError(f"got '{text}'; expected one of {', '.join(flag.choices)}{hint}")
    return value


def _split(words: list[str], parser: argparse.ArgumentParser) -> tuple[list[str], list[Override]]:
    """Named flags with their values, and the overrides among them."""
    named: list[str] = []
    overrides: list[Override] = []
    while words:
        word = words.pop(0)
        name, is_joined, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or word in _HELP or name in FLAGS:
            named.append(word)
        elif "." in name or name in _RECIPE_KEYS:
            overrides.append((name, value if is_joined else _value(name, words, parser)))
        else:
            parser.error(_unknown(name))
    return named, overrides


def _value(name: str, words: list[str], parser: argparse.ArgumentParser) -> str:
    if not words or words[0].startswith("--"):
        parser.error(f"--{name}: no value given; expected --{name} VALUE")
    return words.pop(0)


def _unknown(name: str) -> str:
    near = get_close_matches(name, [*FLAGS, *_RECIPE_KEYS], n=1)
    hint = f"did you mean '--{near[0]}'?" if near else "see --help for all flags"
    return f"--{name}: unknown flag; {hint}"


def _mapped(flags: argparse.Namespace) -> list[Override]:
    """Flags that stand for a key; the value as JSON, so that a path such as `007` stays text."""
    given = [flag for flag in FLAGS.values() if flag.key and getattr(flags, flag.name) is not None]
    cleared = [(flag.clears, "null") for flag in given if flag.clears]
    return cleared + [(flag.key, json.dumps(getattr(flags, flag.name), ensure_ascii=False)) for flag in given]


def _options(flags: argparse.Namespace, parser: argparse.ArgumentParser) -> list[Override]:
    pairs = []
    for option in flags.options or ():
        key, is_pair, value = option.partition("=")
        if not is_pair or not key:
            parser.error(f"--options: got '{option}'; expected KEY=VALUE")
        pairs.append((key, value))
    return pairs
