"""Small Hugging Face folders and recipes that fit them, for the tests of the conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mindformers.models.llama.convert_weight import main
from mindformers.tools.weight_files import SafetensorsFile
from tests.conftest import NUM_PIECES

NUM_TOKENS = NUM_PIECES + 98
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_layers": 2, "num_heads": 4, "n_kv_heads": 2}


def save_llama(folder: Path, dtype: str = "float32", shard: str = "5GB", seed: int = 0, **changes: Any) -> Any:
    """A random LLaMA of transformers in a folder; returns the network."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(seed)
    settings = {
        "vocab_size": NUM_PIECES,
        "hidden_size": SIZES["hidden_size"],
        "intermediate_size": SIZES["intermediate_size"],
        "num_hidden_layers": SIZES["num_layers"],
        "num_attention_heads": SIZES["num_heads"],
        "num_key_value_heads": SIZES["n_kv_heads"],
        "rms_norm_eps": 1e-5,
        "initializer_range": 0.3,
        "max_position_embeddings": 64,
    }
    net = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**settings, **changes}))
    for parameter in net.parameters():
        if parameter.ndim == 1:
            parameter.data = 1 + 0.3 * torch.randn(parameter.shape)
    net = net.to(getattr(torch, dtype)).eval()
    net.save_pretrained(folder, max_shard_size=shard)
    return net


def write_recipe(path: Path, experts: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A recipe for `save_llama`'s network, with the vocabulary grown by all modalities."""
    network = {
        "type": "LlamaConfig",
        "seq_length": 64,
        "rms_norm_eps": 1e-5,
        "vocab_size": NUM_TOKENS,
        "base_vocab_size": NUM_PIECES,
        "compute_dtype": "float32",
        **SIZES,
        **changes,
    }
    if experts is not None:
        network["experts"] = experts
    content = {"seed": 7, "model": {"model_config": network, "arch": {"type": "LlamaForCausalLM"}}}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def convert(*words: Any) -> None:
    """Run the command, which must succeed."""
    assert main([str(word) for word in words]) == 0


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a safetensors file, or of all in a folder."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    return {name: file.read(name) for file in map(SafetensorsFile, files) for name in file.tensors}


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays have the same type, shape and bytes."""
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
