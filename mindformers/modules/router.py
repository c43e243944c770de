"""Which experts a token may use (Xiong et al. 2024, section 3.2, with the count repaired: exactly k)."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops


class ActivationRouter(nn.Cell):
    """The k experts with the highest activation sum.

        h [T, F] -> sum per expert [T, E] -> the k largest are 1, the others 0

    An expert's score is the signed sum of its neurons' activations; no gradient flows through the choice. Of equal
    scores the expert with the lower number wins, so that exactly k are kept.

    Args:
        num_experts: E.

    Inputs: activations h [T, F] whose neurons stand expert by expert, and k int32 [T, 1].
    Returns: float mask [T, E] in h's type.
    """

    def __init__(self, num_experts: int) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.lower = Tensor(np.triu(np.ones((num_experts, num_experts), np.float32)))
        self.top = ops.TopK(sorted=True)

    def construct(self, h: Tensor, k: Tensor) -> Tensor:
        groups = ops.stop_gradient(h).reshape(h.shape[0], self.num_experts, -1)
        return ops.stop_gradient(ops.cast(self.choose(ops.cast(groups, ms.float32).sum(-1), k), h.dtype))

    def choose(self, scores: Tensor, k: Tensor) -> Tensor:
        """1.0 for exactly the k highest of scores [T, E], else 0.0."""
        ranked, _ = self.top(scores, self.num_experts)
        threshold = ops.gather_elements(ranked, 1, k - 1)
        above = ops.cast(scores > threshold, ms.float32)
        level = ops.cast(scores == threshold, ms.float32)
        free = ops.cast(k, ms.float32) - above.sum(-1, keepdims=True)
        return above + level * ops.cast(ops.matmul(level, self.lower) <= free, ms.float32)
