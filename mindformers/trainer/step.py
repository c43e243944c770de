"""One training step as one graph: loss, gradients, clipping, AdamW. A step that is not finite changes nothing."""

from __future__ import annotations

import mindspore as ms
from mindspore import ParameterTuple, Tensor, nn, ops

from mindformers.core.optimizer import AdamW


class ScaledLoss(nn.Cell):
    """loss(ids, labels) * scale, and the plain loss beside it."""

    def __init__(self, loss: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.loss = loss

    def construct(self, ids: Tensor, labels: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        loss = self.loss(ids, labels)
        return loss * scale, loss


class TrainStep(nn.Cell):
    """Loss and gradients of a batch, then the update.

    Args:
        loss: cell of ids and labels to a scalar.
        optimizer: holds the weights that are trained.
        max_grad_norm: gradients are scaled down to this global norm; None leaves them.

    Inputs: ids and labels int32 [B, S + 1]; lr and scale float32 scalars; powers float32 [2].
    Returns: loss, the global norm of the gradients before clipping, and whether it is finite (bool); where it is
    not, neither weights nor optimizer state have changed.
    """

    def __init__(self, loss: nn.Cell, optimizer: AdamW, max_grad_norm: float | None = None) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer, self.max_grad_norm = optimizer, max_grad_norm
        self.weights = ParameterTuple(optimizer.weights)
        self.scaled_loss = ScaledLoss(loss)
        self.gradients = ops.value_and_grad(self.scaled_loss, None, self.weights, has_aux=True)
        self.half_square = ops.L2Loss()

    def construct(
        self, ids: Tensor, labels: Tensor, lr: Tensor, powers: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        (_, loss), gradients = self.gradients(ids, labels, scale)
        norm = self.norm_of(gradients) / scale
        finite = ops.isfinite(norm)
        factor = 1.0 / scale
        if self.max_grad_norm is not None:
            factor = factor * ops.minimum(self.max_grad_norm / (norm + 1e-6), 1.0)
        if finite:
            self.optimizer(gradients, lr, powers, factor)
        return loss, norm, finite

    def norm_of(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """sqrt of the sum of all squares."""
        total = ms.Tensor(0.0, ms.float32)
        for gradient in gradients:
            total = total + self.half_square(ops.cast(gradient, ms.float32))
        return ops.sqrt(2.0 * total)
