"""The loss of the next token where every device has the scores of its own tokens. They are never brought together.

every device:   m = max score,  s = sum of exp(score - m),  t = score of the label, or 0 where another has it
gathered:       loss = log(sum of s exp(m - M)) + M - sum of t,   M the highest m
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.parallel.collectives import Gather
from mindformers.parallel.mesh import Group

_NOWHERE = -1e30


class VocabularyLoss(nn.Cell):
    """As `core.loss.TokenLoss`, of a part of the scores.

    Args:
        vocab_size: V.
        group: the devices that share the vocabulary: each has ceil(V / size) tokens, some behind the last are none.
        ignore_token_id: the label that does not count.

    Inputs: scores float32 [T, part of V], labels int32 [T].
    Returns: losses float32 [T] in nats, and weights float32 [T]: 1 is a token that counts.
    """

    def __init__(self, vocab_size: int, group: Group, ignore_token_id: int = -100) -> None:
        super().__init__(auto_prefix=False)
        self.ignore_token_id, self.size = ignore_token_id, group.size
        rows = -(-vocab_size // group.size)
        self.first, self.last = group.place * rows, rows - 1
        tokens = np.arange(self.first, self.first + rows)
        self.filling = Tensor(np.where(tokens < vocab_size, 0.0, _NOWHERE).astype(np.float32))
        self.gather = Gather(group)

    def construct(self, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        scores = scores + self.filling
        counted = labels != self.ignore_token_id
        weights = ops.cast(counted, ms.float32)
        place = ops.cast(counted, ms.int32) * labels - self.first
        own = ops.clamp(place, 0, self.last)
        target = ops.gather_elements(scores, 1, own.expand_dims(1)).reshape(-1) * ops.cast(own == place, ms.float32)
        top = ops.stop_gradient(scores.max(-1))
        total = ops.exp(scores - top.expand_dims(1)).sum(-1)
        told = self.gather(ops.stack((top, total, target)).expand_dims(0))
        highest = ops.stop_gradient(told[:, 0].max(0))
        totals = (told[:, 1] * ops.exp(told[:, 0] - highest)).sum(0)
        return (ops.log(totals) + highest - told[:, 2].sum(0)) * weights, weights

    def are_likeliest(self, scores: Tensor, labels: Tensor) -> Tensor:
        """As `TokenLoss.are_likeliest`; of equal scores the token with the lowest id is the likeliest."""
        scores = scores + self.filling
        token = ops.cast(scores.argmax(-1) + self.first, ms.float32)  # exact below 2^24 tokens
        told = self.gather(ops.stack((scores.max(-1), token)).expand_dims(0))
        winner = ops.cast(told[:, 0].argmax(0), ms.int32).expand_dims(0)
        return ops.cast(ops.gather_elements(told[:, 1], 0, winner).reshape(-1), ms.int32) == labels
