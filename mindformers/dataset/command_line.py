"""What the commands of the data side share: flags, and errors as one line with an exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_FAILURE, EXIT_OK, InputError
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)


class CommandParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and status 2."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments and exit."""
        self.exit(EXIT_BAD_INPUT, f"error: {' '.join(message.split())}; see --help\n")


def parse_bool(text: str) -> bool:
    """`True` or `False`, in any case, as a flag's value."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"got '{text}', expected True or False")
    return words[text.lower()]


def run_command(command: Callable[[], str]) -> int:
    """Run a command and print what it returns.

    Args:
        command: returns the text for standard output.

    Returns:
        The exit status: 0, or 2 after one line on standard error for unusable input, or 1 after our own failure.
    """
    try:
        sys.stdout.write(command() + "\n")
        return EXIT_OK
    except InputError as error:
        sys.stderr.write(f"error: {error.line()}\n")
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted; nothing was written\n")
        return EXIT_FAILURE
    # The outermost frame of a command: whatever it is becomes status 1, with its traceback in the log.
    except Exception:
        logger.exception("this is a failure of the program, not of its input")
        return EXIT_FAILURE
