"""The two graphs of generation: take a prompt in, take one token in."""

from __future__ import annotations

from mindspore import Tensor, nn


class PrefillStep(nn.Cell):
    """Inputs: ids int32 [B, S], padded behind; lengths int32 [B]. Returns: logits float32 [B, V] behind each prompt."""

    def __init__(self, net: nn.Cell, caches: nn.CellList | None) -> None:
        super().__init__(auto_prefix=False)
        self.net, self.caches = net, caches

    def construct(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.net.prefill(ids, lengths, self.caches)


class DecodeStep(nn.Cell):
    """Inputs: ids int32 [B] and their positions int32 [B]. Returns: logits float32 [B, V] behind these tokens."""

    def __init__(self, net: nn.Cell, caches: nn.CellList) -> None:
        super().__init__(auto_prefix=False)
        self.net, self.caches = net, caches

    def construct(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.net.decode(ids, positions, self.caches)
