"""The routed feed-forward by grouped products, for devices that have them: only selected pairs are computed.

mask [T, E] -> pairs (expert, token), expert by expert
x of the pairs [P, D] -- grouped w1, w3 --> h [P, F/E] -- grouped w2 --> [P, D] -- added up by token --> y [T, D]
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindformers.kernels.reference import MaskedSwiGLU


class DeviceGroupedProduct(nn.Cell):
    """Ascend's grouped matmul. Inputs: rows [P, K] group by group, weights [E, K, N], counts int64 [E], rows of each
    group. Returns: [P, N]."""

    def construct(self, rows: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
        return ops.auto_generate.grouped_matmul_v4(
            [rows], [weights], group_list=counts, split_item=3, group_type=0, group_list_type=1
        )[0]


class PlainGroupedProduct(nn.Cell):
    """The twin that defines `DeviceGroupedProduct`: every group over all rows, then each row's own."""

    def construct(self, rows: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
        ends = ops.cumsum(counts, 0)
        places = ops.arange(rows.shape[0]).reshape(-1, 1)
        is_own = ops.logical_and(places >= (ends - counts).reshape(1, -1), places < ends.reshape(1, -1))
        every = ops.matmul(rows.expand_dims(0), weights)
        return (every * ops.cast(is_own, rows.dtype).swapaxes(0, 1).expand_dims(-1)).sum(0)


class GroupedSwiGLU(nn.Cell):
    """As `routed_ffn.RoutedSwiGLU` with a mask that is known beforehand; in training the masked form, which has
    gradients everywhere.

    Args:
        num_experts: E.
        compute_dtype: the type of the products.
        product: `DeviceGroupedProduct`, or its twin.

    Inputs: x [T, D]; mask [T, E], where anything but 0 selects; w1 and w3 [F, D]; w2 [D, F].
    Returns: [T, D] in `compute_dtype`.
    """

    def __init__(self, num_experts: int, compute_dtype: ms.Type, product: nn.Cell) -> None:
        super().__init__()
        self.num_experts, self.compute_dtype, self.product = num_experts, compute_dtype, product
        self.masked = MaskedSwiGLU(num_experts)

    def construct(self, x: Tensor, mask: Tensor, w1: Tensor, w3: Tensor, w2: Tensor) -> Tensor:
        dtype = self.compute_dtype
        x, w1, w3, w2 = ops.cast(x, dtype), ops.cast(w1, dtype), ops.cast(w3, dtype), ops.cast(w2, dtype)
        if self.training:
            return self.masked(x, ops.cast(mask, dtype), w1, w3, w2)
        selected = mask != 0
        tokens = ops.nonzero(selected.swapaxes(0, 1))[:, 1]
        counts = ops.cast(selected, ms.int64).sum(0)
        rows = ops.gather(x, tokens, 0)
        width, per = x.shape[1], w1.shape[0] // self.num_experts
        into = (self.num_experts, per, width)
        gate = self.product(rows, w1.reshape(into).swapaxes(1, 2), counts)
        h = ops.silu(gate) * self.product(rows, w3.reshape(into).swapaxes(1, 2), counts)
        y = self.product(h, w2.reshape(width, self.num_experts, per).transpose(1, 2, 0), counts)
        return ops.index_add(ops.zeros(x.shape, dtype), ops.cast(tokens, ms.int32), y, 0)


def grouped_swiglu(num_experts: int, compute_dtype: ms.Type) -> GroupedSwiGLU | None:
    """The cell for this device, or None where MindSpore has no grouped matmul."""
    if not hasattr(ops.auto_generate, "grouped_matmul_v4"):
        return None
    return GroupedSwiGLU(num_experts, compute_dtype, DeviceGroupedProduct())
