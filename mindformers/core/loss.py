"""Cross entropy of the next token, with labels that do not count."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindformers.kernels.training import NativeLoss, native


class TokenLoss(nn.Cell):
    """-log softmax(logits)[label] of every token, 0 where the label does not count. On a CPU one native operator.

    Args:
        ignore_token_id: the label that does not count.

    Inputs: logits float32 [T, V], labels int32 [T].
    Returns: losses float32 [T] in nats, and weights float32 [T]: 1 is a token that counts.
    """

    def __init__(self, ignore_token_id: int = -100) -> None:
        super().__init__()
        self.ignore_token_id = ignore_token_id
        self.fused = native(NativeLoss, ignore_token_id)

    def construct(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        counted = labels != self.ignore_token_id
        weights = ops.cast(counted, ms.float32)
        if self.fused is not None:
            return self.fused(logits, labels), weights
        wanted = ops.cast(counted, ms.int32) * labels
        likelihood = ops.gather_elements(ops.log_softmax(logits, -1), 1, wanted.expand_dims(1))
        return -likelihood.reshape(-1) * weights, weights

    def are_likeliest(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Whether each label is the token of the highest score, bool [T]."""
        return ops.cast(logits.argmax(-1), ms.int32) == labels


def shifted(ids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Records [B, S + 1] to what is read [B, S] and what is to be said next [B, S]."""
    return ids[:, :-1], labels[:, 1:]


class NextToken(nn.Cell):
    """What a network says of the next tokens of records, and what they are.

    Where the documents of a record are told apart, the network keeps them apart, and the first token of a document is
    not asked for: nothing in front of it says what it is.

    Args:
        net: ids [B, S] to logits [B, S, V]; with `documents` it takes those of the ids beside them.
        ignore_token_id: the label that does not count.
        documents: ids int32 [B, S + 1] to the document of each; None where all of a record is one.

    Inputs: ids and labels int32 [B, S + 1]. Returns: logits [B * S, V] and labels int32 [B * S].
    """

    def __init__(self, net: nn.Cell, ignore_token_id: int = -100, documents: nn.Cell | None = None) -> None:
        super().__init__(auto_prefix=False)
        self.net, self.ignore_token_id, self.documents = net, ignore_token_id, documents

    def construct(self, ids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        read, said = shifted(ids, labels)
        if self.documents is None:
            logits = self.net(read)
        else:
            own = self.documents(ids)
            logits = self.net(read, own[:, :-1])
            said = ops.select(own[:, 1:] == own[:, :-1], said, ops.full_like(said, self.ignore_token_id))
        return logits.reshape(-1, logits.shape[-1]), said.reshape(-1)


class CausalLoss(nn.Cell):
    """Loss of a batch as sums, which those of other batches and devices can be added to.

    Args:
        net, ignore_token_id, documents: as `NextToken`.
        loss: of every token, where the net's logits are a part of them; a `TokenLoss` by default.

    Inputs: ids and labels int32 [B, S + 1]. Returns: float32 scalars: the sum of the losses in nats, and the number of
    tokens that count.
    """

    def __init__(
        self,
        net: nn.Cell,
        ignore_token_id: int = -100,
        documents: nn.Cell | None = None,
        loss: nn.Cell | None = None,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.next_token, self.loss = NextToken(net, ignore_token_id, documents), loss or TokenLoss(ignore_token_id)

    def construct(self, ids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        losses, weights = self.loss(*self.next_token(ids, labels))
        return losses.sum(), weights.sum()
