"""Networks that hold given weights."""

from __future__ import annotations

from mindspore import Tensor

from mindformers.models.glm.glm import GLMForPreTraining
from mindformers.models.glm.glm_config import GLMConfig
from mindformers.models.glm.names import their_name
from tests.models.glm.reference import Weights


def network(config: GLMConfig, weights: Weights) -> GLMForPreTraining:
    """A network with the weights of these published names, ready to answer."""
    net = GLMForPreTraining(config, seed=None)
    for parameter in net.get_parameters():
        parameter.set_data(Tensor(weights[their_name(parameter.name)]))
    net.set_train(False)
    return net
