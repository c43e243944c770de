"""The command `python -m mindformers.evaluation.nearest`: a prediction file of the nearest neighbours' captions."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

import numpy as np

from mindformers.dataset.command_line import CommandParser
from mindformers.evaluation.nearest.captions import Captioned, read_captioned
from mindformers.evaluation.nearest.fingerprints import RADIUS, morgan_bits
from mindformers.evaluation.nearest.search import nearest
from mindformers.evaluation.predictions import OUTPUT_COLUMN, TRUTH_COLUMN
from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_OK, InputError
from mindformers.tools.files import write_text
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments; None takes the process's own.

    Returns:
        The exit status: 0, or 2 where the input cannot be used.
    """
    args = _parser().parse_args(argv)
    try:
        _run(args)
    except InputError as error:
        sys.stderr.write(f"error: {error.line()}\n")
        return EXIT_BAD_INPUT
    return EXIT_OK


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m mindformers.evaluation.nearest",
        description=f"Answer with the caption of the most similar training molecule (Morgan, radius {RADIUS}).",
    )
    parser.add_argument("--train", required=True, metavar="F", help="molecules with captions or property sets")
    parser.add_argument("--questions", required=True, metavar="F", help="molecules to caption, with their ground truth")
    parser.add_argument("--output", required=True, metavar="P.tsv", help="the prediction file to write")
    parser.add_argument("--seed", type=int, default=0, help="deals the wordings of captions made from property sets")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 for as many as there are, at most 4")
    return parser


def _run(args: Namespace) -> None:
    if args.workers < 0:
        raise InputError("--workers", str(args.workers), "0 or more processes", "leave it out to use what is there")
    workers = args.workers or min(os.cpu_count() or 1, 4)
    training = [one for one in read_captioned(args.train, "--train", args.seed) if one.caption]
    questions = read_captioned(args.questions, "--questions", args.seed)
    bits, is_read = morgan_bits([one.smiles for one in training], workers, "training molecules")
    if not is_read.any():
        raise InputError("--train", f"no molecule with a caption in '{args.train}'", "at least one", "check the file")
    if not is_read.all():
        logger.warning("%s: RDKit cannot read %d molecules, which are left out", args.train, int((~is_read).sum()))
    asked, is_asked = morgan_bits([one.smiles for one in questions], workers, "molecules to caption")
    rows, similarities = nearest(bits[is_read], asked)
    captions = [training[place].caption for place in np.flatnonzero(is_read)[rows]]
    answers = [caption if known else "" for caption, known in zip(captions, is_asked, strict=True)]
    _write(args.output, questions, answers)
    _tell(args, similarities[is_asked], int((~is_asked).sum()))


def _write(path: str, questions: Sequence[Captioned], answers: Sequence[str]) -> None:
    """A table as the prediction writes it; without ground truths where none is known."""
    has_truths = any(one.caption for one in questions)
    lines = [["SMILES", *([TRUTH_COLUMN] if has_truths else []), OUTPUT_COLUMN]]
    for one, answer in zip(questions, answers, strict=True):
        lines.append([one.smiles, *([one.caption] if has_truths else []), answer])
    try:
        write_text(path, "".join("\t".join(line) + "\n" for line in lines))
    except OSError as error:
        raise InputError("--output", f"cannot write '{path}' ({error.strerror})", "a place to write to") from error


def _tell(args: Namespace, similarities: np.ndarray, num_unread: int) -> None:
    if num_unread:
        logger.warning("%s: RDKit cannot read %d molecules; their answers are empty", args.questions, num_unread)
    if len(similarities):
        logger.info(
            "%d answers in %s; Tanimoto similarity %.3f on average, 1 for %d of them",
            len(similarities),
            args.output,
            float(similarities.mean()),
            int((similarities == 1).sum()),
        )


if __name__ == "__main__":
    sys.exit(main())
