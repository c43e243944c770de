"""From a recipe to the parts that training is made of: schedule, loss scale, optimizer, step, meter, listeners."""

from __future__ import annotations

from pathlib import Path

from mindspore import nn

from mindformers.config import LossMonitor, Recipe, SummaryMonitor
from mindformers.core.decay import decays_of
from mindformers.core.loss import CausalLoss
from mindformers.core.loss_scale import LossScale
from mindformers.core.optimizer import AdamW
from mindformers.core.schedule import Schedule
from mindformers.parallel.buckets import SumGradients
from mindformers.parallel.device import rank
from mindformers.parallel.mesh import ALONE, Mesh
from mindformers.trainer.data import documents_of
from mindformers.trainer.monitor.console import Console
from mindformers.trainer.monitor.flops import flops_per_position, peak_flops
from mindformers.trainer.monitor.history import History
from mindformers.trainer.monitor.meter import Meter
from mindformers.trainer.monitor.reports import Listener, Reports
from mindformers.trainer.monitor.tensorboard import EventFile
from mindformers.trainer.step import TrainStep


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


def build_loss_scale(recipe: Recipe) -> LossScale:
    """The loss scale as it begins."""
    scale = recipe.runner_wrapper.loss_scale
    is_dynamic = scale.type == "DynamicLossScaleUpdateCell"
    return LossScale(scale.loss_scale_value, scale.scale_factor, scale.scale_window, is_dynamic)


def build_optimizer(recipe: Recipe, net: nn.Cell) -> AdamW:
    """AdamW over all weights of the network that are trained."""
    settings, weights = recipe.optimizer, net.trainable_params()
    decays = decays_of([weight.name for weight in weights], settings.weight_decay, settings.no_decay)
    return AdamW(weights, settings.beta1, settings.beta2, settings.eps, decays)


def use_recompute(recipe: Recipe, net: nn.Cell) -> None:
    """Have the layers of a network compute their activations twice, where the recipe says so and memory is gained.

    On a CPU nothing is: MindSpore's executor there keeps what is computed again as well.
    """
    if recipe.recompute_config.recompute and recipe.context.device_target != "CPU":
        for cell in net.recomputable():
            cell.recompute()


def build_step(recipe: Recipe, net: nn.Cell, optimizer: AdamW, mesh: Mesh = ALONE) -> TrainStep:
    """The step of a recipe, whose gradients are those of all devices."""
    wrapper = recipe.runner_wrapper
    return TrainStep(
        CausalLoss(net, net.config.ignore_token_id, documents_of(recipe.train_dataset, net.config)),
        optimizer,
        wrapper.max_grad_norm if wrapper.use_clip_grad else None,
        is_accumulating=recipe.runner_config.gradient_accumulation_steps > 1,
        reduce=SumGradients([w.shape for w in optimizer.weights], mesh.data_group) if mesh.data > 1 else None,
    )


def build_meter(recipe: Recipe, net: nn.Cell, steps_per_epoch: int, mesh: Mesh = ALONE) -> Meter:
    """What makes reports of steps."""
    monitor = recipe.callback(LossMonitor)
    every = monitor.per_print_times if monitor else 1
    peak = peak_flops(recipe.context.peak_tflops)
    peak = None if peak is None else peak * mesh.size
    return Meter(every, recipe.runner_config.epochs, steps_per_epoch, flops_per_position(net), peak)


def build_reports(recipe: Recipe, total_steps: int, done: int) -> Reports:
    """The listeners of a run: the screen, and on the first process the files."""
    listeners: list[Listener] = [Console(total_steps, done)]
    if rank() == 0:
        listeners.append(History(recipe.output_dir, done))
        summary = recipe.callback(SummaryMonitor)
        if summary is not None:
            listeners.append(EventFile(Path(summary.summary_dir or Path(recipe.output_dir) / "summary"), done))
    return Reports(listeners)
