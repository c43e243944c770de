"""Loss, perplexity and token accuracy on held-out data, in total and for each modality."""

from __future__ import annotations

import math
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.core.loss import NextToken
from mindformers.dataset.mindrecord import MindRecordBatches
from mindformers.modalities import MODALITIES
from mindformers.parallel.mesh import ALONE, Mesh
from mindformers.tools.progress import Progress
from mindformers.trainer.data import filled_batch
from mindformers.trainer.spreading import token_loss


class EvaluationStep(nn.Cell):
    """Sums over the tokens of each modality that count.

    Args:
        next_token: records to logits and labels.
        modality_table: int32 [V].
        loss: of every token.

    Inputs: ids and labels int32 [B, S + 1]. Returns: float32 [M, 3]: losses in nats, tokens, right tokens.
    """

    def __init__(self, next_token: NextToken, modality_table: np.ndarray, loss: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.next_token, self.loss = next_token, loss
        self.one_hot = Tensor(np.eye(len(MODALITIES), dtype=np.float32)[modality_table])

    def construct(self, ids: Tensor, labels: Tensor) -> Tensor:
        logits, said = self.next_token(ids, labels)
        losses, weights = self.loss(logits, said)
        right = ops.cast(self.loss.are_likeliest(logits, said), ms.float32) * weights
        member = self.one_hot[ops.maximum(said, 0)]
        return ops.matmul(member.transpose(1, 0), ops.stack((losses, weights, right), 1))


class Evaluation:
    """Runs a network over data; its graph is compiled once.

    Args:
        net: ids [B, S] to logits [B, S, V]. Whether it is in training is the same afterwards.
        config: its configuration.
        mesh: the devices that share the data.
        documents: tells the documents of a packed record apart; None where each record is one.
    """

    def __init__(self, net: nn.Cell, config: Any, mesh: Mesh = ALONE, documents: nn.Cell | None = None) -> None:
        self.net, self.config, self.mesh = net, config, mesh
        next_token = NextToken(net, config.ignore_token_id, documents)
        self.step = EvaluationStep(next_token, config.modality_table(), token_loss(config, mesh))

    def measure(self, data: MindRecordBatches, title: str = "evaluating") -> dict[str, Any]:
        """Evaluate on all records, each on one of the devices that hold a copy; all of them learn the result.

        Returns:
            `total` and one entry per modality that occurs: `loss` (nats per token), `perplexity`, `accuracy` (share
            of tokens that are the most likely one) and `tokens`.
        """
        was_training = self.net.training
        self.step.set_train(False)
        sums = np.zeros((len(MODALITIES), 3), np.float64)
        with Progress(title, data.num_batches, "batches") as progress:
            for batch in data.batches(0):
                batch = filled_batch(batch, data.batch_size, self.config)
                sums += self.step(Tensor(batch["input_ids"]), Tensor(batch["labels"])).asnumpy()
                progress.update()
        self.net.set_train(was_training)
        sums = self.mesh.sum_over_data(sums)
        rows = {"total": sums.sum(0), **{row.name: sums[i] for i, row in enumerate(MODALITIES)}}
        return {name: _measures(*row.tolist()) for name, row in rows.items() if row[1] or name == "total"}


def _measures(loss: float, tokens: float, right: float) -> dict[str, float | int]:
    mean = loss / max(tokens, 1)
    return {
        "loss": mean,
        "perplexity": math.exp(min(mean, 700)),
        "accuracy": right / max(tokens, 1),
        "tokens": int(tokens),
    }
