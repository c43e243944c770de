"""Training by Hugging Face and torch in a process of its own, so that each side has its own threads and settings.

    python -m benchmarks.train_peer

Reads requests from standard input, a JSON object per line, and answers each with one on a line of its own:
`{"build": {...}, "weights": F, "ids": [[...]], "rate": r, "clip": c, "adam": {...}}` makes a network of these settings
with the weights of a safetensors file, to be trained on one batch [B, S + 1], and answers how many parameters it has;
`{}` takes a step and answers its loss.
"""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

NUM_THREADS = 2


class PeerTraining:
    """A LLaMA of transformers, float32, with torch's fused AdamW.

    Args:
        build: settings of `transformers.LlamaConfig`.
        weights: a safetensors file under Hugging Face's names.
        ids: [B, S + 1]; every token but the first is to be said.
        rate: learning rate.
        clip: gradients are scaled down to this global norm.
        adam: further settings of AdamW.
    """

    def __init__(
        self, build: dict[str, Any], weights: str, ids: list[list[int]], rate: float, clip: float, adam: dict[str, Any]
    ) -> None:
        import torch
        import transformers
        from safetensors.torch import load_file

        torch.set_num_threads(NUM_THREADS)
        config = transformers.LlamaConfig(**build, bos_token_id=None, eos_token_id=None, pad_token_id=0)
        self.net = transformers.LlamaForCausalLM(config).train()
        self.net.load_state_dict(load_file(weights))
        self.ids, self.clip = torch.tensor(ids), clip
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=rate, fused=True, **adam)
        self.clip_gradients = torch.nn.utils.clip_grad_norm_
        self.cross_entropy = torch.nn.functional.cross_entropy

    @property
    def num_parameters(self) -> int:
        """Weights of the network."""
        return sum(parameter.numel() for parameter in self.net.parameters())

    def take(self) -> float:
        """One step. Returns the mean loss in nats."""
        logits = self.net(self.ids[:, :-1], use_cache=False).logits
        loss = self.cross_entropy(logits.flatten(0, 1), self.ids[:, 1:].flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.clip_gradients(self.net.parameters(), self.clip)
        self.optimizer.step()
        return loss.item()


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer until the requests end."""
    training = None
    for line in requests:
        request = json.loads(line)
        if request:
            training = None
            training = PeerTraining(**request)
        answer = training.num_parameters if request else training.take()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
