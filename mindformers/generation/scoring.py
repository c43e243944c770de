"""Log-likelihood of given continuations, e.g. of `Yes` and `No` behind a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.core.loss import TokenLoss, shifted
from mindformers.generation.slots import bucket
from mindformers.tools.errors import InputError

_IGNORED = -100


class ScoreStep(nn.Cell):
    """Inputs: ids and labels int32 [B, S + 1]. Returns: float32 [B], the summed loss of the labels, nats."""

    def __init__(self, net: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.net, self.loss = net, TokenLoss(_IGNORED)

    def construct(self, ids: Tensor, labels: Tensor) -> Tensor:
        read, said = shifted(ids, labels)
        logits = self.net(read)
        losses, _ = self.loss(logits.reshape(-1, logits.shape[-1]), said.reshape(-1))
        return ops.cast(losses.reshape(said.shape).sum(-1), ms.float32)


class Scorer:
    """Scores continuations in batches.

    Args:
        net: ids [B, S] to logits, with `config`.
        batch_size: pairs at once.
    """

    def __init__(self, net: Any, batch_size: int = 8) -> None:
        self.net, self.batch_size = net, batch_size
        self.step = ScoreStep(net)
        self.step.set_train(False)

    def log_likelihoods(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> np.ndarray:
        """How likely each continuation is behind its context.

        Args:
            pairs: (context ids, continuation ids), both not empty.

        Returns:
            float64 [N], log-probabilities of whole continuations, nats.

        Raises:
            InputError: an empty part, or a pair that is longer than the model.
        """
        for number, (context, continuation) in enumerate(pairs):
            self._check(number, len(context), len(continuation))
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
        scores = np.zeros(len(pairs))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            scores[chosen] = self._batch([pairs[i] for i in chosen])
        return scores

    def _batch(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> np.ndarray:
        longest = max(len(context) + len(continuation) for context, continuation in pairs)
        width = bucket(longest, self.net.config.seq_length) + 1
        ids = np.full((self.batch_size, width), self.net.config.pad_token_id, np.int32)
        labels = np.full((self.batch_size, width), _IGNORED, np.int32)
        for row, (context, continuation) in enumerate(pairs):
            end = len(context) + len(continuation)
            ids[row, :end] = [*context, *continuation]
            labels[row, len(context) : end] = continuation
        return -self.step(Tensor(ids), Tensor(labels)).asnumpy()[: len(pairs)].astype(np.float64)

    def _check(self, number: int, context: int, continuation: int) -> None:
        if not context or not continuation:
            raise InputError(f"pair {number + 1}", "an empty part", "a context and a continuation", "fill both")
        limit = self.net.config.seq_length
        if context + continuation > limit:
            got = f"{context + continuation} tokens"
            raise InputError(f"pair {number + 1}", got, f"at most {limit} (seq_length)", "shorten it")
