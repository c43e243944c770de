"""Hugging Face -> ours -> Hugging Face: the same bits, the same answers, the same tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from safetensors.numpy import save_file

from mindformers.config import load_recipe
from mindformers.experts.files import write_experts
from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.models.llama.new_rows import SPREAD, new_rows
from mindformers.tools.number_types import to_float32
from mindformers.tools.weight_files import SafetensorsFile
from mindformers.trainer.build import build_model_config
from mindformers.trainer.checkpoint import load_weights
from tests.conftest import NUM_PIECES
from tests.models.hugging_face import NUM_TOKENS, SIZES, arrays_of, convert, same_bits, save_llama, write_recipe
from tests.models.tiny import logits_of

VARIANTS: dict[str, dict[str, Any]] = {
    "one file": {},
    "shards": {"shard": "30KB"},
    "tied": {"tie_word_embeddings": True},
    "bfloat16": {"dtype": "bfloat16"},
    "float16 in shards": {"dtype": "float16", "shard": "20KB"},
    "a head for every query": {"num_key_value_heads": 4},
}
PLAIN = {"vocab_size": NUM_PIECES, "base_vocab_size": None}


def recipe_for(path: Path, variant: dict[str, Any], **changes: Any) -> Path:
    same = {"tie_word_embeddings": variant.get("tie_word_embeddings", False)}
    same |= {"n_kv_heads": variant.get("num_key_value_heads", SIZES["n_kv_heads"])}
    return write_recipe(path, **same, **changes)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=list(VARIANTS))
def test_there_and_back_changes_no_bit(variant: dict[str, Any], tmp_path: Path) -> None:
    save_llama(tmp_path / "theirs", **variant)
    recipe = recipe_for(tmp_path / "r.yaml", variant, **PLAIN)
    ours, back = tmp_path / "o.safetensors", tmp_path / "back"
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", ours)
    convert("--checkpoint", ours, "--config", recipe, "--hf_dir", back, "--max_shard_size", variant.get("shard", "5GB"))
    before, after = arrays_of(tmp_path / "theirs"), arrays_of(back)
    assert before.keys() == after.keys()
    assert all(same_bits(before[name], after[name]) for name in before)
    assert len(list(back.glob("*.safetensors"))) > 2 or "shard" not in variant


@pytest.mark.parametrize(
    "variant", [{}, {"tie_word_embeddings": True}, {"rope": "PI"}, {"rope": "NTK"}, {"base": 32000}], ids=str
)
def test_the_grown_network_answers_alike_in_both(variant: dict[str, Any], tmp_path: Path, torch_and_hf: Any) -> None:
    torch, transformers = torch_and_hf
    tied = variant.get("tie_word_embeddings", False)
    base = variant.get("base", NUM_PIECES)
    save_llama(tmp_path / "theirs", tie_word_embeddings=tied, vocab_size=base)
    extend = {"extend_method": variant["rope"], "scaling_factor": 4.0} if "rope" in variant else {}
    recipe = write_recipe(
        tmp_path / "r.yaml", tie_word_embeddings=tied, vocab_size=base + 98, base_vocab_size=base, **extend
    )
    ours = tmp_path / "o.safetensors"
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", ours)
    convert("--checkpoint", ours, "--config", recipe, "--hf_dir", tmp_path / "back")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "back", attn_implementation="eager").eval()
    net = LlamaForCausalLM(build_model_config(load_recipe(recipe)), seed=None)
    load_weights(net, ours)
    ids = np.random.default_rng(0).integers(1, base + 98, (2, 48))
    with torch.no_grad():
        wanted = theirs(torch.tensor(ids)).logits.numpy()
    assert wanted.shape == (2, 48, base + 98) and wanted.std() > 0.5
    assert np.abs(logits_of(net, ids) - wanted).max() < 1e-4


@pytest.fixture(scope="module")
def torch_and_hf() -> Any:
    return pytest.importorskip("torch"), pytest.importorskip("transformers")


def test_old_rows_stay_and_new_ones_resemble_them(tmp_path: Path) -> None:
    save_llama(tmp_path / "theirs")
    recipe, ours = write_recipe(tmp_path / "r.yaml"), tmp_path / "o.safetensors"
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", ours)
    before, after = arrays_of(tmp_path / "theirs"), arrays_of(ours)
    for theirs, name in (
        ("model.embed_tokens.weight", "model.tok_embeddings.embedding_weight"),
        ("lm_head.weight",) * 2,
    ):
        base, grown = before[theirs], after[name]
        assert same_bits(base, grown[:NUM_PIECES]) and grown.shape == (NUM_TOKENS, 32)
        distance = (grown[NUM_PIECES:] - base.mean(0)) / (SPREAD * base.std(0))
        assert abs(distance.mean()) < 0.1 and distance.std() == pytest.approx(1, abs=0.05)


def test_new_rows_depend_on_seed_and_name_only() -> None:
    base = np.random.default_rng(0).normal(3, 2, (1500, 4)).astype(np.float32)
    rows = new_rows(base, 6, 1, "a")
    assert np.array_equal(rows, new_rows(base, 6, 1, "a")) and len(np.unique(rows, axis=0)) == 6
    assert not np.array_equal(rows, new_rows(base, 6, 2, "a")) and not np.array_equal(rows, new_rows(base, 6, 1, "b"))
    assert np.abs(rows - base.mean(0)).max() < 4 * SPREAD * 2


def test_a_vocabulary_with_molecules_grows_further(tmp_path: Path) -> None:
    save_llama(tmp_path / "theirs", vocab_size=NUM_PIECES + 66)
    recipe, ours = write_recipe(tmp_path / "r.yaml"), tmp_path / "o.safetensors"
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", ours)
    head = arrays_of(ours)["lm_head.weight"]
    base = arrays_of(tmp_path / "theirs")["lm_head.weight"]
    assert same_bits(head[: NUM_PIECES + 66], base)
    assert np.abs(head[NUM_PIECES + 66 :].mean(0) - base[:NUM_PIECES].mean(0)).max() < 0.05


EXPERTS = {"num_experts": 16, "routing": "none"}


@pytest.fixture
def split(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A file of experts for two layers of 64 neurons, and its labels."""
    generator = np.random.default_rng(3)
    labels = np.stack([generator.permutation(np.repeat(np.arange(16), 4)) for _ in range(2)])
    write_experts(tmp_path / "experts.npz", labels, {"method": "test"})
    return tmp_path / "experts.npz", labels


def test_neurons_stand_expert_by_expert_and_go_back(tmp_path: Path, split: tuple[Path, np.ndarray]) -> None:
    file, labels = split
    save_llama(tmp_path / "theirs")
    recipe, ours = write_recipe(tmp_path / "r.yaml", EXPERTS, **PLAIN), tmp_path / "o.safetensors"
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", ours, "--experts", file)
    before, stored = arrays_of(tmp_path / "theirs"), arrays_of(ours)
    order = json.loads(SafetensorsFile(ours).metadata["neuron_order"])
    for layer in range(2):
        assert labels[layer][order[layer]].tolist() == sorted(labels[layer])
        theirs, mine = f"model.layers.{layer}.mlp", f"model.layers.{layer}.feed_forward"
        assert np.array_equal(stored[f"{mine}.w1.weight"], before[f"{theirs}.gate_proj.weight"][order[layer]])
        assert np.array_equal(stored[f"{mine}.w3.weight"], before[f"{theirs}.up_proj.weight"][order[layer]])
        assert np.array_equal(stored[f"{mine}.w2.weight"], before[f"{theirs}.down_proj.weight"][:, order[layer]])
    convert("--checkpoint", ours, "--config", recipe, "--hf_dir", tmp_path / "back")
    after = arrays_of(tmp_path / "back")
    assert all(same_bits(before[name], after[name]) for name in before)


def test_all_experts_together_are_the_dense_network(tmp_path: Path, split: tuple[Path, np.ndarray]) -> None:
    save_llama(tmp_path / "theirs")
    every = {"num_experts": 16, "routing": "activation", "top_k": dict.fromkeys(("text", "molecule"), 16)}
    every["top_k"] |= dict.fromkeys(("nucleotide", "protein"), 16)
    recipe = write_recipe(tmp_path / "r.yaml", every)
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", tmp_path / "a.safetensors")
    words = ("--output", tmp_path / "b.safetensors", "--experts", split[0])
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, *words)
    net = LlamaForCausalLM(build_model_config(load_recipe(recipe)), seed=None)
    ids = np.random.default_rng(0).integers(1, NUM_TOKENS, (2, 48))
    found = []
    for name in ("a", "b"):
        load_weights(net, tmp_path / f"{name}.safetensors")
        found.append(logits_of(net, ids))
    assert 0 < np.abs(found[0] - found[1]).max() < 1e-4


def test_without_a_record_neurons_stay_where_they_are(tmp_path: Path) -> None:
    """A checkpoint that was trained on has lost the record: the function is the same in any order."""
    net = LlamaForCausalLM(build_model_config(load_recipe(write_recipe(tmp_path / "r.yaml"))), seed=1)
    ms.save_checkpoint(net, str(tmp_path / "o.ckpt"))
    convert("--checkpoint", tmp_path / "o.ckpt", "--config", tmp_path / "r.yaml", "--hf_dir", tmp_path / "back")
    after = arrays_of(tmp_path / "back")
    gate = net.model.layers[1].feed_forward.w1.weight.asnumpy()
    assert np.array_equal(after["model.layers.1.mlp.gate_proj.weight"], gate) and len(after) == 21


def test_routers_and_the_state_of_training_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = build_model_config(load_recipe(write_recipe(tmp_path / "r.yaml")))
    arrays = {p.name: p.asnumpy() for p in LlamaForCausalLM(config, seed=1).get_parameters()}
    extra = {f"model.layers.{i}.feed_forward.router.weight": np.ones((16, 32), np.float32) for i in range(2)}
    save_file(arrays | extra | {"adam_m.lm_head.weight": arrays["lm_head.weight"]}, tmp_path / "o.safetensors")
    convert("--checkpoint", tmp_path / "o.safetensors", "--config", tmp_path / "r.yaml", "--hf_dir", tmp_path / "back")
    assert len(arrays_of(tmp_path / "back")) == len(arrays)
    assert caplog.text.count("left out: 2 router weights") == 1


def test_number_types_can_be_chosen(tmp_path: Path) -> None:
    save_llama(tmp_path / "theirs")
    recipe, ours = write_recipe(tmp_path / "r.yaml"), tmp_path / "o.safetensors"
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", ours, "--dtype", "float16")
    assert {str(array.dtype) for array in arrays_of(ours).values()} == {"float16"}
    convert("--checkpoint", ours, "--config", recipe, "--hf_dir", tmp_path / "back", "--dtype", "bfloat16")
    assert json.loads((tmp_path / "back" / "config.json").read_text())["torch_dtype"] == "bfloat16"
    assert {file.dtype.names for file in arrays_of(tmp_path / "back").values()} == {("bfloat16",)}


def test_the_configuration_says_everything(tmp_path: Path, torch_and_hf: Any) -> None:
    recipe = write_recipe(tmp_path / "r.yaml", extend_method="PI", scaling_factor=2.0, theta=500.0)
    config = build_model_config(load_recipe(recipe))
    arrays = {p.name: p.asnumpy() for p in LlamaForCausalLM(config, seed=1).get_parameters()}
    save_file(arrays, tmp_path / "o.safetensors")
    convert("--checkpoint", tmp_path / "o.safetensors", "--config", recipe, "--hf_dir", tmp_path / "back")
    read = torch_and_hf[1].AutoConfig.from_pretrained(tmp_path / "back")
    assert read.rope_parameters["rope_type"] == "linear" and read.rope_parameters["factor"] == 2.0
    assert read.rope_parameters["rope_theta"] == 500.0
    wanted = (NUM_TOKENS, 32, 64, 2, 4, 2, 8, 64, 1, 2, 0, False)
    names = (
        "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
    )
    names += "max_position_embeddings bos_token_id eos_token_id pad_token_id tie_word_embeddings"
    assert tuple(getattr(read, name) for name in names.split()) == wanted
    generation = torch_and_hf[1].GenerationConfig.from_pretrained(tmp_path / "back")
    assert (generation.eos_token_id, generation.do_sample, generation.max_new_tokens) == (2, False, 512)
    convert("--hf_dir", tmp_path / "back", "--config", recipe, "--output", tmp_path / "again.safetensors")
    assert all(same_bits(array, arrays[name]) for name, array in arrays_of(tmp_path / "again.safetensors").items())


def test_bfloat16_of_both_kinds_of_checkpoint(tmp_path: Path) -> None:
    save_llama(tmp_path / "theirs", "bfloat16")
    recipe, ours = write_recipe(tmp_path / "r.yaml"), tmp_path / "o.safetensors"
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", ours)
    stored = arrays_of(ours)
    net = LlamaForCausalLM(build_model_config(load_recipe(recipe)), seed=None)
    load_weights(net, ours)
    assert all(np.array_equal(p.asnumpy(), to_float32(stored[p.name])) for p in net.get_parameters())
    halves = [{"name": p.name, "data": ms.Tensor(p.asnumpy(), ms.bfloat16)} for p in net.get_parameters()]
    ms.save_checkpoint(halves, str(tmp_path / "o.ckpt"))
    convert("--checkpoint", tmp_path / "o.ckpt", "--config", recipe, "--hf_dir", tmp_path / "a")
    convert("--checkpoint", ours, "--config", recipe, "--hf_dir", tmp_path / "b")
    one, other = arrays_of(tmp_path / "a"), arrays_of(tmp_path / "b")
    assert one.keys() == other.keys() and all(same_bits(one[name], other[name]) for name in one)


def test_what_was_converted_is_what_the_network_holds(tmp_path: Path) -> None:
    """Names and shapes of every weight are those of the network that the recipe builds."""
    save_llama(tmp_path / "theirs")
    recipe, ours = write_recipe(tmp_path / "r.yaml"), tmp_path / "o.safetensors"
    convert("--hf_dir", tmp_path / "theirs", "--config", recipe, "--output", ours)
    net = LlamaForCausalLM(build_model_config(load_recipe(recipe)), seed=None)
    stored = {name: array.shape for name, array in arrays_of(ours).items()}
    assert stored == {p.name: tuple(p.shape) for p in net.get_parameters()}
