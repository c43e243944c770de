"""AdamW whose state is spread over the copies of the model (Rajbhandari et al. 2020, stage 1).

    gradients --> own stretch of each --> update of that stretch --> gathered --> all weights on every copy

A copy keeps the running means of one stretch of every weight, taken as numbers one behind the other, so the shares are
equal to a few numbers whatever the shapes.
"""

from __future__ import annotations

from collections.abc import Sequence

from mindspore import Parameter, Tensor, ops

from mindformers.core.optimizer import AdamW
from mindformers.parallel.collectives import collect
from mindformers.parallel.gradients import buckets_of, in_stretches
from mindformers.parallel.mesh import Mesh


class ShardedAdamW(AdamW):
    """As `AdamW`, by the own stretches of the gradients.

    Args:
        weights: the parameters to train, whole or as parts of the tensor group.
        mesh: the devices.
        beta1, beta2, eps, weight_decay: as `AdamW`.

    Inputs: gradients as from `ScatterGradients`; the rest as `AdamW`.
    """

    def __init__(
        self,
        weights: Sequence[Parameter],
        mesh: Mesh,
        beta1: float = 0.9,
        beta2: float = 0.95,
        eps: float = 1e-8,
        weight_decay: float | Sequence[float] = 0.0,
    ) -> None:
        self.copies, self.place = mesh.data, mesh.data_rank
        super().__init__(weights, beta1, beta2, eps, weight_decay)
        self.sizes = [weight.size for weight in weights]
        self.stretches = [self.state_shape(weight)[0] for weight in weights]
        self.buckets = buckets_of(self.sizes)
        self.gather = collect(mesh.data_group)

    def state_shape(self, weight: Parameter) -> tuple[int, ...]:
        """Of the running means: a stretch."""
        return (-(-weight.size // self.copies),)

    def construct(self, gradients: tuple[Tensor, ...], lr: Tensor, powers: Tensor, factor: Tensor) -> Tensor:
        for bucket in self.buckets:
            own = ()
            for i in bucket:
                stretch = in_stretches(self.weights[i], self.copies, self.stretches[i])[self.place]
                own = (*own, self.stepped(i, stretch, gradients[i] * factor, lr, powers))
            everyone = self.gather(ops.concat(own).expand_dims(0))
            start = 0
            for i in bucket:
                rows = everyone[:, start : start + self.stretches[i]]
                ops.assign(self.weights[i], rows.reshape(-1)[: self.sizes[i]].reshape(self.weights[i].shape))
                start = start + self.stretches[i]
        return factor
