"""Evaluation during training: when it is due, which one is the best, and when there is no hope of a better one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from mindspore import nn

from mindformers.config import Recipe
from mindformers.dataset.mindrecord import MindRecordBatches
from mindformers.modalities import MODALITIES
from mindformers.parallel.mesh import ALONE, Mesh
from mindformers.tools.errors import InputError
from mindformers.trainer.data import documents_of
from mindformers.trainer.evaluating import Evaluation
from mindformers.trainer.monitor.reports import EvaluationReport
from mindformers.trainer.run_state import RunState

_TOTAL = "total"
_HIGHER_IS_BETTER = "accuracy"


class HeldOut:
    """Evaluates a network that is being trained.

    Args:
        recipe: `eval_step_interval`, `eval_epoch_interval` and `evaluation`.
        net: the network, with a `config`.
        data: all of `eval_dataset`; on the way its first `evaluation.max_rows` are read.
        mesh: the devices that share the data.

    Raises:
        InputError: the metric is that of a modality of which no token counts in these rows.
    """

    def __init__(self, recipe: Recipe, net: nn.Cell, data: MindRecordBatches, mesh: Mesh = ALONE) -> None:
        self.settings, self.data = recipe.evaluation, data
        self.step_interval, self.epoch_interval = recipe.eval_step_interval, recipe.eval_epoch_interval
        self.rows = data if self.settings.max_rows is None else data.first(self.settings.max_rows)
        self.evaluation = Evaluation(net, net.config, mesh, documents_of(recipe.eval_dataset, net.config))
        self.name, _, modality = self.settings.best_metric.partition(".")
        self.modality = modality or _TOTAL
        if modality:
            self._check_modality(net.config)

    def is_due(self, done: int, steps_per_epoch: int, total_steps: int) -> bool:
        """Whether the recipe wants an evaluation after `done` steps; one that wants any gets one behind the last."""
        by_steps, by_epochs = self.step_interval > 0, self.epoch_interval > 0
        epochs, rest = divmod(done, steps_per_epoch)
        return (
            (by_steps and done % self.step_interval == 0)
            or (by_epochs and rest == 0 and epochs % self.epoch_interval == 0)
            or ((by_steps or by_epochs) and done == total_steps)
        )

    def evaluate(self, state: RunState, steps_per_epoch: int) -> EvaluationReport:
        """Evaluate, and take note in `state` whether it was the best."""
        measures = self.evaluation.measure(self.rows, "evaluating")
        value = measures[self.modality][self.name]
        best = state.best[0] if state.best else None
        is_best = self.is_better(value, best)
        if is_best:
            state.best = (value, state.done)
        state.evaluations_since_best = 0 if is_best else state.evaluations_since_best + 1
        epoch = (state.done - 1) // steps_per_epoch + 1
        return EvaluationReport(state.done, epoch, measures, self.settings.best_metric, value, best, is_best)

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether a value beats the best so far by `min_delta` or more."""
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        gain = value - best if self.name == _HIGHER_IS_BETTER else best - value
        return gain > 0 and gain >= self.settings.min_delta

    def is_hopeless(self, state: RunState) -> bool:
        """Whether `patience` evaluations in a row brought nothing better."""
        return self.settings.patience is not None and state.evaluations_since_best >= self.settings.patience

    def evaluate_all(self) -> dict[str, Any]:
        """The measures of all of the data, for the end of training."""
        return self.evaluation.measure(self.data, "evaluating")

    def _check_modality(self, config: Any) -> None:
        names = [row.name for row in MODALITIES]
        table, number = config.modality_table(), names.index(self.modality)
        for batch in replace(self.rows, num_shards=1, shard_id=0).batches(0):
            said = batch["labels"][:, 1:]
            if (table[np.maximum(said, 0)] == number)[said != config.ignore_token_id].any():
                return
        raise InputError(
            "evaluation.best_metric",
            f"'{self.settings.best_metric}', but no {self.modality} token of eval_dataset counts",
            "a modality that is evaluated",
            "choose another metric or raise evaluation.max_rows",
        )
