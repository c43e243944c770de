"""How a LLaMA of which a device holds a part computes with the others' parts."""

from __future__ import annotations

from mindspore import nn

from mindformers.modules.feed_forward import FeedForward
from mindformers.parallel.mesh import Group
from mindformers.parallel.parts import AgreedRouter, Part, PartOfEmbedding, PartOfHead


def place_parts(net: nn.Cell, group: Group) -> None:
    """Make a LLaMA whose weights have been cut compute with the others' parts.

    Args:
        net: a `LlamaForCausalLM`; its cells are changed in place.
        group: the devices that hold the other parts.
    """
    model = net.model
    for layer in model.layers:
        _place_attention(layer.attention, group.size)
        _place_feed_forward(layer.feed_forward, group)
        layer.insert_child_to_cell("attention", Part(layer.attention, group))
        layer.insert_child_to_cell("feed_forward", Part(layer.feed_forward, group))
    table = model.tok_embeddings
    model.insert_child_to_cell("tok_embeddings", PartOfEmbedding(table, table.embedding_weight.shape[0], group))
    if net.lm_head is not None:
        _fit(net.lm_head)
        net.insert_child_to_cell("lm_head", PartOfHead(net.lm_head, group))


def _place_attention(attention: nn.Cell, parts: int) -> None:
    attention.num_heads //= parts
    attention.num_kv_heads //= parts
    for linear in (attention.wq, attention.wk, attention.wv, attention.wo):
        _fit(linear)


def _place_feed_forward(block: FeedForward, group: Group) -> None:
    for linear in (block.w1, block.w3, block.w2):
        _fit(linear)
    if block.router is None:
        return
    block.members = block.membership(block.router.choose.num_experts, block.w1.out_features)
    if not block.is_learned:  # whose choice needs the sums of all parts, which the native forms make inside
        block.native = block.fused_mask = None
        block.insert_child_to_cell("router", AgreedRouter(block.router, group))


def _fit(linear: nn.Cell) -> None:
    linear.out_features, linear.in_features = linear.weight.shape
