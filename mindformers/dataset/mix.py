"""Mix folders of instructions into one training and one development table.

    python -m mindformers.dataset.mix --input data/medical data/general --output data/mixed [--dataset_type alpaca]

Every row stands once; rows with the same prompt stand in the same table. What cannot be read is reported with file,
line and reason, and the rest is used.
"""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path

from mindformers.dataset.command_line import CommandParser, run_command
from mindformers.dataset.mix_formats import FORMATS
from mindformers.dataset.mixing import SPLITS, InputCounts, MixOptions, MixReport, mix, table_path
from mindformers.dataset.sources import source_names
from mindformers.dataset.templates import template_names

_SHOWN_BAD_ROWS = 20
_COLUMNS = ("files", "rows_read", "bad_rows", "duplicate_rows", "train_rows", "dev_rows")


def main(words: list[str]) -> int:
    """Run with these arguments; returns the exit status."""
    options = MixOptions(**vars(_parser().parse_args(words)))

    def command() -> str:
        report = mix(options)
        _tell_bad_rows(report, options)
        return _table(report, options)

    return run_command(command)


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m mindformers.dataset.mix", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--input", dest="inputs", nargs="+", required=True, metavar="DIR_OR_FILE", help="what to mix, in any number")
    add("--output", required=True, type=Path, metavar="DIR", help="folder for mixed_train_dataset.jsonl and _dev_")
    add("--dataset_type", default="alpaca", help=f"format of the inputs: {', '.join(source_names())} (alpaca)")
    add("--format", default="context_target", choices=FORMATS, help="format of the tables (context_target)")
    add("--template", help=f"how contexts are written: {', '.join(template_names())} (alpaca; plain for ready ones)")
    add("--dev", type=float, default=0.1, metavar="SHARE", help="share of prompts in the development table (0.1)")
    add("--seed", type=int, default=0, metavar="N", help="another seed splits, chooses and orders otherwise (0)")
    add("--max_per_input", type=int, metavar="N", help="most rows of one input, chosen by hash (all)")
    add("--report", type=Path, metavar="R.json", help="write the counts and every bad row")
    return parser


def _tell_bad_rows(report: MixReport, options: MixOptions) -> None:
    for row in report.bad[:_SHOWN_BAD_ROWS]:
        sys.stderr.write(f"bad row: {row}\n")
    rest = len(report.bad) - _SHOWN_BAD_ROWS
    if rest > 0:
        where = f"all in {options.report}" if options.report else "named by --report FILE"
        sys.stderr.write(f"bad rows: {rest} more, {where}\n")


def _table(report: MixReport, options: MixOptions) -> str:
    width = max(len("total"), *(len(counts.name) for counts in report.inputs))
    total = InputCounts("total", *(report.total(name) for name in _COLUMNS))
    head = "  ".join(["input".ljust(width), *(name.replace("_", " ").rjust(14) for name in _COLUMNS)])
    lines = [
        "  ".join([counts.name.ljust(width), *(str(getattr(counts, name)).rjust(14) for name in _COLUMNS)])
        for counts in [*report.inputs, total]
    ]
    return "\n".join([head, *lines, *(str(table_path(options.output, split)) for split in SPLITS)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
