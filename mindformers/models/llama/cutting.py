"""How a LLaMA is cut into parts: attention by heads, every expert by its neurons, embedding and head by tokens."""

from __future__ import annotations

from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.parallel.cuts import Cut


def obstacle(config: LlamaConfig, parts: int) -> str:
    """Why this LLaMA cannot be cut into so many parts, as what was expected instead; empty where it can."""
    num_neurons = config.ffn_size // _num_experts(config)
    counts = {
        f"num_heads {config.num_heads}": config.num_heads,
        f"n_kv_heads {config.num_kv_heads}": config.num_kv_heads,
        f"the {num_neurons} neurons of an expert": num_neurons,
    }
    return next((f"a divisor of {what}" for what, count in counts.items() if count % parts), "")


def cuts_of(config: LlamaConfig) -> dict[str, Cut]:
    """Pattern of a weight's name -> how it is cut. Weights of no pattern are whole on every device."""
    num_experts = _num_experts(config)
    return {
        r".*\.attention\.w[qkv]\.weight": Cut(0),
        r".*\.attention\.wo\.weight": Cut(1),
        r".*\.feed_forward\.w[13]\.weight": Cut(0, num_experts),
        r".*\.feed_forward\.w2\.weight": Cut(1, num_experts),
        r"model\.tok_embeddings\.embedding_weight|lm_head\.weight": Cut(0),
    }


def shares_gradient(name: str) -> bool:
    """Whether a whole weight has a part of its gradient on every device: a learned router, which sees its neurons."""
    return ".feed_forward.router." in name


def _num_experts(config: LlamaConfig) -> int:
    return config.experts.num_experts if config.is_routed else 1
