"""The command `python -m mindformers.evaluation`: read, score, print one table, write one JSON file."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from mindformers.evaluation.baseline import most_frequent_caption, read_answers
from mindformers.evaluation.report import Report
from mindformers.evaluation.scoring import evaluate
from mindformers.evaluation.table import format_report
from mindformers.evaluation.tasks import get_task, task_names
from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_OK, InputError
from mindformers.tools.files import write_json


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments; None takes the process's own.

    Returns:
        The exit status: 0, or 2 where the input cannot be used.
    """
    args = _parser().parse_args(argv)
    try:
        report = _run(args)
        print(format_report(report))
        if args.output:
            _save(report, args.output)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return EXIT_OK


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m mindformers.evaluation", description="Score a prediction file.")
    parser.add_argument("--task", required=True, choices=task_names())
    parser.add_argument("--predictions", required=True, metavar="F", help="a table, or one output a line")
    parser.add_argument("--references", metavar="F", help="ground truths, one a line, for one output a line")
    parser.add_argument("--text_tokenizer", metavar="VOCAB", help="a WordPiece vocab.txt (SciBERT's uncased)")
    parser.add_argument("--output", metavar="J.json", help="also write the report here")
    parser.add_argument("--skip", default="", metavar="NAMES", help="metrics to leave out, e.g. meteor,fcd")
    parser.add_argument("--baseline", metavar="TRAIN", help="also score a training file's most frequent answer")
    return parser


def _run(args: Namespace) -> Report:
    if args.output and Path(args.output).is_dir():
        raise InputError("--output", f"'{args.output}' is a folder", "the name of a JSON file")
    task = get_task(args.task)
    table = task.read(args.predictions, args.references)
    answer = None
    if args.baseline:
        answer = most_frequent_caption(read_answers(args.baseline, task.answer_columns))
    skip = [name.strip() for name in args.skip.split(",") if name.strip()]
    return evaluate(task.name, table, text_tokenizer=args.text_tokenizer, skip=skip, baseline_answer=answer)


def _save(report: Report, path: str) -> None:
    try:
        write_json(path, report.to_json())
    except OSError as error:
        raise InputError("--output", f"cannot write '{path}' ({error.strerror})", "a place to write to") from error


if __name__ == "__main__":
    sys.exit(main())
