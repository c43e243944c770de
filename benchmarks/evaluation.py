"""Our METEOR beside nltk's `meteor_score`, which the official captioning script calls for every item.

    python -m benchmarks.evaluation [--json F] [--items 500] [--rounds 3] [--predictions P.tsv --text_tokenizer VOCAB]

Each side runs in a process of its own that begins cold, as a user does: reading WordNet, stems and synonyms are in the
time. Importing nltk and splitting into words, which are the same for both, are not. They take turns, and both must find
the same value. Without `--predictions` the captions of the shipped sample stand against those of their neighbours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.timing import Timing, machine, save, table
from mindformers.evaluation.predictions import PredictionTable, read_predictions
from mindformers.evaluation.text_files import read_table
from mindformers.evaluation.words import words_from

PEER, OURS, GOAL, TOLERANCE = "nltk, item by item", "ours", 10.0, 1e-9
SAMPLE = Path(__file__).parents[1] / "LPM-24-data" / "smiles2text_generate" / "LPM-24_smiles2text_test.tsv"
Words = list[list[str]]


def captions(predictions: str | None, items: int) -> PredictionTable:
    """Ground truths and outputs, the first `items` of them; of the sample as often as it takes."""
    if predictions:
        found = read_predictions(predictions, "SMILES")
        return PredictionTable(found.truths[:items], found.outputs[:items])
    rows = [row[1] for row in read_table(SAMPLE, "the sample")[1]]
    truths = [rows[place % len(rows)] for place in range(items)]
    return PredictionTable(truths, [*truths[1:], truths[0]])


def by_nltk(truths: Words, outputs: Words) -> float:
    """The mean as the official script computes it."""
    import nltk.data
    from nltk.translate.meteor_score import meteor_score

    from mindformers.evaluation.metrics.wordnet_for_nltk import lay_out_for_nltk

    nltk.data.path.insert(0, str(lay_out_for_nltk()))
    both = zip(truths, outputs, strict=True)
    return statistics.fmean(meteor_score([truth], output) for truth, output in both)


def by_us(truths: Words, outputs: Words) -> float:
    """The same by our metric."""
    from mindformers.evaluation.metrics.meteor import meteor_scores
    from mindformers.evaluation.metrics.wordnet import find_wordnet

    wordnet = find_wordnet()
    if wordnet is None:
        raise SystemExit("error: WordNet: not found; install Debian's wordnet-base and wordnet-sense-index")
    return statistics.fmean(meteor_scores(truths, outputs, wordnet))


SIDES: dict[str, Callable[[Words, Words], float]] = {PEER: by_nltk, OURS: by_us}


def run_side(side: str, predictions: str | None, vocabulary: str | None, items: int) -> tuple[float, float]:
    """Seconds and mean METEOR of one side, in this process."""
    pairs, words = captions(predictions, items), words_from(vocabulary)
    truths, outputs = words.split(pairs.truths), words.split(pairs.outputs)
    import_module("nltk.translate.meteor_score")
    start = time.perf_counter()
    value = SIDES[side](truths, outputs)
    return time.perf_counter() - start, value


def measure(arguments: Sequence[str], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and value of both sides in every round, each in a fresh process."""
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side, results in found.items():
            command = [sys.executable, "-m", "benchmarks.evaluation", *arguments, "--side", side]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr.strip())
            results.append(tuple(json.loads(done.stdout)))
    return found


def timings_of(title: str, found: dict[str, list[tuple[float, float]]]) -> list[Timing]:
    """Medians over the rounds. Ends with an error where the two sides do not agree."""
    values = [value for results in found.values() for _, value in results]
    if max(values) - min(values) > TOLERANCE:
        raise SystemExit(f"error: METEOR differs: {values}")
    seconds = {side: [time for time, _ in results] for side, results in found.items()}
    return [
        Timing(
            title,
            side,
            milliseconds=1e3 * statistics.median(times),
            fastest=1e3 * min(times),
            ratio=statistics.median(peer / own for peer, own in zip(seconds[PEER], times, strict=True)),
            goal=GOAL if side == OURS else None,
        )
        for side, times in seconds.items()
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and save the figures where asked."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="F", help="also write the figures to this file")
    parser.add_argument("--items", type=int, default=500, help="captions to score")
    parser.add_argument("--rounds", type=int, default=3, help="times that each side runs")
    parser.add_argument("--predictions", metavar="F", help="a table of captions instead of the sample")
    parser.add_argument("--text_tokenizer", metavar="VOCAB", help="a WordPiece vocab.txt; plain words without one")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    if arguments.side:
        print(json.dumps(run_side(arguments.side, arguments.predictions, arguments.text_tokenizer, arguments.items)))
        return
    found = measure(given, arguments.rounds)
    value = found[OURS][0][1]
    timings = timings_of(f"METEOR of {arguments.items} captions, {value:.6f} by both", found)
    print(f"{machine()}\n\n{table(timings)}")
    if arguments.json:
        save(arguments.json, timings)


if __name__ == "__main__":
    main()
