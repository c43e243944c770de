"""`python -m mindformers.dataset.lpm24`: flags, the printed figures and the exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mindformers.dataset.lpm24.prepare import Options, prepare
from mindformers.dataset.lpm24.splitting import KEYS
from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_OK, InputError

_PRINTED = (
    "rows_read",
    "bad_rows",
    "duplicate_rows",
    "too_long_rows",
    "eval_rows",
    "withheld_combo_rows",
    "train_rows",
    "test_rows",
    "property_sets",
    "test_property_sets_not_in_train",
    "mean_caption_words",
    "most_frequent_caption_share_of_test",
    "most_frequent_caption_bleu2",
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError("arguments", message, "the flags listed by --help", "correct the command")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 done, 2 unusable input."""
    try:
        report = prepare(Options(**vars(_parser().parse_args(argv))))
    except (InputError, OSError) as error:
        sys.stderr.write(f"error: {_input_error(error).line()}\n")
        return EXIT_BAD_INPUT
    sys.stdout.write(_table(report))
    return EXIT_OK


def _input_error(error: InputError | OSError) -> InputError:
    if isinstance(error, InputError):
        return error
    return InputError(str(error.filename or "file"), error.strerror or str(error), "a usable path", "check the path")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("mindformers.dataset.lpm24", description="Prepare L+M-24 for training and prediction.")
    add = parser.add_argument
    add("--source", required=True, type=Path, metavar="DIR_OR_FILE", help="a published file or a folder of them")
    add("--output", required=True, type=Path, metavar="DIR", help="folder of the layout, e.g. LPM-24-data")
    add("--task", choices=("smiles2text", "text2smiles", "both"), default="both")
    add("--holdout", type=float, default=0.02, metavar="SHARE", help="share of molecules held out for test (0.02)")
    add("--split_by", choices=tuple(KEYS), default="molecule", help="connectivity: stereoisomers stay on one side too")
    add("--withheld_combos", type=Path, metavar="F", help="property combinations whose molecules are held out as well")
    add("--seed", type=int, default=0, metavar="N", help="another seed splits, chooses and words differently (0)")
    add("--wording", choices=("steady", "varied"), default="steady", help="of captions from properties (steady)")
    add("--captions_per_molecule", type=int, default=1, metavar="N", help="training captions, with varied wording (1)")
    add("--max_molecules", type=int, metavar="N", help="most rows in all, chosen by hash")
    add("--max_per_property_set", type=int, metavar="N", help="most rows with the same property set, chosen by hash")
    add("--max_smiles_length", type=int, metavar="N", help="leave longer molecules out, in characters")
    add("--report", type=Path, metavar="R.json", help="write counts, figures and every bad row")
    add("--workers", type=int, default=0, metavar="N", help="processes for RDKit (as many as processors, at most 4)")
    return parser


def _table(report: dict[str, Any]) -> str:
    rows = [(name.replace("_", " "), report[name]) for name in _PRINTED]
    lines = [f"{name:<40}{'-' if value is None else value}" for name, value in rows]
    return "\n".join([*lines, f"{'files written':<40}{len(report['files_written'])}", ""])
