"""A peer in a process of its own, so that each side has its own threads and settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mindformers.models.llama.llama_config import LlamaConfig

_OURS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # settings of our own process, see `mindformers`


class PeerProcess:
    """Answers requests, a JSON object per line on its standard input, by a line of JSON each.

    Args:
        module: what is run, e.g. `benchmarks.decode_peer`.
        is_patient: its idle threads sleep, as ours do; else they spin as OpenMP's default has it, which is faster on
            an idle machine and several times slower beside other jobs.
    """

    def __init__(self, module: str, is_patient: bool) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        if is_patient:
            environment["OMP_WAIT_POLICY"] = "passive"
        command = [sys.executable, "-m", module]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        root = Path(__file__).resolve().parents[1]
        self.process = subprocess.Popen(command, text=True, env=environment, cwd=root, **pipes)

    def ask(self, **request: Any) -> Any:
        """The answer to a request."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("Hugging Face's side has ended: see its message above")
        return json.loads(answer)

    def close(self) -> None:
        """End it."""
        self.process.stdin.close()
        self.process.wait()


def hugging_face_settings(config: LlamaConfig) -> dict[str, Any]:
    """`transformers.LlamaConfig` of the same shapes."""
    return {
        "hidden_size": config.hidden_size,
        "intermediate_size": config.ffn_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.seq_length,
        "rms_norm_eps": config.rms_norm_eps,
    }
