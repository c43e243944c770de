"""The SwiGLU feed-forward, whose neurons may be split into experts."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindformers.kernels.grouped import grouped_swiglu
from mindformers.kernels.masked import NativeMaskedSwiGLU
from mindformers.kernels.routed_ffn import ACTIVATION, LEARNED, by_expert, native_routed_swiglu
from mindformers.kernels.training import NativeSwiGLU, native
from mindformers.modules.linear import Linear
from mindformers.modules.router import ActivationRouter, LearnedRouter


class FeedForward(nn.Cell):
    """h = silu(x W1) * (x W3), y = h W2; with a router the neurons of experts that are not chosen are zero in h.

        x [B, S, D] --w1--> silu --+
              |                    * --> h [B, S, F] -- [ x mask of experts ] --w2--> y [B, S, D]
              +-------w3-----------+

    On a CPU the routed layer is one native operator that leaves out what the mask would set to zero; on Ascend a
    learned router's experts are grouped products; elsewhere, and where those cannot be had, everything is computed and
    masked. All give the same result.

    Args:
        hidden_size: D.
        intermediate_size: F.
        compute_dtype, param_dtype: types of the products and of the weights.
        router: chooses the experts, from h (`ActivationRouter`) or from x (`LearnedRouter`); None for the plain layer.

    Inputs: x [B, S, D]; k int32 [B, S], experts each token may use, and modality int32 [B, S], the row of the table
    (a plain layer needs neither, `ActivationRouter` no modality).
    """

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        compute_dtype: ms.Type,
        param_dtype: ms.Type,
        router: ActivationRouter | LearnedRouter | None = None,
    ) -> None:
        super().__init__()
        self.w1 = Linear(hidden_size, intermediate_size, compute_dtype, param_dtype)
        self.w3 = Linear(hidden_size, intermediate_size, compute_dtype, param_dtype)
        self.w2 = Linear(intermediate_size, hidden_size, compute_dtype, param_dtype)
        self.router = router
        self.is_learned = isinstance(router, LearnedRouter)
        self.members = None if router is None else self.membership(router.choose.num_experts, intermediate_size)
        self.spread = ops.MatMul()
        self.native = self.native_form(compute_dtype, param_dtype)
        self.w2_by_expert: Parameter | None = None
        self.fused = native(NativeSwiGLU) if compute_dtype == ms.float32 else None
        is_masked_by_activation = isinstance(router, ActivationRouter) and compute_dtype == ms.float32
        self.fused_mask = native(NativeMaskedSwiGLU, router.choose.num_experts) if is_masked_by_activation else None

    def native_form(self, compute_dtype: ms.Type, param_dtype: ms.Type) -> nn.Cell | None:
        """The one place that chooses between the device's own operators and the masked form."""
        if self.router is None:
            return None
        num_experts = self.router.choose.num_experts
        if ms.get_context("device_target") == "Ascend":
            return grouped_swiglu(num_experts, compute_dtype) if self.is_learned else None
        if compute_dtype != ms.float32 or param_dtype != ms.float32:
            return None
        return native_routed_swiglu(num_experts, LEARNED if self.is_learned else ACTIVATION)

    def prepare_generation(self) -> None:
        """Lay w2 of a learned router's experts out as it is read when a few tokens choose a few experts.

        It is a copy beside w2, with the weights of this moment; graphs that are compiled from now on read it outside of
        training.
        """
        if self.native is None or not self.is_learned:
            return
        values = Tensor.from_numpy(by_expert(self.w2.weight, self.router.choose.num_experts))
        if self.w2_by_expert is None:
            self.w2_by_expert = Parameter(values, name=f"{self.w2.weight.name}_by_expert", requires_grad=False)
        else:
            self.w2_by_expert.set_data(values)

    @staticmethod
    def membership(num_experts: int, num_neurons: int) -> Tensor:
        """float32 [E, F]: 1 where a neuron belongs to an expert."""
        return Tensor(np.repeat(np.eye(num_experts, dtype=np.float32), num_neurons // num_experts, axis=1))

    def construct(self, x: Tensor, k: Tensor | None = None, modality: Tensor | None = None) -> Tensor:
        if self.router is None:
            return self.w2(self.activations(x))
        rows, k = x.reshape(-1, x.shape[-1]), k.reshape(-1, 1)
        if self.native is not None:
            choice = self.router(rows, k, modality.reshape(-1)) if self.is_learned else k.reshape(-1)
            w2 = self.w2.weight if self.training or self.w2_by_expert is None else self.w2_by_expert
            return self.native(rows, choice, self.w1.weight, self.w3.weight, w2).reshape(x.shape)
        if self.training and self.fused_mask is not None:
            return self.w2(self.fused_mask(self.w1(rows), self.w3(rows), k.reshape(-1))).reshape(x.shape)
        h = self.activations(rows)
        mask = self.router(rows, k, modality.reshape(-1)) if self.is_learned else self.router(h, k)
        return self.w2(self.keep_experts(h, mask)).reshape(x.shape)

    def activations(self, x: Tensor) -> Tensor:
        """h [..., F] of x [..., D], nothing masked."""
        if self.training and self.fused is not None:
            gate, up = self.w1(x), self.w3(x)
            width = gate.shape[-1]
            return self.fused(gate.reshape(-1, width), up.reshape(-1, width)).reshape(gate.shape)
        return ops.silu(self.w1(x)) * self.w3(x)

    def keep_experts(self, h: Tensor, mask: Tensor) -> Tensor:
        """h [T, F] with the neurons of all but the chosen experts of mask [T, E] set to zero.

        The mask is spread over the neurons by a product with the memberships [E, F], which is faster than a broadcast.
        """
        return h * ops.cast(self.spread(ops.cast(mask, ms.float32), self.members), h.dtype)
