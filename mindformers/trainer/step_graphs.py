"""The graphs of a training step: gradients of a micro batch, their sum over several, the update.

    ids, labels --> Backward --> gradients, sums --> [ over micro batches ] --> [ over devices ] --> Update --> weights

Gradients and sums are those of the summed loss, so they can be added up in any order; `Update` divides by the number of
tokens that count in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from mindformers.core.optimizer import AdamW
from mindformers.kernels.training import half_square, native
from mindformers.kernels.update import NativeGlobalNorm


class ScaledLoss(nn.Cell):
    """The summed loss times a factor, and beside it float32 [2]: the summed loss and the number of tokens."""

    def __init__(self, loss: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.loss = loss

    def construct(self, ids: Tensor, labels: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        loss, tokens = self.loss(ids, labels)
        return loss * scale, ops.stack((loss, tokens))


class Backward(nn.Cell):
    """Gradients of a batch.

    Args:
        loss: ids and labels to the sum of the losses and the number of tokens that count, as `CausalLoss`.
        weights: what is trained.

    Inputs: ids and labels int32 [B, S + 1]; scale float32 scalar, multiplied to the summed loss.
    Returns: gradients, one per weight; sums float32 [2], the loss without the scale and the tokens.
    """

    def __init__(self, loss: nn.Cell, weights: Sequence[Parameter]) -> None:
        super().__init__(auto_prefix=False)
        self.scaled_loss = ScaledLoss(loss)
        self.gradients = ops.value_and_grad(self.scaled_loss, None, ParameterTuple(weights), has_aux=True)

    def construct(self, ids: Tensor, labels: Tensor, scale: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        (_, sums), gradients = self.gradients(ids, labels, scale)
        return gradients, sums


class GlobalNorm(nn.Cell):
    """sqrt of the sum of all squares. Inputs: gradients. Returns: float32 scalar."""

    def __init__(self) -> None:
        super().__init__(auto_prefix=False)
        self.half_square = half_square()

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        total = ops.zeros((1,), ms.float32)
        for gradient in gradients:
            total = total + self.half_square(ops.cast(gradient, ms.float32))
        return ops.sqrt(2.0 * total).reshape(())


def global_norm(weights: Sequence[Parameter]) -> nn.Cell:
    """The norm of these weights' gradients: natively where there is a library and all are float32."""
    if any(weight.dtype != ms.float32 for weight in weights):
        return GlobalNorm()
    return native(NativeGlobalNorm, len(weights)) or GlobalNorm()


class Update(nn.Cell):
    """Mean gradients, clipping, then the optimizer; where the norm is not finite, nothing at all.

    Args:
        optimizer: holds the weights.
        max_grad_norm: gradients are scaled down to this global norm; None leaves them.
        reduce: gradients and sums to those of all devices together; None on one device.
        norm: gradients to their norm over the whole network.

    Inputs: gradients and sums as from `Backward`; lr and scale float32 scalars; powers float32 [2].
    Returns: the mean loss, the norm of its gradients before clipping, whether it is finite (bool), the tokens.
    """

    def __init__(
        self,
        optimizer: AdamW,
        max_grad_norm: float | None = None,
        reduce: nn.Cell | None = None,
        norm: nn.Cell | None = None,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer, self.max_grad_norm = optimizer, max_grad_norm
        self.reduce, self.norm = reduce, norm or global_norm(optimizer.weights)
        self.no_number = Tensor(np.nan, ms.float32)

    def construct(
        self, gradients: tuple[Tensor, ...], sums: Tensor, lr: Tensor, powers: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if self.reduce is not None:
            gradients, sums = self.reduce(gradients, sums)
        tokens = ops.maximum(sums[1], 1.0)
        factor = 1.0 / (tokens * scale)
        norm = self.norm(gradients) * factor
        finite = ops.isfinite(norm)
        if self.max_grad_norm is not None:
            factor = factor * ops.minimum(self.max_grad_norm / (norm + 1e-6), 1.0)
        if self.optimizer.fused is not None:  # it looks at the factor itself, and the graph needs no branch
            self.optimizer(gradients, lr, powers, ops.select(finite, factor, self.no_number))
        elif finite:
            self.optimizer(gradients, lr, powers, factor)
        return sums[0] / tokens, norm, finite, sums[1]


class WholeStep(nn.Cell):
    """A step of one batch. Inputs: those of `Backward` and `Update`. Returns: as `Update`."""

    def __init__(self, backward: Backward, update: Update) -> None:
        super().__init__(auto_prefix=False)
        self.backward, self.update = backward, update

    def construct(
        self, ids: Tensor, labels: Tensor, lr: Tensor, powers: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        gradients, sums = self.backward(ids, labels, scale)
        return self.update(gradients, sums, lr, powers, scale)


class Held(nn.Cell):
    """Where gradients and sums of micro batches are added up, in float32; zero between two steps, so never saved.

    Args:
        weights: the parameters that are trained.
    """

    def __init__(self, weights: Sequence[Parameter]) -> None:
        super().__init__(auto_prefix=False)
        self.gradients = ParameterTuple([_zeros(weight.shape, f"held.{weight.name}") for weight in weights])
        self.sums = _zeros((2,), "held.sums")
        self.count = len(self.gradients)

    def add(self, gradients: tuple[Tensor, ...], sums: Tensor) -> None:
        """Add those of a micro batch."""
        for i in range(self.count):
            ops.assign_add(self.gradients[i], ops.cast(gradients[i], ms.float32))
        ops.assign_add(self.sums, sums)

    def clear(self) -> None:
        """Back to zero; an infinite sum would outlive a product with zero."""
        for i in range(self.count):
            ops.assign(self.gradients[i], ops.zeros_like(self.gradients[i]))
        ops.assign(self.sums, ops.zeros_like(self.sums))


class HoldStep(nn.Cell):
    """Takes a micro batch in. Inputs: those of `Backward`. Returns: its sums."""

    def __init__(self, backward: Backward, held: Held) -> None:
        super().__init__(auto_prefix=False)
        self.backward, self.held = backward, held

    def construct(self, ids: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
        gradients, sums = self.backward(ids, labels, scale)
        self.held.add(gradients, sums)
        return sums


class HeldUpdate(nn.Cell):
    """The update by all that is held, which is cleared. Inputs and results: those of `Update` without the gradients."""

    def __init__(self, update: Update, held: Held) -> None:
        super().__init__(auto_prefix=False)
        self.update, self.held = update, held

    def construct(self, lr: Tensor, powers: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        result = self.update(self.held.gradients, self.held.sums, lr, powers, scale)
        self.held.clear()
        return result


def _zeros(shape: tuple[int, ...], name: str) -> Parameter:
    return Parameter(Tensor(np.zeros(shape, np.float32)), name=name, requires_grad=False)
