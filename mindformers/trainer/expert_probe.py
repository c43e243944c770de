"""Looking into a network: what its feed-forwards read, what their neurons do, which experts its tokens choose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.dataset.mindrecord import MindRecordBatches
from mindformers.modalities import MODALITIES
from mindformers.modules.router import ActivationRouter
from mindformers.tools.progress import Progress


class ActivationProbe(nn.Cell):
    """The activations of every layer's neurons.

    Inputs: ids int32 [B, S]. Returns: for each layer its input [T, D] and its activations h [T, F], nothing masked.
    """

    def __init__(self, net: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.model = net.model

    def construct(self, ids: Tensor) -> list[tuple[Tensor, Tensor]]:
        inputs = self.model.feed_forward_inputs(ids)
        found = []
        for i in range(len(inputs)):
            rows = inputs[i].reshape(-1, inputs[i].shape[-1])
            found.append((rows, self.model.layers[i].feed_forward.activations(rows)))
        return found


class ChoiceProbe(nn.Cell):
    """The experts that every token chooses in every layer: exactly, by activation, and as the network itself does.

    Args:
        net: the network; with `learned` routing its projections choose, otherwise activations do.
        num_experts: E.

    Inputs: ids int32 [B, S]. Returns: two float32 masks [layers, T, E], of the activation router and of the network.
    """

    def __init__(self, net: nn.Cell, num_experts: int) -> None:
        super().__init__(auto_prefix=False)
        self.model, self.exact = net.model, ActivationRouter(num_experts)

    def construct(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        k, modality = self.model.routed_by(ids)
        k, modality = k.reshape(-1, 1), modality.reshape(-1)
        inputs = self.model.feed_forward_inputs(ids)
        exact, own = [], []
        for i in range(len(inputs)):
            layer = self.model.layers[i].feed_forward
            rows = inputs[i].reshape(-1, inputs[i].shape[-1])
            wanted = self.exact(layer.activations(rows), k)
            exact.append(wanted)
            own.append(layer.router(rows, k, modality) if layer.is_learned else wanted)
        return ops.stack(exact), ops.stack(own)


def real_tokens(
    data: MindRecordBatches, config: Any, what: str, epoch: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch as ids and as rows of the table of modalities, with progress.

    Yields:
        ids int32 [B, S] and modality rows int32 [B * S], -1 where a token is padding.
    """
    table = config.modality_table()
    with Progress(what, data.num_batches, "batches") as progress:
        for batch in data.batches(epoch):
            ids = batch["input_ids"][:, :-1]
            behind = np.cumsum(ids[:, ::-1] != config.pad_token_id, axis=1)[:, ::-1] == 0
            yield np.ascontiguousarray(ids), np.where(behind, -1, table[ids]).reshape(-1)
            progress.update()


class ExpertUse:
    """Counts, by layer and modality, which experts are used and how often the network agrees with activation.

    Args:
        num_layers, num_experts: L and E.
    """

    def __init__(self, num_layers: int, num_experts: int) -> None:
        shape = (num_layers, len(MODALITIES), num_experts)
        self.used, self.exact, self.found = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.tokens = np.zeros(len(MODALITIES), np.int64)

    def add(self, exact: np.ndarray, own: np.ndarray, modality_rows: np.ndarray) -> None:
        """Count masks [L, T, E] in; rows [T], -1 for tokens to leave out."""
        for row in np.unique(modality_rows[modality_rows >= 0]):
            members = modality_rows == row
            wanted, chosen = exact[:, members] > 0, own[:, members] > 0
            self.exact[:, row] += wanted.sum(1)
            self.used[:, row] += chosen.sum(1)
            self.found[:, row] += (wanted & chosen).sum(1)
            self.tokens[row] += members.sum()

    def agreement(self) -> dict[str, float]:
        """Share of the activation router's choices that the network makes too: by modality, and `total` over tokens.

        A token counts once in the total, however many experts it may use.
        """
        shares, total = {}, 0.0
        for row, modality in enumerate(MODALITIES):
            if self.tokens[row]:
                shares[modality.name] = float(self.found[:, row].sum() / self.exact[:, row].sum())
                total += shares[modality.name] * self.tokens[row]
        return {**shares, "total": total / max(int(self.tokens.sum()), 1)}

    def shares(self) -> dict[str, np.ndarray]:
        """For each modality that occurs float [L, E]: the share of its tokens that use an expert."""
        seen = [row for row in range(len(MODALITIES)) if self.tokens[row]]
        return {MODALITIES[row].name: self.used[:, row] / self.tokens[row] for row in seen}

    def balance(self) -> dict[str, float]:
        """For each modality the entropy of expert use over that of even use, mean of the layers; 1 is even."""
        found = {}
        for name, shares in self.shares().items():
            parts = shares / shares.sum(1, keepdims=True)
            entropy = -(parts * np.log(np.maximum(parts, 1e-12))).sum(1) / np.log(shares.shape[1])
            found[name] = float(entropy.mean())
        return found


def watch_choices(net: nn.Cell, config: Any, data: MindRecordBatches, what: str) -> ExpertUse:
    """Run data through a network and count its choices."""
    probe = ChoiceProbe(net, config.experts.num_experts)
    probe.set_train(False)
    use = ExpertUse(config.num_layers, config.experts.num_experts)
    for ids, modality_rows in real_tokens(data, config, what):
        exact, own = probe(Tensor(ids))
        use.add(exact.asnumpy(), own.asnumpy(), modality_rows)
    return use
