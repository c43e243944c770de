"""Several runs and the published scores side by side, as Markdown, with what may be compared with what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mindformers.evaluation.metrics.yes_no import HARD_AUC, SOFT_AUC
from mindformers.evaluation.published import AUC_ROW, PUBLISHED, Published
from mindformers.evaluation.text_files import read_lines
from mindformers.tools.errors import InputError

_NOTHING = "-"
_NOT_COMPARABLE = "†"
_MEAN_OF = re.compile(r", mean of \d+ labels$")
_WORD_ROWS = ("BLEU-2", "BLEU-4", "METEOR")


@dataclass(frozen=True)
class Run:
    """A report that the evaluation wrote.

    Args:
        name: how the table calls it.
        content: its JSON.
    """

    name: str
    content: dict[str, Any]

    @property
    def task(self) -> str:
        """What was scored."""
        return self.content["task"]

    def cell(self, row: str, column: str = "metrics") -> str:
        """A score with its interval where there is one; `-` where the run has no such score."""
        score = (self.content.get(column) or {}).get(row)
        interval = (self.content.get("intervals") or {}).get(row) if column == "metrics" else None
        if score is None:
            return _NOTHING
        return f"{score:.4f}" + (f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else "")


def compare(paths: Sequence[str | Path]) -> str:
    """The tables of several reports, one for each task, beside all that is published for it.

    Args:
        paths: JSON files that `--output` wrote.

    Returns:
        Markdown.

    Raises:
        InputError: a file is no such report.
    """
    runs = _named([_read(path) for path in paths], paths)
    tasks = dict.fromkeys(run.task for run in runs)
    return "\n\n".join(_section(task, [run for run in runs if run.task == task]) for task in tasks)


def why_not_comparable(run: Run, published: Published) -> list[str]:
    """What keeps the scores of a run from being compared with published ones; nothing where they may be."""
    benchmark, reasons = published.benchmark, []
    items, references = run.content["items"], run.content.get("references")
    if benchmark.items is not None and items != benchmark.items:
        reasons.append(f"{items} items instead of {benchmark.items}")
    elif benchmark.references and references and references != benchmark.references:
        reasons.append("other ground truths")
    counted = (run.content.get("details") or {}).get("items") or {}
    reasons += [
        f"{counted[name]} items of {name} instead of {items}"
        for name, items in benchmark.items_by_part
        if name in counted and counted[name] != items
    ]
    if run.task == "caption" and not (run.content.get("tokenizer") or "").startswith("WordPiece"):
        reasons.append(f"{', '.join(_WORD_ROWS)} over {run.content.get('tokenizer')}")
    return reasons


def _read(path: str | Path) -> dict[str, Any]:
    expected = "a report that --output wrote"
    try:
        content = json.loads("\n".join(read_lines(path, "--compare")))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} line {error.lineno}", f"not JSON ({error.msg})", expected) from error
    if not isinstance(content, dict) or not {"task", "items", "metrics"} <= content.keys():
        raise InputError(f"{path}", "JSON without task, items and metrics", expected, "score a run with --output first")
    if not isinstance(content["metrics"], dict):
        raise InputError(f"{path}", "'metrics' is no object", expected, "score the run again")
    return content


def _named(contents: Sequence[dict[str, Any]], paths: Sequence[str | Path]) -> list[Run]:
    """Runs by the name of their file, with as many of its folders in front as tell them apart."""
    parts = [Path(path).with_suffix("").parts for path in paths]
    depth = 1
    while len({part[-depth:] for part in parts}) < len({*parts}) and depth < max(map(len, parts)):
        depth += 1
    return [Run("/".join(part[-depth:]), content) for part, content in zip(parts, contents, strict=True)]


def _section(task: str, runs: Sequence[Run]) -> str:
    published = [one for one in PUBLISHED if one.task == task]
    tables = [_table(runs, published, task)]
    if task == "chemllmbench":
        tables.append(_property_table(runs, published))
    benchmarks = list(dict.fromkeys(one.benchmark for one in published))
    notes = [*_source_notes(benchmarks, published), *_doubts(runs, published)]
    return "\n".join([f"## {task}", "", *"\n\n".join(tables).split("\n"), "", *(f"- {note}" for note in notes)])


def _table(runs: Sequence[Run], published: Sequence[Published], task: str) -> str:
    shown = [] if task == "chemllmbench" else published
    columns = [*_run_columns(runs), *(_published_column(one, runs, published) for one in shown)]
    rows = dict.fromkeys(row for run in runs for row in run.content["metrics"])
    rows |= dict.fromkeys(row for one in shown for row in one.scores)
    body = [[row, *(column.cells.get(row, _NOTHING) for column in columns)] for row in rows]
    counts = [column.num_items for column in columns]
    return _markdown(["metric", *(column.heading for column in columns)], [["items", *counts], *body])


def _property_table(runs: Sequence[Run], published: Sequence[Published]) -> str:
    """The AUC of each data set: two columns for a run, by its two conventions, and one for a published system."""
    names = dict.fromkeys(row.removesuffix(f": {AUC_ROW}") for one in published for row in one.scores)
    kinds = {f"{run.name}, {kind}": (run, kind) for run in runs for kind in (SOFT_AUC, HARD_AUC)}
    header = ["AUC", *kinds, *(_heading(one, runs, published) for one in published)]
    rows = []
    for name in names:
        ours = [_summed_up(run, f"{name}: {kind}") for run, kind in kinds.values()]
        rows.append([name, *ours, *(f"{one.scores[f'{name}: {AUC_ROW}']:.4f}" for one in published)])
    return _markdown(header, rows)


def _summed_up(run: Run, row: str) -> str:
    """The score of a row, or of the mean over the labels that goes by the same name."""
    names = (name for name in run.content["metrics"] if _MEAN_OF.sub("", name) == row)
    return run.cell(next(names, row))


class _Column(NamedTuple):
    """A column of the table: its heading, the items it was measured on, and row -> cell."""

    heading: str
    num_items: str
    cells: dict[str, str]


def _run_columns(runs: Sequence[Run]) -> Iterator[_Column]:
    for run in runs:
        items = str(run.content["items"])
        yield _Column(run.name, items, {row: run.cell(row) for row in run.content["metrics"]})
        if baseline := run.content.get("baseline"):
            yield _Column(f"{run.name}, its baseline", items, {row: run.cell(row, "baseline") for row in baseline})


def _published_column(one: Published, runs: Sequence[Run], published: Sequence[Published]) -> _Column:
    cells = {row: f"{score:.4f}" for row, score in one.scores.items()}
    return _Column(_heading(one, runs, published), str(one.benchmark.items), cells)


def _heading(one: Published, runs: Sequence[Run], published: Sequence[Published]) -> str:
    benchmarks = list(dict.fromkeys(other.benchmark for other in published))
    mark = _NOT_COMPARABLE if all(why_not_comparable(run, one) for run in runs) else ""
    return f"{one.system}{mark} [{benchmarks.index(one.benchmark) + 1}]"


def _source_notes(benchmarks: Sequence[Any], published: Sequence[Published]) -> list[str]:
    notes = []
    for number, benchmark in enumerate(benchmarks, start=1):
        systems = ", ".join(one.system for one in published if one.benchmark == benchmark)
        notes.append(f"[{number}] {systems}: {benchmark.name}; {benchmark.convention}. Source: {benchmark.source}.")
        if benchmark.items is not None and not benchmark.references:
            notes.append(f"[{number}] The ground truths are not public: runs are matched by the number of items alone.")
    return notes


def _doubts(runs: Sequence[Run], published: Sequence[Published]) -> list[str]:
    """What may not be compared, and what a reader of the runs has to know."""
    notes = []
    benchmarks = {one.benchmark: one for one in published}
    for run in runs:
        for number, one in enumerate(benchmarks.values(), start=1):
            if reasons := why_not_comparable(run, one):
                notes.append(f"{_NOT_COMPARABLE} {run.name} is not comparable with [{number}]: {'; '.join(reasons)}.")
    for run in runs[1:]:
        both = {one.content.get("references") for one in (run, runs[0])}
        if len(both - {None, ""}) > 1:
            notes.append(f"{_NOT_COMPARABLE} {run.name} and {runs[0].name} have other ground truths.")
    for run in runs:
        versions = ", ".join(f"{name} {version}" for name, version in (run.content.get("versions") or {}).items())
        notes.append(f"{run.name}: {run.content.get('tokenizer') or 'no words counted'}; {versions or 'no versions'}.")
    return notes


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
