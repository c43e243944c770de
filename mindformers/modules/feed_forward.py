"""The SwiGLU feed-forward, whose neurons may be split into experts."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindformers.modules.linear import Linear
from mindformers.modules.router import ActivationRouter


class FeedForward(nn.Cell):
    """h = silu(x W1) * (x W3), y = h W2; with a router the neurons of experts that are not chosen are zero in h.

        x [B, S, D] --w1--> silu --+
              |                    * --> h [B, S, F] -- [ x mask of experts ] --w2--> y [B, S, D]
              +-------w3-----------+

    Args:
        hidden_size: D.
        intermediate_size: F.
        compute_dtype, param_dtype: types of the products and of the weights.
        router: gives the mask of experts, or None for the plain layer.

    Inputs: x [B, S, D]; k int32 [B, S], experts each token may use (unused without a router).
    """

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        compute_dtype: ms.Type,
        param_dtype: ms.Type,
        router: ActivationRouter | None = None,
    ) -> None:
        super().__init__()
        self.w1 = Linear(hidden_size, intermediate_size, compute_dtype, param_dtype)
        self.w3 = Linear(hidden_size, intermediate_size, compute_dtype, param_dtype)
        self.w2 = Linear(intermediate_size, hidden_size, compute_dtype, param_dtype)
        self.router = router

    def construct(self, x: Tensor, k: Tensor | None = None) -> Tensor:
        h = ops.silu(self.w1(x)) * self.w3(x)
        if self.router is not None:
            h = self.keep_experts(h, k)
        return self.w2(h)

    def keep_experts(self, h: Tensor, k: Tensor) -> Tensor:
        """h with the neurons of all but the chosen experts set to zero."""
        rows = h.reshape(-1, h.shape[-1])
        mask = self.router(rows, k.reshape(-1, 1))
        groups = rows.reshape(rows.shape[0], mask.shape[1], -1) * mask.expand_dims(-1)
        return groups.reshape(h.shape)
