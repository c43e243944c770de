"""The training loop: batches through the step; reports, evaluations and checkpoints beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn

from mindformers.config import Recipe
from mindformers.dataset.mindrecord import MindRecordBatches
from mindformers.parallel.spreading import Spread
from mindformers.tools.errors import InputError, RunError
from mindformers.tools.logging import get_logger
from mindformers.trainer.adapting import AdapterTraining
from mindformers.trainer.assembly import (
    build_loss_scale,
    build_meter,
    build_optimizer,
    build_reports,
    build_schedule,
    build_step,
    use_recompute,
)
from mindformers.trainer.checkpoint import load_state
from mindformers.trainer.data import filled_batch, tell_drawn
from mindformers.trainer.held_out import HeldOut
from mindformers.trainer.interruption import Interruption
from mindformers.trainer.monitor.reports import Reports
from mindformers.trainer.monitor.step_times import DATA, GRAPH, HOST, StepTimes
from mindformers.trainer.random_state import random_state, set_random_state
from mindformers.trainer.run_state import RunState
from mindformers.trainer.saver import Saver

logger = get_logger(__name__)
Batch = dict[str, np.ndarray]


class Training:
    """One run of training.

    Args:
        recipe: the recipe.
        net: the network, with its first weights.
        data: the training data, in micro batches.
        metadata: texts for the head of every checkpoint.
        adapter: what LoRA trains, where it does; checkpoints then hold the adapter alone.
        held_out: evaluates on the way; None for no such evaluations.
        spread: how all of this is spread over the devices of the run.

    Raises:
        InputError: the data do not fill one step.
    """

    def __init__(
        self,
        recipe: Recipe,
        net: nn.Cell,
        data: MindRecordBatches,
        metadata: dict[str, str] | None = None,
        adapter: AdapterTraining | None = None,
        held_out: HeldOut | None = None,
        spread: Spread | None = None,
    ) -> None:
        spread = spread or Spread()
        self.recipe, self.net, self.data, self.mesh = recipe, net, data, spread.mesh
        self.adapter, self.held_out = adapter, held_out
        self.micro_batches = recipe.runner_config.gradient_accumulation_steps
        self.epochs, self.steps_per_epoch = recipe.runner_config.epochs, self._steps_per_epoch()
        self.schedule = build_schedule(recipe, self.epochs, self.steps_per_epoch)
        self.scale = build_loss_scale(recipe)
        self.optimizer = build_optimizer(recipe, net, spread)
        use_recompute(recipe, net)
        self.step = build_step(recipe, net, self.optimizer, spread)
        weights = list(net.get_parameters()) if adapter is None else adapter.parameters
        texts = metadata if adapter is None else adapter.metadata
        self.saver = Saver(recipe, weights, self.optimizer_state(), texts, spread)
        self.meter = build_meter(recipe, net, self.steps_per_epoch, spread)
        self.times = StepTimes(recipe.profile_start_step, recipe.profile_stop_step)
        self.state = RunState(data.rows_at_once * self.micro_batches, data.num_rows, data.told_sources())

    def _steps_per_epoch(self) -> int:
        whole, rest = divmod(self.data.num_batches, self.micro_batches)
        steps = whole + (rest > 0 and not self.data.drop_remainder)
        if steps:
            return steps
        raise InputError(
            "runner_config.gradient_accumulation_steps",
            f"{self.micro_batches}, but an epoch has {self.data.num_batches} batches of {self.data.rows_at_once}",
            "at most so many",
            "lower it or the batch size",
        )

    @property
    def positions(self) -> int:
        """Tokens that a micro batch reads on all devices, padding included."""
        return self.data.rows_at_once * (self.data.record_length - 1)

    def optimizer_state(self) -> list[ms.Parameter]:
        """What the optimizer remembers."""
        return [*self.optimizer.first, *self.optimizer.second]

    def resume(self, checkpoint: Path) -> None:
        """Go on where a checkpoint was saved. Raises InputError where its state is missing or of other data."""
        self.state.read(load_state(self.optimizer_state(), checkpoint, self.saver.spread)["progress"])
        self.scale.value, self.scale.calm_steps = self.state.scale
        set_random_state(self.state.random)
        logger.info("resumed after step %d from %s", self.state.done, checkpoint)

    def run(self) -> Path:
        """Train to the end.

        Returns:
            The last checkpoint's file.

        Raises:
            RunError: too many steps in a row were not finite.
            KeyboardInterrupt: there was one; the last step is saved all the same.
        """
        self.net.set_train()
        self.compile()
        with (
            build_reports(self.recipe, self.meter.total_steps, self.state.done) as reports,
            Interruption(self.mesh) as interruption,
        ):
            self.meter.restart()
            self.times.restart()
            for batches in self.batches():
                self.take_step(batches, reports)
                self.evaluate_and_save(reports)
                self.times.lap(HOST)
                if interruption.is_agreed() or self.is_hopeless():
                    break
            last = self.save()
            self.tell_drawn(self.state.done % self.steps_per_epoch)
        self.net.set_train(False)
        if self.recipe.profile and self.mesh.is_first:
            self.times.save(Path(self.recipe.output_dir) / "profile.json", self.positions * self.micro_batches)
        if interruption.is_asked:
            logger.info("interrupted after step %d; go on with --resume_training True", self.state.done)
            raise KeyboardInterrupt
        return last

    def compile(self) -> None:
        """Build the step's graphs, unless nothing is left to do or nothing is compiled.

        Where batches are of several lengths, the graph of each is built when it first occurs.
        """
        is_needed = self.state.done < self.meter.total_steps and ms.get_context("mode") == ms.GRAPH_MODE
        if not is_needed or getattr(self.net.config, "dynamic_padding", False):
            return
        zeros = np.zeros((self.data.batch_size, self.data.record_length), np.int32)
        start = time.perf_counter()
        self.step.compile({"input_ids": zeros, "labels": zeros})
        self.times.compile_seconds = time.perf_counter() - start
        logger.info("compiled the training step in %.1f s", self.times.compile_seconds)

    def batches(self) -> Iterator[list[Batch]]:
        """The micro batches of every step that is still to be done."""
        first, size = divmod(self.state.done, self.steps_per_epoch)
        for epoch in range(first, self.epochs):
            done = size if epoch == first else 0
            data = self.data.batches(epoch, done * self.micro_batches)
            for _ in range(self.steps_per_epoch - done):
                batches = list(islice(data, self.micro_batches))
                yield [filled_batch(batch, self.data.batch_size, self.net.config) for batch in batches]

    def take_step(self, batches: list[Batch], reports: Reports) -> None:
        """One step, and a report where one is due."""
        state = self.state
        lr, scale = self.schedule(state.done), self.scale.value
        self.times.lap(DATA)
        result = self.step(batches, lr, scale, state.done - state.skipped + 1, self.begin_batch)
        self.times.lap(GRAPH)
        self.scale.update(not result.is_finite)
        state.count(result.loss, result.is_finite)
        rows, lengths = len(batches[0]["labels"]) * self.mesh.data, [batch["labels"].shape[1] - 1 for batch in batches]
        report = self.meter.add(state, result, lr, scale, rows, lengths)
        if report is not None:
            reports.step(report)
        self.check_skipped()

    def begin_batch(self, part: int) -> None:
        """Before every micro batch of a step, counted from 0."""
        if self.adapter is not None:
            self.adapter.begin_step(self.state.done, part * self.mesh.data + self.mesh.data_rank)

    def check_skipped(self) -> None:
        """Raises RunError where too many steps in a row changed nothing."""
        count = self.state.skipped_in_a_row
        if count >= self.recipe.runner_wrapper.max_skipped_steps:
            raise RunError(
                f"training gives up after step {self.state.done}: the gradients of {count} steps in a row were not "
                f"finite (loss scale {self.scale.value:g}); checkpoints in {self.saver.folder} stay as they are; lower "
                "the learning rate, look at the data, or raise runner_wrapper.max_skipped_steps"
            )

    def evaluate_and_save(self, reports: Reports) -> None:
        """What is due behind a step. The evaluation comes first, so that the checkpoint knows of it."""
        done, start = self.state.done, time.perf_counter()
        if self.is_evaluation_due():
            report = self.held_out.evaluate(self.state, self.steps_per_epoch)
            reports.evaluation(report)
            if report.is_best:
                self.saver.save_best(report.metric, report.value, report.step)
        if self.saver.is_due(done):
            self.save()
        if done % self.steps_per_epoch == 0:
            self.tell_drawn(self.steps_per_epoch)
        self.meter.pause(time.perf_counter() - start)

    def tell_drawn(self, steps: int) -> None:
        """What the sources of a mixture had in the first steps of the latest epoch."""
        tell_drawn(self.data, (self.state.done - 1) // self.steps_per_epoch, steps * self.micro_batches)

    def is_evaluation_due(self) -> bool:
        """Whether the recipe wants an evaluation now."""
        if self.held_out is None:
            return False
        return self.held_out.is_due(self.state.done, self.steps_per_epoch, self.meter.total_steps)

    def is_hopeless(self) -> bool:
        """Whether evaluation has stopped getting better, with a line that says so."""
        if self.held_out is None or not self.held_out.is_hopeless(self.state):
            return False
        value, step = self.state.best or (math.nan, 0)
        metric, count = self.recipe.evaluation.best_metric, self.state.evaluations_since_best
        logger.info("stopped early: %s %.4f of step %d was not beaten in %d evaluations", metric, value, step, count)
        return True

    def save(self) -> Path:
        """A checkpoint of this moment. Returns its file."""
        self.state.scale = (self.scale.value, self.scale.calm_steps)
        self.state.random = random_state()
        return self.saver.save(self.state, self.steps_per_epoch)
