"""The conversion checks everything first: one line for what does not fit, status 2, and nothing is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from mindformers.experts.files import write_experts
from mindformers.models.hf_folder import parse_size
from mindformers.models.llama.convert_weight import main
from mindformers.tools.errors import InputError
from tests.conftest import NUM_PIECES
from tests.models.hugging_face import NUM_TOKENS, SIZES, arrays_of, write_recipe

CONFIG = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": NUM_PIECES,
}
Change = Callable[[Path], object]


def theirs(folder: Path) -> Path:
    """A folder as transformers writes it, without transformers."""
    wide = {"gate_proj": (64, 32), "up_proj": (64, 32), "down_proj": (32, 64)}
    square = {"q_proj": (32, 32), "k_proj": (16, 32), "v_proj": (16, 32), "o_proj": (32, 32)}
    shapes = {"model.embed_tokens.weight": (NUM_PIECES, 32), "lm_head.weight": (NUM_PIECES, 32)}
    shapes["model.norm.weight"] = (32,)
    for layer in range(SIZES["num_layers"]):
        names = {f"mlp.{name}": shape for name, shape in wide.items()}
        names |= {f"self_attn.{name}": shape for name, shape in square.items()}
        names |= {"input_layernorm": (32,), "post_attention_layernorm": (32,)}
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in names.items()}
    generator = np.random.default_rng(0)
    folder.mkdir()
    save_file({n: generator.normal(size=s).astype(np.float32) for n, s in shapes.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def refused(capsys: Any, *words: Any) -> str:
    """The one line of a command that must refuse."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err


def set_config(**changes: Any) -> Change:
    return lambda folder: (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))


def set_arrays(change: Callable[[dict[str, np.ndarray]], object]) -> Change:
    def apply(folder: Path) -> None:
        arrays = arrays_of(folder)
        change(arrays)
        save_file(arrays, folder / "model.safetensors")

    return apply


def set_index(places: dict[str, str]) -> Change:
    def apply(folder: Path) -> None:
        os.rename(folder / "model.safetensors", folder / "part.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))

    return apply


WRONG: dict[str, tuple[Change, str]] = {
    "sizes": (
        set_config(hidden_size=64, num_hidden_layers=3),
        "hidden_size 64, recipe 32 / num_hidden_layers 3, recipe 2",
    ),
    "heads": (
        set_config(num_attention_heads=8, num_key_value_heads=None),
        "num_attention_heads 8, recipe 4 / num_key_value_heads 8, recipe 2",
    ),
    "width": (set_config(intermediate_size=96), "intermediate_size 96, recipe 64"),
    "vocabulary": (
        set_config(vocab_size=NUM_PIECES + 1),
        f"vocab_size {NUM_PIECES + 1}, recipe {NUM_TOKENS} (grown from {NUM_PIECES} or {NUM_PIECES + 66} or",
    ),
    "larger vocabulary": (set_config(vocab_size=10**6), f"vocab_size 1000000, recipe {NUM_TOKENS} ("),
    "missing size": (set_config(hidden_size=None), "hidden_size nothing, recipe 32"),
    "eps": (set_config(rms_norm_eps=1e-6), "rms_norm_eps 1e-06, recipe 1e-05"),
    "theta": (set_config(rope_theta=5e5), "rope_theta 500000.0, recipe theta 10000.0"),
    "theta, new form": (set_config(rope_parameters={"rope_theta": 5.0}), "rope_theta 5.0, recipe theta"),
    "linear": (set_config(rope_scaling={"type": "linear", "factor": 2.0}), "linear rope scaling by 2.0, recipe"),
    "yarn": (set_config(rope_scaling={"rope_type": "yarn", "factor": 2.0}), "rope_type yarn, recipe extend_method"),
    "family": (set_config(model_type="mistral"), "model_type mistral, recipe llama"),
    "bias": (set_config(attention_bias=True), "attention_bias True, recipe False"),
    "tied": (set_config(tie_word_embeddings=True), "tie_word_embeddings True, recipe False"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json' not found"),
    "config is a list": (lambda folder: (folder / "config.json").write_text("[]"), "is a list"),
    "config is torn": (lambda folder: (folder / "config.json").write_text('{"hid'), "is no JSON"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no weights in"),
    "a weight is missing": (set_arrays(lambda a: a.pop("lm_head.weight")), "1 missing: lm_head.weight"),
    "a weight too many": (
        set_arrays(lambda a: a.update({"model.layers.2.x": a["model.norm.weight"]})),
        "1 unexpected: model.layers.2.x",
    ),
    "a weight of another shape": (
        set_arrays(lambda a: a.update({"model.norm.weight": np.ones(31, np.float32)})),
        "1 of another shape: model.norm.weight [31] instead of [32]",
    ),
    "whole numbers": (
        set_arrays(lambda a: a.update({"model.norm.weight": np.ones(32, np.int8)})),
        "1 of a type that is not read: model.norm.weight int8",
    ),
    "a cut file": (lambda folder: os.truncate(folder / "model.safetensors", 50_000), "is damaged: 50000 bytes long"),
    "a torn head": (lambda folder: os.truncate(folder / "model.safetensors", 500), "is damaged: head is unreadable"),
    "an index without its shard": (set_index({"a": "gone.safetensors"}), "names gone.safetensors, not found beside it"),
    "an index of other names": (set_index({"a": "part.safetensors"}), "a not in the shard it names"),
    "an index out of the folder": (set_index({"a": "../part.safetensors"}), "a shard is no plain file name"),
}


@pytest.mark.parametrize(("change", "line"), WRONG.values(), ids=list(WRONG))
def test_a_folder_that_does_not_fit(change: Change, line: str, tmp_path: Path, capsys: Any) -> None:
    folder, recipe = theirs(tmp_path / "theirs"), write_recipe(tmp_path / "r.yaml")
    change(folder)
    words = ("--hf_dir", folder, "--config", recipe, "--output", tmp_path / "out" / "o.safetensors")
    assert line in refused(capsys, *words)
    assert not (tmp_path / "out").exists()


def test_values_too_large_for_the_type(tmp_path: Path, capsys: Any) -> None:
    folder, recipe = theirs(tmp_path / "theirs"), write_recipe(tmp_path / "r.yaml")
    set_arrays(lambda a: a["model.norm.weight"].fill(1e5))(folder)
    words = ["--hf_dir", folder, "--config", recipe, "--output", tmp_path / "o.safetensors"]
    assert main([str(word) for word in words]) == 0
    (tmp_path / "o.safetensors").unlink()
    assert main([str(word) for word in (*words, "--dtype", "float16")]) == 2
    assert "model.norm.weight: holds 100000; expected float16 values" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.safetensors")) and not list(tmp_path.glob(".*.part"))


def test_experts_of_another_network(tmp_path: Path, capsys: Any) -> None:
    folder = theirs(tmp_path / "theirs")
    experts = {"num_experts": 16, "routing": "none"}
    recipe = write_recipe(tmp_path / "r.yaml", experts)
    words = ["--hf_dir", folder, "--config", recipe, "--output", tmp_path / "o.safetensors", "--experts"]
    wrong = {
        "three layers": (np.tile(np.arange(64) % 16, (3, 1)), "experts for 3 layers; expected 2 layers"),
        "a width of 32": (np.tile(np.arange(32) % 16, (2, 1)), "experts for 32 neurons a layer; expected 64"),
        "8 experts": (np.tile(np.arange(64) % 8, (2, 1)), "has 8 experts; expected 16"),
    }
    for labels, line in wrong.values():
        write_experts(tmp_path / "e.npz", labels, {})
        assert line in refused(capsys, *words, tmp_path / "e.npz")
    assert "not found" in refused(capsys, *words, tmp_path / "none.npz")
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("missing", ["--hf_dir", "--config", "--output"])
def test_the_command_needs_its_flags(missing: str, capsys: Any) -> None:
    words = {"--hf_dir": "d", "--config": "c", "--output": "o.safetensors"}
    del words[missing]
    with pytest.raises(SystemExit) as stop:
        main([part for pair in words.items() for part in pair])
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_names_that_cannot_be_used(tmp_path: Path, capsys: Any) -> None:
    folder, recipe = theirs(tmp_path / "theirs"), write_recipe(tmp_path / "r.yaml")
    common = ("--hf_dir", folder, "--config", recipe)
    assert "expected the name of a .safetensors file" in refused(capsys, *common, "--output", tmp_path / "o.ckpt")
    assert "--output" in refused(capsys, *common, "--output", tmp_path)
    assert "is not a folder" in refused(capsys, "--hf_dir", recipe, *common[2:], "--output", tmp_path / "o.safetensors")
    words = (*common, "--output", tmp_path / "o.safetensors", "--vocab_file", tmp_path / "no.model")
    assert "--vocab_file: " in refused(capsys, *words)
    assert f"'{recipe}" in refused(capsys, *common, "--output", recipe / "o.safetensors")


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A checkpoint of the grown network."""
    folder, path = theirs(tmp_path / "theirs"), tmp_path / "o.safetensors"
    recipe = write_recipe(tmp_path / "r.yaml")
    assert main(["--hf_dir", str(folder), "--config", str(recipe), "--output", str(path)]) == 0
    return path


def test_a_checkpoint_that_does_not_fit(tmp_path: Path, ours: Path, capsys: Any) -> None:
    recipe = write_recipe(tmp_path / "wide.yaml", intermediate_size=96)
    words = ("--checkpoint", ours, "--config", recipe, "--hf_dir", tmp_path / "back")
    assert "6 of another shape: model.layers.0.feed_forward.w1.weight [64, 32] instead of [96, 32]" in refused(
        capsys, *words
    )
    deep = write_recipe(tmp_path / "deep.yaml", num_layers=3)
    assert "9 missing: model.layers.2." in refused(capsys, *words[:3], deep, *words[4:])
    flat = write_recipe(tmp_path / "flat.yaml", num_layers=1)
    assert "9 unexpected: model.layers.1." in refused(capsys, *words[:3], flat, *words[4:])
    assert not (tmp_path / "back").exists()


def test_a_checkpoint_that_cannot_be_read(tmp_path: Path, ours: Path, capsys: Any) -> None:
    words = ("--config", tmp_path / "r.yaml", "--hf_dir", tmp_path / "back")
    (tmp_path / "torn.ckpt").write_bytes(b"not a checkpoint")
    (tmp_path / "weights.bin").write_bytes(b"x")
    assert "cannot be read" in refused(capsys, "--checkpoint", tmp_path / "torn.ckpt", *words)
    assert "expected a .safetensors or MindSpore .ckpt" in refused(
        capsys, "--checkpoint", tmp_path / "weights.bin", *words
    )
    assert "not found" in refused(capsys, "--checkpoint", tmp_path / "none.ckpt", *words)
    save_file(arrays_of(ours), tmp_path / "a.safetensors", {"neuron_order": "[[0, 0]]"})
    assert "its neuron_order is [1, 2]" in refused(capsys, "--checkpoint", tmp_path / "a.safetensors", *words)
    experts = ("--experts", tmp_path / "e.npz")
    assert "leave the flag out" in refused(capsys, "--checkpoint", ours, *words, *experts)
    assert not (tmp_path / "back").exists()


def test_weights_that_would_stay_beside_the_new_ones(tmp_path: Path, ours: Path, capsys: Any) -> None:
    words = ("--checkpoint", ours, "--config", tmp_path / "r.yaml", "--hf_dir", tmp_path / "back")
    assert main([str(word) for word in words]) == 0
    assert main([str(word) for word in words]) == 0  # the same files again
    shards = (*words, "--max_shard_size", "40KB")
    assert "already holds model.safetensors" in refused(capsys, *shards)
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
    ]
    assert "is a file" in refused(capsys, *words[:-1], tmp_path / "r.yaml")


def test_sizes_of_shards() -> None:
    assert [parse_size(text) for text in ("5GB", "1.5 mb", "2KiB", "77")] == [5 * 10**9, 1_500_000, 2048, 77]
    for text in ("", "0", "GB", "-1GB", "5TB"):
        with pytest.raises(InputError, match="--max_shard_size"):
            parse_size(text)
