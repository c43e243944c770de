"""The command `python -m mindformers.evaluation`: read, score, print one table, write one JSON file."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from mindformers.dataset.command_line import CommandParser
from mindformers.evaluation.baseline import most_frequent_caption, read_answers
from mindformers.evaluation.bootstrap import Bootstrap
from mindformers.evaluation.compare import compare
from mindformers.evaluation.metrics.metric import Metric
from mindformers.evaluation.metrics.properties import PropertyScores
from mindformers.evaluation.property_tree import read_combinations, read_property_tree
from mindformers.evaluation.report import Report
from mindformers.evaluation.scoring import evaluate
from mindformers.evaluation.table import format_report
from mindformers.evaluation.tasks import get_task, task_names
from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_OK, InputError
from mindformers.tools.files import write_json, write_text

CAPTION = "caption"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments; None takes the process's own.

    Returns:
        The exit status: 0, or 2 where the input cannot be used.
    """
    args = _parser().parse_args(argv)
    try:
        if args.compare:
            return _compare(args)
        report = _run(args)
        print(format_report(report))
        if args.output:
            _write(args.output, lambda path: write_json(path, report.to_json()))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return EXIT_OK


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m mindformers.evaluation", description="Score a prediction file.")
    parser.add_argument("--task", choices=task_names())
    parser.add_argument("--predictions", metavar="F", help="a table, or one output a line")
    parser.add_argument("--compare", nargs="+", metavar="J.json", help="lay reports and published scores side by side")
    parser.add_argument("--references", metavar="F", help="ground truths, one a line, for one output a line")
    parser.add_argument("--text_tokenizer", metavar="VOCAB", help="a WordPiece vocab.txt (SciBERT's uncased)")
    parser.add_argument("--output", metavar="J.json", help="also write the report here; with --compare the Markdown")
    parser.add_argument("--skip", default="", metavar="NAMES", help="metrics to leave out, e.g. meteor,fcd")
    parser.add_argument("--bootstrap", type=int, default=0, metavar="N", help="95 %% intervals from so many draws")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="where the draws begin")
    parser.add_argument("--property_tree", metavar="F", help="L+M-24's nested_props.json: adds property F1 (caption)")
    parser.add_argument("--held_out_combinations", metavar="F", help="L+M-24's withheld_combos.txt, with the tree")
    parser.add_argument("--baseline", metavar="TRAIN", help="also score a training file's most frequent answer")
    return parser


def _compare(args: Namespace) -> int:
    if args.task or args.predictions:
        raise InputError(
            "--compare", "given with --task or --predictions", "reports alone", "score first, then compare"
        )
    text = compare(args.compare)
    print(text)
    if args.output:
        _write(args.output, lambda path: write_text(path, f"{text}\n"))
    return EXIT_OK


def _run(args: Namespace) -> Report:
    for name in ("task", "predictions"):
        if not getattr(args, name):
            raise InputError(f"--{name}", "not given", "a task and its predictions", "see --help; or pass --compare")
    if args.output and Path(args.output).is_dir():
        raise InputError("--output", f"'{args.output}' is a folder", "the name of a JSON file")
    task = get_task(args.task)
    more_metrics, bootstrap = _property_metrics(args), _bootstrap(args)
    table = task.read(args.predictions, args.references)
    answer = None
    if args.baseline and not task.answer_columns:
        raise InputError("--baseline", f"given with --task {task.name}", "caption or molgen", "leave it out")
    if args.baseline:
        answer = most_frequent_caption(read_answers(args.baseline, task.answer_columns))
    return evaluate(
        task.name,
        table,
        text_tokenizer=args.text_tokenizer,
        skip=[name.strip() for name in args.skip.split(",") if name.strip()],
        baseline_answer=answer,
        more_metrics=more_metrics,
        bootstrap=bootstrap,
    )


def _bootstrap(args: Namespace) -> Bootstrap | None:
    for name in ("bootstrap", "seed"):
        if getattr(args, name) < 0:
            raise InputError(f"--{name}", str(getattr(args, name)), "0 or more", "for example --bootstrap 1000")
    return Bootstrap(args.bootstrap, args.seed) if args.bootstrap else None


def _property_metrics(args: Namespace) -> list[Metric]:
    if not args.property_tree:
        if args.held_out_combinations:
            raise InputError("--held_out_combinations", "given alone", "--property_tree with it", "name both files")
        return []
    if args.task != CAPTION:
        raise InputError("--property_tree", f"--task {args.task}", f"--task {CAPTION}", "leave the tree out")
    pairs = read_combinations(args.held_out_combinations) if args.held_out_combinations else []
    return [PropertyScores(read_property_tree(args.property_tree), pairs)]


def _write(path: str, write: Callable[[str], None]) -> None:
    try:
        write(path)
    except OSError as error:
        raise InputError("--output", f"cannot write '{path}' ({error.strerror})", "a place to write to") from error


if __name__ == "__main__":
    sys.exit(main())
