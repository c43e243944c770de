"""Our names of LLaMA's weights beside Hugging Face's. Both turn queries and keys by halves, so nothing is permuted."""

from __future__ import annotations

import re

from mindformers.models.llama.llama_config import LlamaConfig

EMBEDDING, HEAD = "model.tok_embeddings.embedding_weight", "lm_head.weight"
_OUTER = {
    EMBEDDING: "model.embed_tokens.weight",
    "model.norm_out.weight": "model.norm.weight",
    HEAD: "lm_head.weight",
}
_INNER = {
    "attention_norm.weight": "input_layernorm.weight",
    "attention.wq.weight": "self_attn.q_proj.weight",
    "attention.wk.weight": "self_attn.k_proj.weight",
    "attention.wv.weight": "self_attn.v_proj.weight",
    "attention.wo.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "feed_forward.w1.weight": "mlp.gate_proj.weight",
    "feed_forward.w3.weight": "mlp.up_proj.weight",
    "feed_forward.w2.weight": "mlp.down_proj.weight",
}
_FEED_FORWARD = re.compile(r"^model\.layers\.(?P<layer>\d+)\.feed_forward\.w(?P<which>[123])\.weight$")
_ROUTER = re.compile(r"^model\.layers\.\d+\.feed_forward\.router\.")
# Tables that older versions of transformers stored; they follow from the configuration.
_DERIVED = re.compile(r"^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$")


def hugging_face_names(config: LlamaConfig) -> dict[str, str]:
    """Our name -> Hugging Face's, for every weight of this network, in the order of the computation."""
    embedding, *others = _OUTER.items()
    names = dict([embedding])
    for layer in range(config.num_layers):
        prefix = f"model.layers.{layer}."
        names |= {prefix + ours: prefix + theirs for ours, theirs in _INNER.items()}
    names |= dict(others)
    if config.tie_word_embeddings:
        del names[HEAD]
    return names


def weight_shapes(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Our name -> shape, for every weight of this network."""
    vocabulary = (config.vocab_size, config.hidden_size)
    keys = (config.num_kv_heads * config.head_dim, config.hidden_size)
    wide = (config.ffn_size, config.hidden_size)
    square = (config.hidden_size, config.hidden_size)
    last = {"wq": square, "wo": square, "wk": keys, "wv": keys, "w1": wide, "w3": wide, "w2": wide[::-1]}
    last |= {"tok_embeddings": vocabulary, "lm_head": vocabulary}
    return {name: last.get(name.split(".")[-2], (config.hidden_size,)) for name in hugging_face_names(config)}


def neurons_of(name: str) -> tuple[int, int] | None:
    """(layer, axis along which the neurons stand) of a feed-forward weight; None for any other."""
    match = _FEED_FORWARD.match(name)
    return None if match is None else (int(match["layer"]), 1 if match["which"] == "2" else 0)


def is_router(name: str) -> bool:
    """Whether one of our weights belongs to a learned router, for which Hugging Face's LLaMA has no place."""
    return bool(_ROUTER.match(name))


def is_left_out(theirs: str, config: LlamaConfig) -> bool:
    """Whether a Hugging Face weight is not needed: stored tables, and a tied head stored once more."""
    return bool(_DERIVED.match(theirs)) or (config.tie_word_embeddings and theirs == _OUTER[HEAD])
