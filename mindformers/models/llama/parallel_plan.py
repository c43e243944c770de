"""How LLaMA is cut into parts: attention by heads, every expert by its neurons, embedding and head by tokens."""

from __future__ import annotations

from mindspore import nn

from mindformers.models.llama.cutting import obstacle
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.modules.feed_forward import FeedForward
from mindformers.parallel.cuts import Cut
from mindformers.parallel.mesh import Group
from mindformers.parallel.parts import AgreedRouter, Part, PartOfEmbedding, PartOfHead

__all__ = ["cuts_of", "obstacle", "place_parts", "shares_gradient"]


def cuts_of(config: LlamaConfig) -> dict[str, Cut]:
    """Pattern of a weight's name -> how it is cut. Weights of no pattern are whole on every device."""
    num_experts = config.experts.num_experts if config.is_routed else 1
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
