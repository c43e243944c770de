"""AdamW (Loshchilov and Hutter 2019, algorithm 2) with its state in float32, by the device's fused Adam or natively."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from mindformers.kernels.training import native
from mindformers.kernels.update import NativeAdamW

STATE_PREFIXES = ("adam_m.", "adam_v.")


class AdamW(nn.Cell):
    """Adam whose weight decay is taken off the weights themselves.

        w <- w (1 - lr * decay);  m, v <- running means of g and g^2;  w <- w - lr * m' / (sqrt(v') + eps)

    where m' and v' are corrected for their start at zero. On a CPU one native operator for all weights.

    Args:
        weights: the parameters to train.
        beta1, beta2, eps: as in the paper.
        weight_decay: share of a weight taken off per step and unit of learning rate, one for all or one for each.

    Inputs: gradients, one per weight; lr float32 scalar; powers float32 [2], beta1^t and beta2^t of step t from 1;
    factor float32 scalar, multiplied to every gradient (clipping and loss scale).
    """

    def __init__(
        self,
        weights: Sequence[Parameter],
        beta1: float = 0.9,
        beta2: float = 0.95,
        eps: float = 1e-8,
        weight_decay: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.weights = ParameterTuple(weights)
        self.first = ParameterTuple([_zeros(STATE_PREFIXES[0] + w.name, self.state_shape(w)) for w in weights])
        self.second = ParameterTuple([_zeros(STATE_PREFIXES[1] + w.name, self.state_shape(w)) for w in weights])
        is_one = isinstance(weight_decay, float)
        self.decays = [weight_decay] * len(weights) if is_one else list(weight_decay)
        self.is_float32 = [w.dtype == ms.float32 for w in weights]
        self.count = len(self.weights)
        self.adam = ops.Adam()
        self.fused = self.native_form()

    def native_form(self) -> nn.Cell | None:
        """For float32 weights with whole running means; it changes nothing where the factor is not finite."""
        is_whole = all(m.shape == w.shape for m, w in zip(self.first, self.weights, strict=True))
        if not is_whole or not all(self.is_float32):
            return None
        fixed = (self.beta1, self.beta2, self.eps)
        return native(NativeAdamW, self.weights, self.first, self.second, self.decays, fixed)

    def state_shape(self, weight: Parameter) -> tuple[int, ...]:
        """Of the running means of a weight's gradients."""
        return tuple(weight.shape)

    def powers_at(self, step: int) -> Tensor:
        """beta1^t and beta2^t for step t, counted from 1."""
        return Tensor(np.asarray([self.beta1**step, self.beta2**step], np.float32))

    def construct(self, gradients: tuple[Tensor, ...], lr: Tensor, powers: Tensor, factor: Tensor) -> Tensor:
        if self.fused is not None:
            return self.fused(gradients, lr, powers, factor)
        uncorrected_eps = self.eps * ops.sqrt(1.0 - powers[1])
        for i in range(self.count):
            gradient = ops.cast(gradients[i], ms.float32) * factor
            if self.is_float32[i]:
                self.update_fused(i, gradient, lr, powers, uncorrected_eps)
            else:
                ops.assign(self.weights[i], self.stepped(i, self.weights[i], gradient, lr, powers))
        return factor

    def update_fused(self, i: int, gradient: Tensor, lr: Tensor, powers: Tensor, eps: Tensor) -> None:
        """One weight in float32, by the device's operator, which adds its eps to sqrt(v) before the correction."""
        if self.decays[i] > 0:
            ops.assign(self.weights[i], self.weights[i] * (1.0 - lr * self.decays[i]))
        state = (self.weights[i], self.first[i], self.second[i])
        self.adam(*state, powers[0], powers[1], lr, self.beta1, self.beta2, eps, gradient)

    def stepped(self, i: int, weight: Tensor, gradient: Tensor, lr: Tensor, powers: Tensor) -> Tensor:
        """The next values of weight i, in its own type: the same equation in float32, rounded once at the end.

        Its running means are updated; the weight is given, as it may be a part of it.
        """
        first = self.beta1 * self.first[i] + (1.0 - self.beta1) * gradient
        second = self.beta2 * self.second[i] + (1.0 - self.beta2) * ops.square(gradient)
        ops.assign(self.first[i], first)
        ops.assign(self.second[i], second)
        direction = first / (1.0 - powers[0]) / (ops.sqrt(second / (1.0 - powers[1])) + self.eps)
        following = ops.cast(weight, ms.float32) * (1.0 - lr * self.decays[i]) - lr * direction
        return ops.cast(following, weight.dtype)


def _zeros(name: str, shape: tuple[int, ...]) -> Parameter:
    return Parameter(Tensor(np.zeros(shape, np.float32)), name=name, requires_grad=False)
