"""From a recipe to a network that is spread over the devices of a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from mindspore import Tensor, nn
from mindspore.nn.utils import no_init_parameters

from mindformers.config import Recipe
from mindformers.core.init import drawn
from mindformers.core.loss import TokenLoss
from mindformers.models import cutting, cutting_obstacle, parallel_plan
from mindformers.parallel.device import device_num
from mindformers.parallel.mesh import Mesh, join
from mindformers.parallel.plan import check_plan
from mindformers.parallel.spreading import Spread, cut_weights
from mindformers.parallel.vocabulary import VocabularyLoss
from mindformers.trainer.build import build_network
from mindformers.trainer.checkpoint import load_weights


def meet(recipe: Recipe, config: Any) -> Mesh:
    """Where this process stands among those of the run.

    Args:
        recipe: with its `parallel_config`.
        config: the network's configuration.

    Raises:
        InputError: the plan does not fit the devices or the network.
    """
    check_plan(recipe, device_num(), partial(cutting_obstacle, recipe.model.arch.type, config))
    return join(recipe)


def meet_with_copies(recipe: Recipe) -> Mesh:
    """As `meet`, for work that every device does with a whole copy of the network."""
    check_plan(recipe, device_num(), lambda parts: "1, as every device answers with a whole copy" * (parts > 1))
    return join(recipe)


def build_spread_network(recipe: Recipe, config: Any, mesh: Mesh, base: str | Path | None) -> tuple[nn.Cell, Spread]:
    """The network with this device's part of its weights, which computes with the others'.

    No process ever holds the whole network where that is cut: its weights have no memory before they are, then each is
    drawn or read alone, and the own part of it is kept.

    Args:
        recipe: names the network's class, and says whether the optimizer's state will be spread.
        config: its configuration.
        mesh: the devices.
        base: the file of its weights; None for random ones, the same on any number of devices.

    Raises:
        InputError: the file does not fit the network.
    """
    is_cut, arch = mesh.tensor > 1, recipe.model.arch.type
    with no_init_parameters():
        net = build_network(recipe, config, random=False)
    patterns = cutting(arch).cuts_of(config) if is_cut else {}
    is_state_sharded = mesh.data > 1 and recipe.parallel.enable_parallel_optimizer
    layout, shared = cut_weights(net, patterns, mesh, is_state_sharded), []
    if is_cut:
        parallel_plan(arch).place_parts(net, mesh.tensor_group)
        shared = [p.name for p in net.get_parameters() if cutting(arch).shares_gradient(p.name)]
    spread = Spread(layout, mesh, shared)
    if base is None:
        draw(net, spread, recipe.seed, config.initializer_range)
    else:
        load_weights(net, base, spread=spread)
    return net, spread


def draw(net: nn.Cell, spread: Spread, seed: int, deviation: float) -> None:
    """The own parts of what `initialize_parameters` gives a whole network."""
    for parameter in net.get_parameters():
        shape = spread.shape(parameter)
        if len(shape) >= 2:
            values = spread.own(parameter.name, drawn(parameter.name, shape, seed, deviation))
            parameter.set_data(Tensor(values, parameter.dtype))


def token_loss(config: Any, mesh: Mesh) -> nn.Cell:
    """The loss of every token, of whole scores or of this device's part of them."""
    if mesh.tensor == 1:
        return TokenLoss(config.ignore_token_id)
    return VocabularyLoss(config.vocab_size, mesh.tensor_group, config.ignore_token_id)
