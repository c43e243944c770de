"""What a run has made, in words and examples: `python -m mindformers.trainer.summary FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_OK, InputError
from mindformers.tools.files import existing_file
from mindformers.trainer.answers import OUTPUT_COLUMN
from mindformers.trainer.monitor.history import read_rows, training_rows

_MADE = {
    "predictions.tsv": "molecules, true and predicted descriptions",
    "metrics.json": "the scores above",
    "loss.png": "the loss curve",
    "train_log.jsonl": "loss, rate and speed, step by step",
    "checkpoint": "the weights, with tokenizer and recipe",
}
_NUM_EXAMPLES = 3


def examples_of(path: Path, count: int = _NUM_EXAMPLES) -> list[dict[str, str]]:
    """Rows of a table of predictions, spread evenly over it.

    Raises:
        InputError: the file is missing or holds no prediction.
    """
    lines = existing_file(path, "predictions").read_text(encoding="utf-8").rstrip("\n").split("\n")
    header, rows = lines[0].split("\t"), lines[1:]
    if not rows or OUTPUT_COLUMN not in header:
        raise InputError(f"predictions '{path}'", "no predictions", "a header and rows", "predict first")
    count = min(count, len(rows))
    places = [i * len(rows) // count for i in range(count)]
    return [dict(zip(header, rows[place].split("\t"), strict=False)) for place in places]


def summary(folder: Path) -> str:
    """The text that a run ends with."""
    lines = ["Three predictions:"]
    for row in examples_of(folder / "predictions.tsv"):
        width = max(map(len, row))
        lines += [f"  {name:<{width}}  {value}" for name, value in row.items()] + [""]
    log = [row for row in training_rows(read_rows(folder / "train_log.jsonl")) if row["loss"] is not None]
    if log:
        lines += [f"Loss: {log[0]['loss']:.3f} at step {log[0]['step']}, {log[-1]['loss']:.3f} at the last", ""]
    lines += ["Made:"] + [f"  {folder / name}  {what}" for name, what in _MADE.items() if (folder / name).exists()]
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    """The command line. Returns the exit status."""
    try:
        if len(argv) != 1:
            raise InputError("argument", f"{len(argv)} given", "one folder of a run", "name the output folder")
        sys.stdout.write(summary(Path(argv[0])))
    except InputError as error:
        sys.stderr.write(f"error: {error.line()}\n")
        return EXIT_BAD_INPUT
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
