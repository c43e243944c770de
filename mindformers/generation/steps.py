"""The graphs of generation: take prompts in, take one token of every slot in, let slots change places."""

from __future__ import annotations

from mindspore import Tensor, nn


class PrefillStep(nn.Cell):
    """Inputs: ids int32 [P, S], padded behind; lengths int32 [P]; slots int32 [P].

    Returns: logits float32 [P, V] behind each prompt.
    """

    def __init__(self, net: nn.Cell, caches: nn.CellList | None) -> None:
        super().__init__(auto_prefix=False)
        self.net, self.caches = net, caches

    def construct(self, ids: Tensor, lengths: Tensor, slots: Tensor) -> Tensor:
        return self.net.prefill(ids, lengths, self.caches, slots)


class DecodeStep(nn.Cell):
    """Inputs: ids int32 [B] and their positions int32 [B]. Returns: logits float32 [B, V] behind these tokens."""

    def __init__(self, net: nn.Cell, caches: nn.CellList) -> None:
        super().__init__(auto_prefix=False)
        self.net, self.caches = net, caches

    def construct(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.net.decode(ids, positions, self.caches)


class RearrangeStep(nn.Cell):
    """Inputs: sources int32 [B]; slot b gets the cache of slot sources[b]. Returns: sources."""

    def __init__(self, caches: nn.CellList) -> None:
        super().__init__(auto_prefix=False)
        self.caches = caches

    def construct(self, sources: Tensor) -> Tensor:
        for cache in self.caches:
            cache.rearrange(sources)
        return sources
