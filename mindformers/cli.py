"""Run mode to function, and errors to exit statuses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from mindformers.config import load_recipe, parse_arguments, warn_unused_flags
from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_FAILURE, EXIT_OK, InputError, RunError
from mindformers.tools.files import is_no_room, no_room_line
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)


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
    _refuse_what_is_missing(recipe.run_mode)
    _run_modes()[recipe.run_mode](recipe, flags)


def _refuse_what_is_missing(run_mode: str) -> None:
    """A mode of the interface that this version does not have is refused, never ignored."""
    if run_mode not in _run_modes():
        got, expected = "not part of this version", "a command without it"
        raise InputError(f"--run_mode {run_mode}", got, expected, "see README.md for what there is")


def _run_modes() -> dict[str, Callable[..., Any]]:
    from mindformers.trainer import runner
    from mindformers.trainer.chat import chat_in_terminal
    from mindformers.trainer.expert_report import expert_report
    from mindformers.trainer.expert_split import split_experts
    from mindformers.trainer.exporting import export
    from mindformers.trainer.router_tuning import tune_routers

    return {
        "train": runner.train,
        "finetune": runner.train,
        "eval": runner.evaluate,
        "predict": runner.predict,
        "split_experts": split_experts,
        "tune_routers": tune_routers,
        "expert_report": expert_report,
        "export": export,
        "chat": chat_in_terminal,
    }
