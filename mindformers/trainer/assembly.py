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
from mindformers.parallel.device import rank
from mindformers.parallel.gradients import NormOfAll, ScatterGradients, SumGradients
from mindformers.parallel.sharded_adamw import ShardedAdamW
from mindformers.parallel.spreading import Spread
from mindformers.trainer.data import documents_of
from mindformers.trainer.monitor.console import Console
from mindformers.trainer.monitor.flops import Peak, flops_of
from mindformers.trainer.monitor.history import History
from mindformers.trainer.monitor.meter import Meter
from mindformers.trainer.monitor.reports import Listener, Reports
from mindformers.trainer.monitor.tensorboard import EventFile
from mindformers.trainer.spreading import token_loss
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


def build_optimizer(recipe: Recipe, net: nn.Cell, spread: Spread) -> AdamW:
    """AdamW over all weights of the network that are trained."""
    settings, weights = recipe.optimizer, net.trainable_params()
    decays = decays_of([weight.name for weight in weights], settings.weight_decay, settings.no_decay)
    given = (settings.beta1, settings.beta2, settings.eps, decays)
    if spread.layout.is_state_sharded:
        return ShardedAdamW(weights, spread.mesh, *given)
    return AdamW(weights, *given)


def use_recompute(recipe: Recipe, net: nn.Cell) -> None:
    """Have the layers of a network compute their activations twice, where the recipe says so and memory is gained.

    On a CPU nothing is: MindSpore's executor there keeps what is computed again as well.
    """
    if recipe.recompute_config.recompute and recipe.context.device_target != "CPU":
        for cell in net.recomputable():
            cell.recompute()


def build_step(recipe: Recipe, net: nn.Cell, optimizer: AdamW, spread: Spread) -> TrainStep:
    """The step of a recipe, whose gradients are those of all devices."""
    wrapper, config = recipe.runner_wrapper, net.config
    documents = documents_of(recipe.train_dataset, config)
    reduce, norm = _over_devices(optimizer, spread)
    return TrainStep(
        CausalLoss(net, config.ignore_token_id, documents, token_loss(config, spread.mesh)),
        optimizer,
        wrapper.max_grad_norm if wrapper.use_clip_grad else None,
        is_accumulating=recipe.runner_config.gradient_accumulation_steps > 1,
        reduce=reduce,
        norm=norm,
    )


def _over_devices(optimizer: AdamW, spread: Spread) -> tuple[nn.Cell | None, nn.Cell | None]:
    """`reduce` and `norm` of `Update`."""
    layout, mesh = spread.layout, spread.mesh
    if mesh.size == 1:
        return None, None
    shapes, names = [w.shape for w in optimizer.weights], [w.name for w in optimizer.weights]
    shared = [i for i, name in enumerate(names) if name in spread.shared]
    kind = ScatterGradients if layout.is_state_sharded else SumGradients
    return kind(shapes, mesh, shared), NormOfAll([*map(layout.is_cut, names)], mesh, layout.is_state_sharded)


def build_meter(recipe: Recipe, net: nn.Cell, steps_per_epoch: int, spread: Spread) -> Meter:
    """What makes reports of steps."""
    monitor = recipe.callback(LossMonitor)
    every = monitor.per_print_times if monitor else 1
    peak = Peak(recipe.context.peak_tflops, spread.mesh.size)
    return Meter(every, recipe.runner_config.epochs, steps_per_epoch, flops_of(net, spread.shape), peak)


def build_reports(recipe: Recipe, total_steps: int, done: int) -> Reports:
    """The listeners of a run: the screen, and on the first process the files."""
    listeners: list[Listener] = [Console(total_steps, done)]
    if rank() == 0:
        listeners.append(History(recipe.output_dir, done))
        summary = recipe.callback(SummaryMonitor)
        if summary is not None:
            listeners.append(EventFile(Path(summary.summary_dir or Path(recipe.output_dir) / "summary"), done))
    return Reports(listeners)
