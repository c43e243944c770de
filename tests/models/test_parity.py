"""With routing off the network is LLaMA: the same logits and answers as Hugging Face's, on random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from mindspore import Tensor

from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.scoring import Scorer
from mindformers.models.llama.llama import LlamaForCausalLM
from tests.models.tiny import logits_of, tiny_net

torch = pytest.importorskip("torch", reason="the reference needs torch")
transformers = pytest.importorskip("transformers", reason="the reference needs transformers")

VARIANTS: dict[str, dict[str, Any]] = {
    "heads of their own, head of its own": {"theta": 10000.0},
    "grouped queries": {"n_kv_heads": 2, "theta": 500.0},
    "grouped queries, tied head": {"n_kv_heads": 1, "tie_word_embeddings": True, "rms_norm_eps": 1e-3},
    "position interpolation": {"extend_method": "PI", "scaling_factor": 4.0},
}
NEW_TOKENS = 32
NAMES = {
    "model.embed_tokens": "model.tok_embeddings.embedding_weight",
    "model.norm": "model.norm_out.weight",
    "lm_head": "lm_head.weight",
    "input_layernorm": "attention_norm.weight",
    "post_attention_layernorm": "ffn_norm.weight",
    "self_attn.q_proj": "attention.wq.weight",
    "self_attn.k_proj": "attention.wk.weight",
    "self_attn.v_proj": "attention.wv.weight",
    "self_attn.o_proj": "attention.wo.weight",
    "mlp.gate_proj": "feed_forward.w1.weight",
    "mlp.up_proj": "feed_forward.w3.weight",
    "mlp.down_proj": "feed_forward.w2.weight",
}


@dataclass
class Twins:
    """The same weights in both."""

    ours: LlamaForCausalLM
    theirs: Any


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=list(VARIANTS))
def twins(request: pytest.FixtureRequest) -> Twins:
    ours = tiny_net(experts=None, **request.param)
    theirs = hugging_face(ours)
    weights = {name_of(name): tensor for name, tensor in theirs.named_parameters()}
    assert weights.keys() == {p.name for p in ours.get_parameters()}
    for parameter in ours.get_parameters():
        parameter.set_data(Tensor(weights[parameter.name].detach().numpy()))
    return Twins(ours, theirs)


def hugging_face(ours: LlamaForCausalLM) -> Any:
    config = ours.config
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": config.theta}
    if config.extend_method == "PI":
        rope |= {"rope_type": "linear", "factor": config.scaling_factor}
    torch.manual_seed(0)
    net = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            intermediate_size=config.ffn_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.num_kv_heads,
            rms_norm_eps=config.rms_norm_eps,
            rope_parameters=rope,
            max_position_embeddings=config.seq_length,
            tie_word_embeddings=config.tie_word_embeddings,
            initializer_range=0.3,
            attn_implementation="eager",
        )
    ).eval()
    for name, tensor in net.named_parameters():
        if tensor.ndim == 1:  # norms start at one; other values show that they are applied
            tensor.data = 1 + 0.3 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(len(name)))
    return net


def name_of(theirs: str) -> str:
    """`model.layers.0.mlp.up_proj.weight` to our name."""
    stem = theirs.removesuffix(".weight")
    if not stem.startswith("model.layers."):
        return NAMES[stem]
    _, _, number, part = stem.split(".", 3)
    return f"model.layers.{number}.{NAMES[part]}"


def test_logits_are_the_same(twins: Twins) -> None:
    ids = np.random.default_rng(1).integers(1, twins.ours.config.vocab_size, (3, 40))
    with torch.no_grad():
        wanted = twins.theirs(torch.tensor(ids)).logits.numpy()
    found = logits_of(twins.ours, ids)
    assert wanted.std() > 1  # far above the tolerance
    assert np.abs(found - wanted).max() < 1e-4


def test_greedy_answers_are_the_same(twins: Twins) -> None:
    prompts = [[1, 17, 4, 99, 23], [1, 3], [1, *range(60, 70)]]
    eos = twins.ours.config.eos_token_id
    found = Engine(twins.ours).generate(prompts, GenerationOptions(max_new_tokens=NEW_TOKENS))
    for prompt, answer in zip(prompts, found, strict=True):
        wanted = greedy_answer(twins.theirs, prompt)
        assert answer == (wanted[: wanted.index(eos)] if eos in wanted else wanted)
    assert max(map(len, found)) == NEW_TOKENS


@pytest.mark.parametrize("twins", [VARIANTS["grouped queries"]], indirect=True)
def test_log_likelihoods_of_continuations_are_the_same(twins: Twins) -> None:
    pairs = [([1, 17, 4], [99, 23]), ([1], [7]), ([1, *range(60, 72)], [5, 5, 6]), ([1, 3], [8]), ([1, 3], [9, 2])]
    found = Scorer(twins.ours, batch_size=2).log_likelihoods(pairs)
    for (context, continuation), score in zip(pairs, found, strict=True):
        with torch.no_grad():
            shares = twins.theirs(torch.tensor([[*context, *continuation]])).logits[0].log_softmax(-1)
        places = range(len(context) - 1, len(context) + len(continuation) - 1)
        wanted = sum(float(shares[place, token]) for place, token in zip(places, continuation, strict=True))
        assert score == pytest.approx(wanted, abs=1e-4)


def greedy_answer(net: Any, prompt: list[int]) -> list[int]:
    """The 32 most likely tokens, one after the other."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = net.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
    return out[0, len(prompt) :].tolist()
