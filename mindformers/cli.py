"""Run mode to function, and errors to exit statuses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from mindformers.config import load_recipe, parse_arguments, warn_unused_flags
from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_FAILURE, EXIT_OK, InputError, RunError
from mindformers.tools.files import is_no_room, no_room_line
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)


class _Work(NamedTuple):
    """Where the function of a run mode is; a plan needs nothing of what the others load."""

    module: str
    function: str


_RUN_MODES = {
    "train": _Work("mindformers.trainer.runner", "train"),
    "finetune": _Work("mindformers.trainer.runner", "train"),
    "eval": _Work("mindformers.trainer.runner", "evaluate"),
    "predict": _Work("mindformers.trainer.runner", "predict"),
    "split_experts": _Work("mindformers.trainer.expert_split", "split_experts"),
    "tune_routers": _Work("mindformers.trainer.router_tuning", "tune_routers"),
    "expert_report": _Work("mindformers.trainer.expert_report", "expert_report"),
    "export": _Work("mindformers.trainer.exporting", "export"),
    "chat": _Work("mindformers.trainer.chat", "chat_in_terminal"),
    "plan": _Work("mindformers.trainer.planning.command", "plan"),
}


def main(argv: Sequence[str]) -> int:
    """Run one command line of run_mindformer.py.

    Returns:
        0 on success, 2 on unusable input and 1 on a run that cannot go on (both said in one line on standard error),
        1 on a fault of ours.
    """
    return guarded(lambda: _run(argv))


def guarded(work: Callable[[], Any]) -> int:
    """Do some work; the exit status says how it ended."""
    try:
        work()
    except InputError as error:
        sys.stderr.write(f"error: {error.line()}\n")
        return EXIT_BAD_INPUT
    except RunError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FAILURE
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; files already written stay valid\n")
        return 130
    except Exception as error:
        if is_no_room(error):
            sys.stderr.write(f"error: {no_room_line(error)}\n")
        else:
            logger.exception("this is a fault of ours, please report it with the lines below")
        return EXIT_FAILURE
    return EXIT_OK


def _run(argv: Sequence[str]) -> None:
    flags, overrides = parse_arguments(argv)
    if not flags.config:
        raise InputError("--config", "not given", "a recipe", "pass --config configs/llama2/NAME.yaml")
    recipe = load_recipe(flags.config, overrides)
    if not flags.run_mode:
        warn_unused_flags(flags, recipe.run_mode)
    work = _RUN_MODES[recipe.run_mode]
    getattr(import_module(work.module), work.function)(recipe, flags)
