"""The training loop: batches through the step, reports and checkpoints beside it."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from mindformers.config import CheckpointMonitor, LossMonitor, Recipe
from mindformers.core.loss import CausalLoss
from mindformers.core.loss_scale import LossScale
from mindformers.core.optimizer import AdamW
from mindformers.core.schedule import Schedule
from mindformers.dataset.mindrecord import MindRecordBatches
from mindformers.tools.errors import InputError
from mindformers.tools.logging import get_logger
from mindformers.trainer.adapting import AdapterTraining
from mindformers.trainer.checkpoint import load_state, save_checkpoint
from mindformers.trainer.checkpoint_files import CheckpointName, prune
from mindformers.trainer.history import History, StepReport
from mindformers.trainer.random_state import random_state, set_random_state
from mindformers.trainer.step import TrainStep

logger = get_logger(__name__)


@dataclass
class Progress:
    """How far a run is, with what the rest of it depends on besides weights and optimizer. Saved with every checkpoint.

    Args:
        step: steps done.
        batch_size, num_rows: of the data, to refuse a resumed run over other data.
        scale: the loss scale's value and calm steps.
        losses: of the steps since the last report, nats per token.
        random: the states of all random generators.
    """

    step: int
    batch_size: int
    num_rows: int
    scale: tuple[float, int]
    losses: list[float] = field(default_factory=list)
    random: dict[str, Any] = field(default_factory=dict)


class Training:
    """One run of training.

    Args:
        recipe: the recipe.
        net: the network, with its first weights.
        data: the training data.
        metadata: texts for the head of every checkpoint.
        adapter: what LoRA trains, where it does; checkpoints then hold the adapter alone.
    """

    def __init__(
        self,
        recipe: Recipe,
        net: nn.Cell,
        data: MindRecordBatches,
        metadata: dict[str, str] | None = None,
        adapter: AdapterTraining | None = None,
    ) -> None:
        self.recipe, self.net, self.data, self.adapter = recipe, net, data, adapter
        self.metadata = metadata if adapter is None else adapter.metadata
        self.saved_weights = list(net.get_parameters()) if adapter is None else adapter.parameters
        self.epochs, self.steps_per_epoch = recipe.runner_config.epochs, data.num_batches
        self.schedule = build_schedule(recipe, self.epochs, self.steps_per_epoch)
        wrapper, settings = recipe.runner_wrapper, recipe.optimizer
        scale = wrapper.loss_scale
        is_dynamic = scale.type == "DynamicLossScaleUpdateCell"
        self.scale = LossScale(scale.loss_scale_value, scale.scale_factor, scale.scale_window, is_dynamic)
        betas = (settings.beta1, settings.beta2, settings.eps)
        self.optimizer = AdamW(net.trainable_params(), *betas, settings.weight_decay)
        loss = CausalLoss(net, net.config.ignore_token_id)
        self.step = TrainStep(loss, self.optimizer, wrapper.max_grad_norm if wrapper.use_clip_grad else None)
        self.saver = recipe.callback(CheckpointMonitor) or CheckpointMonitor("CheckpointMonitor", prefix="scimind")
        self.folder = Path(self.saver.directory or Path(recipe.output_dir) / "checkpoint")
        self.done = 0
        self.losses: list[float] = []  # of the steps since the last report

    def resume(self, checkpoint: Path) -> None:
        """Go on where a checkpoint was saved. Raises InputError where its state is missing or of other data."""
        saved = Progress(**json.loads(load_state(self.state(), checkpoint)["progress"]))
        here = self.progress()
        if (saved.batch_size, saved.num_rows) != (here.batch_size, here.num_rows):
            raise InputError(
                "resume_training",
                f"the run had batches of {saved.batch_size} from {saved.num_rows} records",
                f"the same data; here batches of {here.batch_size} from {here.num_rows} records",
                "resume with the recipe of that run",
            )
        self.done, (self.scale.value, self.scale.calm_steps) = saved.step, saved.scale
        self.losses = saved.losses
        set_random_state(saved.random)
        logger.info("resumed after step %d from %s", self.done, checkpoint)

    def state(self) -> list[ms.Parameter]:
        """The optimizer's state."""
        return [*self.optimizer.first, *self.optimizer.second]

    def progress(self) -> Progress:
        """How far the run is."""
        scale = (self.scale.value, self.scale.calm_steps)
        return Progress(self.done, self.data.batch_size, self.data.num_rows, scale, self.losses, random_state())

    def run(self) -> Path:
        """Train to the end. Returns the last checkpoint's file."""
        self.net.set_train()
        history = History(self.recipe.output_dir, self.epochs, self.steps_per_epoch, self.done)
        meter = Meter(self, history)
        saved = None
        for epoch in range(self.done // self.steps_per_epoch, self.epochs):
            for batch in self.data.batches(epoch, self.done - epoch * self.steps_per_epoch):
                self.take_step(batch, meter)
                if self.done % self.saver.save_checkpoint_steps == 0:
                    saved = self.save()
        self.net.set_train(False)
        history.draw()
        return saved if saved and self.done % self.saver.save_checkpoint_steps == 0 else self.save()

    def take_step(self, batch: dict[str, np.ndarray], meter: Meter) -> None:
        """One step, and a report where one is due."""
        if self.adapter is not None:
            self.adapter.begin_step(self.done)
        lr, scale = self.schedule(self.done), self.scale.value
        loss, norm, finite = self.step(
            Tensor(batch["input_ids"]),
            Tensor(batch["labels"]),
            Tensor(lr, ms.float32),
            self.optimizer.powers_at(self.done + 1),
            Tensor(scale, ms.float32),
        )
        overflowed = not bool(finite.asnumpy())
        self.scale.update(overflowed)
        self.done += 1
        meter.add(float(loss.asnumpy()), float(norm.asnumpy()), lr, scale, overflowed, batch["input_ids"].size)

    def save(self) -> Path:
        """Write weights and state of this moment; the oldest beyond `keep_checkpoint_max` go afterwards."""
        epoch, step = (self.done - 1) // self.steps_per_epoch, (self.done - 1) % self.steps_per_epoch
        name = CheckpointName(self.saver.prefix, epoch + 1, step + 1)
        progress = {"progress": json.dumps(asdict(self.progress()))}
        path = save_checkpoint(self.folder, name, self.saved_weights, self.state(), progress, self.metadata)
        prune(self.folder, self.saver.prefix, self.saver.keep_checkpoint_max)
        logger.info("saved %s", path)
        return path


class Meter:
    """Sums losses and time between two reports."""

    def __init__(self, training: Training, history: History) -> None:
        self.training, self.history = training, history
        monitor = training.recipe.callback(LossMonitor)
        self.every = monitor.per_print_times if monitor else 1
        self.reset()

    def reset(self) -> None:
        """Begin to measure anew."""
        self.steps, self.tokens, self.since = 0, 0, time.perf_counter()

    def add(self, loss: float, norm: float, lr: float, scale: float, overflowed: bool, tokens: int) -> None:
        """Take one step in, and report when the window is full or the run at its end."""
        training = self.training
        training.losses.append(loss)
        self.steps += 1
        self.tokens += tokens
        total = training.epochs * training.steps_per_epoch
        if training.done % self.every and training.done != total:
            return
        seconds = max(time.perf_counter() - self.since, 1e-9)
        finite = [value for value in training.losses if math.isfinite(value)]
        epoch, step = divmod(training.done - 1, training.steps_per_epoch)
        self.history.add(
            StepReport(
                training.done,
                epoch + 1,
                step + 1,
                sum(finite) / len(finite) if finite else math.nan,
                lr,
                norm,
                self.tokens / seconds,
                scale,
                seconds / self.steps,
                overflowed,
            )
        )
        training.losses = []
        self.reset()


def build_schedule(recipe: Recipe, epochs: int, steps_per_epoch: int) -> Schedule:
    """The learning rate of a recipe over its steps."""
    settings = recipe.lr_schedule
    total = settings.total_steps if settings.total_steps > 0 else epochs * steps_per_epoch
    warmup = settings.warmup_steps
    if settings.warmup_ratio is not None:
        warmup = int(settings.warmup_ratio * total)
    elif settings.warmup_epochs is not None:
        warmup = settings.warmup_epochs * steps_per_epoch
    return Schedule(settings.type, recipe.learning_rate, settings.lr_end, settings.warmup_lr_init, warmup, total)
