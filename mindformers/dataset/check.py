"""Check a training and a test set before they are used.

    python -m mindformers.dataset.check --train F [--test F] --dataset_type T [--model_file TOKENIZER --seq_length N]
        [--report R.json] [--page P.html] [--fail_on leakage]

Found are rows that cannot be read, are empty or too long, invalid molecules, repetitions by canonical SMILES and
InChIKey, and leakage from train to test: the same row, molecule, InChIKey, connectivity or sequence. Findings are
reported and the status is 0; with --fail_on it is 2 where one of the named groups has any.
"""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path

from mindformers.dataset.checks.findings import GROUPS, KINDS
from mindformers.dataset.checks.page import render_page
from mindformers.dataset.checks.rows import LPM24
from mindformers.dataset.checks.survey import CheckOptions, Survey, require_none, survey
from mindformers.dataset.command_line import CommandParser, run_command
from mindformers.dataset.sources import source_names
from mindformers.tools.files import write_text

_SHOWN = 3


def main(words: list[str]) -> int:
    """Run with these arguments; returns the exit status."""
    flags = vars(_parser().parse_args(words))
    model_file = flags.pop("model_file")
    options = CheckOptions(**{name: tuple(v) if isinstance(v, list) else v for name, v in flags.items()})

    def command() -> str:
        tokenizer = None
        if model_file:
            from mindformers import LlamaTokenizer

            tokenizer = LlamaTokenizer(model_file)
        found = survey(options, tokenizer)
        if options.page:
            write_text(options.page, render_page(found))
        text = describe(found)
        if options.fail_on:
            sys.stdout.write(text + "\n")
            require_none(found)
            return "none of " + ", ".join(options.fail_on)
        return text

    return run_command(command)


def describe(found: Survey) -> str:
    """The figures and the first findings of every kind, as lines for a terminal."""
    lines = []
    for split, figures in found.sets.items():
        sizes = figures.summary(found.unit)["lengths"]
        sums = ", ".join(f"{sizes[name]['sum']:,.0f} {name}" for name in sizes)
        lines.append(f"{split}: {figures.rows:,} rows; {found.unit}: {sums or 'none'}")
    for kind, (_, words) in KINDS.items():
        if number := found.findings.count(kind):
            lines.append(f"{words}: {number:,}")
            kept = found.findings.kept[kind]
            lines += [f"    {one.split} {one.row.file} line {one.row.line}: {one.reason}" for one in kept[:_SHOWN]]
            lines += [f"    and {number - _SHOWN:,} more"] * (number > _SHOWN)
    if coverage := found.labels:
        missing = coverage.get("test_labels_not_in_train")
        lines.append(
            f"labels: {coverage['labels']:,}, {coverage['labels_in_fewer_than_5_rows']:,} of them in fewer than 5 rows"
            + (f"; {missing:,} of the test set's are not in training" if missing is not None else "")
        )
    if not any(found.findings.count_group(group) for group in GROUPS):
        lines.append("no fault, no repetition, no leakage")
    return "\n".join(lines + [str(path) for path in (found.options.report, found.options.page) if path])


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m mindformers.dataset.check", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--train", nargs="+", required=True, metavar="F", help="files or patterns of the training set")
    add("--test", nargs="+", default=[], metavar="F", help="files or patterns of the test set")
    types = ", ".join([LPM24, *source_names()])
    add("--dataset_type", required=True, help=f"format: {types}. {LPM24}: the published files of L+M-24")
    add("--test_type", help="format of the test set where it is another one")
    add("--template", help="how conversations are written, for counting tokens (the format's own)")
    add("--model_file", help="the tokenizer; without it characters and words are counted")
    add("--seq_length", type=int, metavar="N", help="tokens the model sees; longer rows are reported")
    add("--report", type=Path, metavar="R.json", help="write figures and findings")
    add("--page", type=Path, metavar="P.html", help="write one page with histograms and drawings of molecules")
    add("--fail_on", nargs="+", default=[], metavar="GROUP", help=f"end with status 2 on any of {', '.join(GROUPS)}")
    add("--workers", type=int, metavar="N", help="processes (one per processor)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
