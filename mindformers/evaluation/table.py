"""A report as lines of text."""

from __future__ import annotations

from mindformers.evaluation.bootstrap import Interval
from mindformers.evaluation.metrics.metric import Score
from mindformers.evaluation.report import Report

_GAP = "  "


def format_report(report: Report) -> str:
    """The table of a report, headed by what was scored and followed by its notes."""
    words = f", {report.tokenizer}" if report.tokenizer else ""
    lines = [f"{report.task}, {report.items} items{words}", *_table(_cells(report))]
    return "\n".join(lines + [f"note: {note}" for note in report.notes])


def _cells(report: Report) -> list[list[str]]:
    has_baseline, intervals = report.baseline is not None, report.intervals
    header = ["metric", "model" if has_baseline else "value"]
    header += ["95 % interval"] if intervals is not None else []
    header += ["baseline"] if has_baseline else []
    rows = [header]
    for name, score in report.metrics.items():
        row = [name, _cell(score)]
        row += [_interval_cell(intervals.get(name))] if intervals is not None else []
        row += [_cell(report.baseline[name])] if has_baseline else []
        rows.append(row)
    return rows


def _interval_cell(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"


def _cell(score: Score) -> str:
    return f"{score:.6f}" if isinstance(score, float) else score.cell


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_GAP.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    rule = _GAP.join("-" * width for width in widths)
    return [lines[0], rule, *lines[1:]]
