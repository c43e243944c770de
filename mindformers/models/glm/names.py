"""Our names of ChatGLM's weights beside the published ones, which they follow but for the word table."""

from __future__ import annotations

import re

from mindformers.models.glm.glm_config import GLMConfig

EMBEDDING, THEIR_EMBEDDING = "transformer.word_embeddings.embedding_weight", "transformer.word_embeddings.weight"
HEAD = "lm_head.weight"
# Tables that the published files store although they follow from the configuration.
_DERIVED = re.compile(r"^transformer\.(layers\.\d+\.attention\.)?rotary_emb\.inv_freq$")


def weight_shapes(config: GLMConfig) -> dict[str, tuple[int, ...]]:
    """Our name -> shape, for every weight of this network, in the order of the computation."""
    width, inner = config.hidden_size, config.ffn_size
    linear = {
        "attention.query_key_value": (3 * width, width),
        "attention.dense": (width, width),
        "mlp.dense_h_to_4h": (inner, width),
        "mlp.dense_4h_to_h": (width, inner),
    }
    inside = {}
    for cell in ("input_layernorm", "attention.query_key_value", "attention.dense", "post_attention_layernorm"):
        inside |= _both(cell, linear.get(cell, (width,)))
    for cell in ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"):
        inside |= _both(cell, linear[cell])
    shapes = {EMBEDDING: (config.vocab_size, width)}
    for layer in range(config.num_layers):
        shapes |= {f"transformer.layers.{layer}.{name}": shape for name, shape in inside.items()}
    return shapes | _both("transformer.final_layernorm", (width,))


def their_name(ours: str) -> str:
    """The published name of one of our weights."""
    return THEIR_EMBEDDING if ours == EMBEDDING else ours


def is_left_out(theirs: str) -> bool:
    """Whether a published weight is not needed: a table of frequencies, or the head, which is the word table."""
    return theirs == HEAD or bool(_DERIVED.match(theirs))


def _both(cell: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{cell}.weight": shape, f"{cell}.bias": shape[:1]}
