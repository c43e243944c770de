"""Hugging Face's `generate` in a process of its own, so that each side has its own threads and settings.

    python -m benchmarks.decode_peer

Reads requests from standard input, a JSON object per line, and answers each with one on a line of its own:
`{"build": {...}}` makes a random network of these settings and answers how many parameters it has;
`{"batch": B, "prompt": S, "new": n}` generates greedily and answers the seconds until the first token of every row and
those of the n - 1 steps behind it.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

NUM_THREADS = 2


def build(settings: dict[str, Any]) -> Any:
    """A LLaMA of transformers with random float32 weights."""
    import torch
    import transformers

    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**settings, bos_token_id=None, eos_token_id=None, pad_token_id=0)
    return transformers.LlamaForCausalLM(config).eval()


def generate_seconds(net: Any, batch: int, prompt: int, new: int) -> tuple[float, float]:
    """Seconds of a greedy generation of `new` tokens: until the first one, and behind it."""
    import torch

    ids = torch.randint(3, net.config.vocab_size, (batch, prompt), generator=torch.Generator().manual_seed(0))
    settings = {"do_sample": False, "max_new_tokens": new, "min_new_tokens": new, "use_cache": True}
    moments: list[float] = []

    def note(ids: Any, scores: Any) -> Any:
        moments.append(time.perf_counter())
        return scores

    with torch.inference_mode():
        start = time.perf_counter()
        answer = net.generate(ids, attention_mask=torch.ones_like(ids), logits_processor=[note], **settings)
        end = time.perf_counter()
    if answer.shape != (batch, prompt + new) or len(moments) != new:
        raise RuntimeError(f"generate: got {tuple(answer.shape)}, expected {(batch, prompt + new)}")
    return moments[0] - start, end - moments[0]


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer until the requests end."""
    net = None
    for line in requests:
        request = json.loads(line)
        if "build" in request:
            net = None
            net = build(request["build"])
            answer = sum(parameter.numel() for parameter in net.parameters())
        else:
            answer = generate_seconds(net, request["batch"], request["prompt"], request["new"])
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
