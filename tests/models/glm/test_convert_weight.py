"""Published weights to a checkpoint and back; what does not fit is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from mindformers.models.glm.convert_weight import main
from mindformers.models.glm.names import EMBEDDING, HEAD, THEIR_EMBEDDING
from tests.models.glm import reference

PUBLISHED = {
    "model_type": "chatglm",
    "hidden_size": 32,
    "num_layers": 2,
    "num_attention_heads": 2,
    "inner_hidden_size": 128,
    "vocab_size": 80,
    **reference.IDS,
}


def published(folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    weights = reference.random_weights(reference.small_config())
    weights["transformer.layers.0.attention.rotary_emb.inv_freq"] = np.ones(4, np.float32)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**PUBLISHED, **changes}))
    return folder


def recipe(path: Path, **changes: Any) -> Path:
    settings = {"type": "GLMConfig", "seq_length": 48, "hidden_size": 32, "num_layers": 2, "num_heads": 2, **changes}
    content = {"model": {"model_config": settings, "arch": {"type": "GLMForPreTraining"}}}
    content["processor"] = {"tokenizer": {"type": "ChatGLMTokenizer"}}
    path.write_text(yaml.safe_dump(content))
    return path


def run(capsys: Any, *words: Any) -> tuple[int, str]:
    capsys.readouterr()
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.err if status else captured.out


def test_there_and_back_in_shards(tmp_path: Path, capsys: Any) -> None:
    theirs, config = published(tmp_path / "theirs"), recipe(tmp_path / "r.yaml")
    ours, back = tmp_path / "ours.safetensors", tmp_path / "back"
    assert run(capsys, "--hf_dir", theirs, "--config", config, "--output", ours)[0] == 0
    weights = load_file(ours)
    assert EMBEDDING in weights and HEAD not in weights and len(weights) == 1 + 2 * 12 + 2
    words = ("--checkpoint", ours, "--hf_dir", back, "--max_shard_size", "40KB")
    status, said = run(capsys, "--config", recipe(tmp_path / "full.yaml", vocab_size=80, **reference.IDS), *words)
    assert status == 0, said
    assert len(list(back.glob("model-*.safetensors"))) > 1
    found: dict[str, np.ndarray] = {}
    for shard in back.glob("*.safetensors"):
        found |= load_file(shard)
    wanted = reference.random_weights(reference.small_config())
    assert found.keys() == wanted.keys() and all(np.array_equal(found[name], wanted[name]) for name in wanted)
    said = json.loads((back / "config.json").read_text())
    assert {key: said[key] for key in PUBLISHED} == PUBLISHED


def change_head(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, HEAD: weights[HEAD] + 1}, folder / "model.safetensors")


def lose_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["transformer.layers.1.mlp.dense_4h_to_h.bias"]
    save_file(weights, folder / "model.safetensors")


def rename_table(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"] = weights.pop(THEIR_EMBEDDING)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (change_head, "lm_head.weight differs from transformer.word_embeddings.weight"),
        (lose_a_weight, "1 missing: transformer.layers.1.mlp.dense_4h_to_h.bias"),
        (rename_table, "expected ChatGLM-6B's weights"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, capsys: Any, harm: Any, said: str) -> None:
    theirs = published(tmp_path / "theirs")
    harm(theirs)
    output = tmp_path / "ours.safetensors"
    status, line = run(capsys, "--hf_dir", theirs, "--config", recipe(tmp_path / "r.yaml"), "--output", output)
    assert status == 2 and said in line and line.count("\n") == 1 and not output.exists()


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        ({"num_layers": 3}, {}, "num_layers 3, recipe 2"),
        ({"vocab_size": 96}, {}, "80 rows; expected 96"),
        ({"model_type": "llama"}, {}, "is a llama"),
        ({}, {"vocab_size": 130528}, "80 rows; expected 130528"),
    ],
)
def test_another_network_is_refused(
    tmp_path: Path, capsys: Any, theirs: dict[str, Any], ours: dict[str, Any], said: str
) -> None:
    folder, config = published(tmp_path / "theirs", **theirs), recipe(tmp_path / "r.yaml", **ours)
    status, line = run(capsys, "--hf_dir", folder, "--config", config, "--output", tmp_path / "ours.safetensors")
    assert status == 2 and said in line and line.count("\n") == 1
