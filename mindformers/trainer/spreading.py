"""From a recipe to a network that is spread over the devices of a run."""

from __future__ import annotations

from typing import Any

from mindspore import nn

from mindformers.config import Recipe
from mindformers.core.loss import TokenLoss
from mindformers.models import cutting_obstacle, parallel_plan
from mindformers.parallel.device import device_num
from mindformers.parallel.mesh import Mesh, join
from mindformers.parallel.plan import check_plan
from mindformers.parallel.spreading import Spread, cut_weights
from mindformers.parallel.vocabulary import VocabularyLoss
from mindformers.trainer.adapting import pet_config


def meet(recipe: Recipe, config: Any) -> Mesh:
    """Where this process stands among those of the run.

    Args:
        recipe: with its `parallel_config`.
        config: the network's configuration.

    Raises:
        InputError: the plan does not fit the devices or the network.
    """
    check_plan(recipe, device_num(), lambda parts: obstacle(recipe, config, parts))
    return join(recipe)


def obstacle(recipe: Recipe, config: Any, parts: int) -> str:
    """Why this recipe's network cannot be cut into so many parts, as what was expected instead; empty where it can."""
    if parts > 1 and (recipe.adapter or pet_config(recipe) is not None):
        return "1 with LoRA, which trains beside whole copies"
    return cutting_obstacle(recipe.model.arch.type, config, parts)


def spread_network(recipe: Recipe, net: nn.Cell, mesh: Mesh) -> Spread:
    """Leave a network with whole weights this device's part of them, and make it compute with the others'.

    Args:
        recipe: names the network's class, and says whether the optimizer's state will be spread.
        net: it is changed in place.
        mesh: the devices.
    """
    is_cut, arch = mesh.tensor > 1, recipe.model.arch.type
    patterns = parallel_plan(arch).cuts_of(net.config) if is_cut else {}
    is_state_sharded = mesh.data > 1 and recipe.parallel.enable_parallel_optimizer
    layout = cut_weights(net, patterns, mesh, is_state_sharded)
    if is_cut:
        parallel_plan(arch).place_parts(net, mesh.tensor_group)
    return Spread(layout, mesh)


def token_loss(config: Any, mesh: Mesh) -> nn.Cell:
    """The loss of every token, of whole scores or of this device's part of them."""
    if mesh.tensor == 1:
        return TokenLoss(config.ignore_token_id)
    return VocabularyLoss(config.vocab_size, mesh.tensor_group, config.ignore_token_id)
