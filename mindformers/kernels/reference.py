"""What the native routed feed-forward computes, in plain operators."""

from __future__ import annotations

from mindspore import Tensor, nn, ops


class MaskedSwiGLU(nn.Cell):
    """h = silu(x W1^T) * (x W3^T), y = (h * mask of experts) W2^T: everything is computed, then masked.

    Args:
        num_experts: E.
        router: h [T, F], k int32 [T, 1] -> mask [T, E] (`ActivationRouter`), or None where the choice is a mask.

    Inputs and result: as `routed_ffn.RoutedSwiGLU`; a mask of 0 and 1. Its gradient is there for all experts.
    """

    def __init__(self, num_experts: int, router: nn.Cell | None = None) -> None:
        super().__init__()
        self.num_experts, self.router = num_experts, router
        self.multiply = ops.MatMul(transpose_b=True)

    def construct(self, x: Tensor, choice: Tensor, w1: Tensor, w3: Tensor, w2: Tensor) -> Tensor:
        if x.shape[0] == 0:
            return ops.zeros_like(x)
        h = ops.silu(self.multiply(x, w1)) * self.multiply(x, w3)
        mask = choice if self.router is None else self.router(h, choice.reshape(-1, 1))
        groups = h.reshape(x.shape[0], self.num_experts, -1) * mask.expand_dims(-1)
        return self.multiply(groups.reshape(h.shape), w2)
