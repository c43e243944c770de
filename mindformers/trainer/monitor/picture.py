"""The loss curves as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindformers.tools.files import replaced_file

Rows = list[dict[str, Any]]
_BLUE, _LIGHT_BLUE, _ORANGE = "#1f5fa8", "#a9c4e4", "#b3541e"


def draw_losses(training: Rows, evaluation: Rows, path: Path) -> Path:
    """Training and evaluation side by side; where nothing was evaluated, the learning rate in its place.

    Args:
        training, evaluation: rows of `train_log.jsonl`; a value that is null is a gap.
        path: the picture, PNG.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=bool(evaluation))
    _draw_training(left, training)
    if evaluation:
        _draw_evaluation(right, evaluation)
    else:
        right.plot(_column(training, "step"), _column(training, "lr"), color=_ORANGE)
        right.set(title="Learning rate", xlabel="step", ylim=(0, None))
    for axis in (left, right):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    with replaced_file(path) as beside:
        figure.savefig(beside, format="png", dpi=120)
    pyplot.close(figure)
    return path


def _draw_training(axis: Any, rows: Rows) -> None:
    steps = _column(rows, "step")
    axis.plot(steps, _column(rows, "loss"), color=_LIGHT_BLUE, label="logged")
    axis.plot(steps, _column(rows, "smooth_loss"), color=_BLUE, label="smoothed")
    axis.set(title="Training loss", xlabel="step", ylabel="nats per token", ylim=(0, None))
    axis.legend(frameon=False)


def _draw_evaluation(axis: Any, rows: Rows) -> None:
    axis.plot(_column(rows, "step"), _column(rows, "eval_loss"), color=_ORANGE, marker="o", markersize=3)
    best = [row for row in rows if row.get("is_best")][-1:]
    for row in best:
        axis.plot(row["step"], row["eval_loss"], "*", color=_ORANGE, markersize=14, label=f"best, step {row['step']}")
        axis.legend(frameon=False)
    axis.set(title="Evaluation loss", xlabel="step")
    axis.tick_params(labelleft=True)


def _column(rows: Rows, name: str) -> list[float]:
    values = [row.get(name) for row in rows]
    return [float("nan") if value is None else value for value in values]
