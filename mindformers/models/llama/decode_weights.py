"""What the native decode step computes with, gathered from a network."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn

from mindformers.kernels.decode_weights import DecodeWeights, LayerWeights
from mindformers.modules.embedding import TokenEmbedding
from mindformers.modules.linear import Linear


def decode_weights(net: nn.Cell) -> DecodeWeights | None:
    """The parameters of a `LlamaForCausalLM`; None where it holds parts that the step does not know.

    Those are wrapped tables and projections (an adapter, say), biases, and products in another type than float32.
    """
    config, model = net.config, net.model
    layers = [layer_weights(layer) for layer in model.layers]
    if None in layers or type(model.tok_embeddings) is not TokenEmbedding:
        return None
    if net.lm_head is not None and not is_plain(net.lm_head):
        return None
    embedding = model.tok_embeddings.embedding_weight
    return DecodeWeights(
        embedding=embedding,
        layers=layers,
        norm=model.norm_out.weight,
        head=embedding if net.lm_head is None else net.lm_head.weight,
        num_heads=config.num_heads,
        eps=config.rms_norm_eps,
        cos=model.rotary.cos,
        sin=model.rotary.sin,
        routing=config.experts.routing if config.is_routed else "none",
        num_experts=config.experts.num_experts if config.is_routed else 1,
        experts_per_token=model.experts_per_token,
        modality_table=model.modality_table,
    )


def layer_weights(layer: nn.Cell) -> LayerWeights | None:
    """The parameters of one layer; None where a projection is not plain."""
    attention, feed_forward = layer.attention, layer.feed_forward
    projections = {name: getattr(attention, name) for name in ("wq", "wk", "wv", "wo")}
    projections |= {name: getattr(feed_forward, name) for name in ("w1", "w3", "w2")}
    if not all(map(is_plain, projections.values())):
        return None
    router = feed_forward.router if feed_forward.is_learned else None
    return LayerWeights(
        attention_norm=layer.attention_norm.weight,
        ffn_norm=layer.ffn_norm.weight,
        **{name: linear.weight for name, linear in projections.items()},
        router_weight=None if router is None else router.weight,
        router_bias=None if router is None else router.bias,
        w2_by_expert=feed_forward.w2_by_expert,
    )


def is_plain(cell: nn.Cell) -> bool:
    """Whether a cell is a float32 product with its weight and nothing else."""
    return type(cell) is Linear and cell.bias is None and cell.compute_dtype == ms.float32
