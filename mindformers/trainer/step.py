"""One training step over one or several micro batches. A step that is not finite changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from mindformers.core.optimizer import AdamW
from mindformers.trainer.step_graphs import Backward, Held, HeldUpdate, HoldStep, Update, WholeStep

Batch = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class StepResult:
    """What a step did.

    Args:
        loss: mean over the tokens that count, nats.
        grad_norm: global norm of its gradients before clipping.
        is_finite: whether the norm is; if not, neither weights nor optimizer state have changed.
        tokens: tokens that count.
    """

    loss: float
    grad_norm: float
    is_finite: bool
    tokens: int


class TrainStep:
    """Loss and gradients of all micro batches together, then one update.

    The result is that of one batch with all their rows: every token that counts has the same weight, in whichever
    micro batch it stands.

    Args:
        loss: cell of ids and labels int32 [B, S + 1] to the sum of the losses and the number of tokens that count.
        optimizer: holds the weights that are trained.
        max_grad_norm: gradients are scaled down to this global norm; None leaves them.
        is_accumulating: whether steps have several micro batches; their gradients need memory of their own.
        reduce, norm: as `Update`, for several devices.
    """

    def __init__(
        self,
        loss: nn.Cell,
        optimizer: AdamW,
        max_grad_norm: float | None = None,
        is_accumulating: bool = False,
        reduce: nn.Cell | None = None,
        norm: nn.Cell | None = None,
    ) -> None:
        self.optimizer, self.is_accumulating = optimizer, is_accumulating
        backward, update = Backward(loss, optimizer.weights), Update(optimizer, max_grad_norm, reduce, norm)
        if is_accumulating:
            held = Held(optimizer.weights)
            self.hold, self.update = HoldStep(backward, held), HeldUpdate(update, held)
        else:
            self.whole = WholeStep(backward, update)

    def __call__(
        self,
        batches: Sequence[Batch],
        lr: float,
        scale: float,
        number: int,
        begin_batch: Callable[[int], None] = lambda part: None,
    ) -> StepResult:
        """Take a step.

        Args:
            batches: micro batches with `input_ids` and `labels`, int32 [B, S + 1] each; one unless accumulating.
            lr: learning rate.
            scale: loss scale: what the mean loss of a batch whose tokens all count is multiplied by.
            number: of this update, from 1, without those that changed nothing.
            begin_batch: called before every micro batch with its number, from 0.
        """
        told = self.told(batches[0], lr, scale, number)
        if self.is_accumulating:
            for part, batch in enumerate(batches):
                begin_batch(part)
                self.hold(*tensors_of(batch), told[-1])
            results = self.update(*told)
        else:
            (batch,) = batches
            begin_batch(0)
            results = self.whole(*tensors_of(batch), *told)
        loss, norm, finite, tokens = (result.asnumpy() for result in results)
        return StepResult(float(loss), float(norm), bool(finite), int(tokens))

    def compile(self, batch: Batch) -> None:
        """Build the graphs for batches of this shape without running them."""
        told = self.told(batch, 0.0, 1.0, 1)
        if self.is_accumulating:
            self.hold.compile(*tensors_of(batch), told[-1])
            self.update.compile(*told)
        else:
            self.whole.compile(*tensors_of(batch), *told)

    def told(self, batch: Batch, lr: float, scale: float, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """What the graphs get beside the data. The scale is given per position, as losses are summed."""
        rows, length = batch["labels"].shape
        per_position = scale / (rows * (length - 1))
        return Tensor(lr, ms.float32), self.optimizer.powers_at(number), Tensor(per_position, ms.float32)


def tensors_of(batch: Batch) -> tuple[Tensor, Tensor]:
    """Ids and labels."""
    return Tensor(batch["input_ids"]), Tensor(batch["labels"])
