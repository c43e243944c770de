"""Into how many parts a LLaMA can be cut: attention by heads, every expert by its neurons."""

from __future__ import annotations

from mindformers.models.llama.llama_config import LlamaConfig


def obstacle(config: LlamaConfig, parts: int) -> str:
    """Why this LLaMA cannot be cut into so many parts, as what was expected instead; empty where it can."""
    num_experts = config.experts.num_experts if config.is_routed else 1
    counts = {
        f"num_heads {config.num_heads}": config.num_heads,
        f"n_kv_heads {config.num_kv_heads}": config.num_kv_heads,
        f"the {config.ffn_size // num_experts} neurons of an expert": config.ffn_size // num_experts,
    }
    return next((f"a divisor of {what}" for what, count in counts.items() if count % parts), "")
