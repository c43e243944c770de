"""Reports as a run of two epochs of 100 steps makes them."""

from __future__ import annotations

from typing import Any

from mindformers.trainer.monitor.reports import EvaluationReport, StepReport


def step_report(step: int, loss: float = 2.345, **changes: Any) -> StepReport:
    values = {
        "step": step,
        "total_steps": 200,
        "epoch": 1 + (step - 1) // 100,
        "epochs": 2,
        "step_in_epoch": 1 + (step - 1) % 100,
        "steps_per_epoch": 100,
        "loss": loss,
        "smooth_loss": 2.4,
        "lr": 5e-5,
        "grad_norm": 1.2,
        "loss_scale": 8192,
        "tokens_per_s": 1234.4,
        "seconds_per_step": 0.123,
        "mfu": 0.415,
        "overflowed": False,
        "skipped": 0,
        "memory": 2_100_000_000,
        "peak_memory": 3_000_000_000,
    }
    return StepReport(**values | changes)


def evaluation_report(step: int, loss: float, best: float | None = None, **changes: Any) -> EvaluationReport:
    measures = {"loss": loss, "perplexity": 10.0, "accuracy": 0.25, "tokens": 40}
    values = {
        "step": step,
        "epoch": 1,
        "measures": {"total": measures, "molecule": measures},
        "metric": "loss",
        "value": loss,
        "best": best,
        "is_best": best is None or loss < best,
    }
    return EvaluationReport(**values | changes)
