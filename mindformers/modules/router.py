"""Which experts a token may use (Xiong et al. 2024, section 3.2, with the count repaired: exactly k)."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.modules.linear import empty_parameter


class TopExperts(nn.Cell):
    """The k highest scores of a row; of equal scores the expert with the lower number wins, so exactly k are kept.

    Args:
        num_experts: E.

    Inputs: scores float32 [T, E], k int32 [T, 1]. Returns: float32 [T, E], 1 is kept.
    """

    def __init__(self, num_experts: int) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.lower = Tensor(np.triu(np.ones((num_experts, num_experts), np.float32)))
        self.top = ops.TopK(sorted=True)

    def construct(self, scores: Tensor, k: Tensor) -> Tensor:
        ranked, _ = self.top(scores, self.num_experts)
        threshold = ops.gather_elements(ranked, 1, k - 1)
        above = ops.cast(scores > threshold, ms.float32)
        level = ops.cast(scores == threshold, ms.float32)
        free = ops.cast(k, ms.float32) - above.sum(-1, keepdims=True)
        return above + level * ops.cast(ops.matmul(level, self.lower) <= free, ms.float32)


class ActivationRouter(nn.Cell):
    """The k experts with the highest activation sum: exact, and known only when all of h is computed.

        h [T, F] -> sum per expert [T, E] -> the k largest are 1, the others 0

    An expert's score is the signed sum of its neurons' activations; no gradient flows through the choice.

    Args:
        num_experts: E.

    Inputs: activations h [T, F] whose neurons stand expert by expert, and k int32 [T, 1].
    Returns: float mask [T, E] in h's type.
    """

    def __init__(self, num_experts: int) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.choose = TopExperts(num_experts)
        self.add_up = ops.MatMul()  # a product with ones is faster than a reduction

    def construct(self, h: Tensor, k: Tensor) -> Tensor:
        return ops.stop_gradient(ops.cast(self.choose(self.scores(h), k), h.dtype))

    def scores(self, h: Tensor) -> Tensor:
        """float32 [T, E]: the sum of each expert's activations."""
        size = h.shape[1] // self.num_experts
        groups = ops.cast(ops.stop_gradient(h), ms.float32).reshape(-1, size)
        return self.add_up(groups, ops.ones((size, 1), ms.float32)).reshape(h.shape[0], self.num_experts)


class LearnedRouter(nn.Cell):
    """Predicts from the feed-forward's input which experts matter, before anything of them is computed.

        x [T, D] -> W_m x + b_m, m the token's modality -> the k largest are 1, the others 0

    Every modality has a small projection of its own: what is a good sign of an expert in a molecule is none in text.
    Trained by `tune_routers` towards the choice of `ActivationRouter`. With `is_trained` the gradient of a kept
    expert's contribution reaches the projection (straight through the choice); otherwise none does.

    Args:
        num_experts: E.
        hidden_size: D.
        num_modalities: M.
        is_trained: whether the projection learns with the model.

    Inputs: x [T, D]; k int32 [T, 1]; modality int32 [T], the row of the table. Returns: float mask [T, E] in x's type.
    """

    def __init__(self, num_experts: int, hidden_size: int, num_modalities: int, is_trained: bool = False) -> None:
        super().__init__()
        self.shape, self.is_trained = (num_modalities, num_experts), is_trained
        rows = num_modalities * num_experts
        self.weight = empty_parameter((rows, hidden_size), ms.float32, "weight", requires_grad=is_trained)
        self.bias = empty_parameter((rows,), ms.float32, "bias", requires_grad=is_trained)
        self.choose = TopExperts(num_experts)
        self.multiply = ops.MatMul(transpose_b=True)
        self.members = Tensor(np.eye(num_modalities, dtype=np.float32))
        self.gather = ops.Gather()

    def construct(self, x: Tensor, k: Tensor, modality: Tensor) -> Tensor:
        scores = self.scores(x, modality)
        mask = ops.stop_gradient(self.choose(scores, k))
        if self.is_trained:
            likely = ops.sigmoid(scores)
            mask = mask * (1.0 + likely - ops.stop_gradient(likely))
        return ops.cast(mask, x.dtype)

    def scores(self, x: Tensor, modality: Tensor) -> Tensor:
        """float32 [T, E]: logits of each expert being among the chosen."""
        everyone = self.multiply(ops.cast(x, ms.float32), self.weight) + self.bias
        own = self.gather(self.members, modality, 0).expand_dims(-1)
        return (everyone.reshape((x.shape[0], *self.shape)) * own).sum(1)
