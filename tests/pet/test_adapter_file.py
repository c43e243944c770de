"""An adapter on the disk, and against a base that is not its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mindformers.pet.adapter_file import CONFIG_FILE, MODEL_FILE, AdapterConfig, read_adapter, save_adapter
from mindformers.pet.fingerprint import digest, digests_of_arrays, whole_digest
from mindformers.pet.fitting import check_base
from mindformers.tools.errors import InputError
from tests.pet.conftest import settings

CELL, TABLE, HEAD = "model.layers.0.attention.wq", "model.tok_embeddings.embedding_weight", "lm_head.weight"
V, D, NEW = 20, 8, 5


def base_arrays(seed: int = 0, width: int = D, vocab: int = V) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {f"{CELL}.weight": (width, width), TABLE: (vocab, width), HEAD: (vocab, width), "norm.weight": (width,)}
    # Few enough digits for float16.
    return {name: rng.integers(-8, 9, shape).astype(np.float32) / 8 for name, shape in shapes.items()}


def adapter_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = {f"{CELL}.lora_a": (4, D), f"{CELL}.lora_b": (D, 4)}
    shapes |= {f"{name}.new_rows": (NEW, D) for name in (TABLE, HEAD)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def config_for(base: dict[str, np.ndarray], **changes: object) -> AdapterConfig:
    digests = digests_of_arrays(base)
    config = AdapterConfig(
        pet_config=settings(".*wq"),
        recipe="mine.yaml",
        base_model="weights/base.safetensors",
        base_model_hash=whole_digest(digests),
        vocab_size=V,
        base_vocab_size=V - NEW,
        new_token_rows=NEW,
        ranks={CELL: 4},
        versions={"mindspore": "2.10.0"},
        base_weights=digests,
    )
    return replace(config, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_adapter(tmp_path / "adapter", adapter_arrays(), config_for(base_arrays()))


def test_what_is_saved_is_read(folder: Path) -> None:
    found = read_adapter(folder)
    assert {file.name for file in folder.iterdir()} == {MODEL_FILE, CONFIG_FILE}
    assert found.arrays.keys() == adapter_arrays().keys()
    assert all(np.array_equal(found.arrays[name], array) for name, array in adapter_arrays().items())
    assert replace(found.config, adapter_hash="") == config_for(base_arrays())
    content = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    assert content["recipe"] == "mine.yaml"
    assert content["ranks"] == {CELL: 4}
    assert content["base_model_hash"].startswith("sha256:")


def edit(folder: Path, **changes: object) -> None:
    path = folder / CONFIG_FILE
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), encoding="utf-8")


def test_damage_is_noticed(folder: Path) -> None:
    whole = (folder / MODEL_FILE).read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    other = {name: array + 1 for name, array in adapter_arrays().items()}
    save_adapter(folder.parent / "other", other, config_for(base_arrays()))
    of_another = (folder.parent / "other" / MODEL_FILE).read_bytes()
    cases = {"is damaged": bytes(flipped), "--adapter: .* is damaged": whole[:-4], "is empty": b""}
    cases["its weights are not those"] = of_another
    for said, content in cases.items():
        (folder / MODEL_FILE).write_bytes(content)
        with pytest.raises(InputError, match=said):
            read_adapter(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_model_hash": None}, r"adapter_config\.json\.base_model_hash: is missing"),
        ({"vocab_size": "many"}, r"adapter_config\.json\.vocab_size"),
        ({"ranks": {}}, "are not the 0 that its settings name"),
        ({"peft_type": "LORA", "base_model_hash": None}, "written by PEFT"),
    ],
)
def test_settings_that_are_not_ours_are_refused(folder: Path, changes: dict[str, object], said: str) -> None:
    edit(folder, **changes)
    with pytest.raises(InputError, match=said):
        read_adapter(folder)


def test_a_missing_part_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / CONFIG_FILE).unlink()
    with pytest.raises(InputError, match=f"{CONFIG_FILE}' not found"):
        read_adapter(folder)
    with pytest.raises(InputError, match=r"--adapter: .* not found; expected a folder with adapter_model"):
        read_adapter(tmp_path / "nowhere")


def base_file(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    save_file(arrays, folder / "base.safetensors")
    return folder / "base.safetensors"


def test_the_base_fits_in_another_order_container_and_type(folder: Path, tmp_path: Path) -> None:
    import mindspore as ms

    base = base_arrays()
    check_base(read_adapter(folder), base_file(tmp_path, {name: base[name] for name in reversed(base)}))
    check_base(read_adapter(folder), base_file(tmp_path, {n: a.astype(np.float16) for n, a in base.items()}))
    ms.save_checkpoint([{"name": n, "data": ms.Tensor(a)} for n, a in base.items()], str(tmp_path / "base.ckpt"))
    check_base(read_adapter(folder), tmp_path / "base.ckpt")


def changed(name: str) -> dict[str, np.ndarray]:
    arrays = base_arrays()
    arrays[name].reshape(-1).view(np.int32)[3] ^= 1
    return arrays


@pytest.mark.parametrize(
    ("base", "said"),
    [
        (changed("norm.weight"), "1 of 4 weights differ, norm.weight; expected the base it was trained on"),
        (base_arrays(1), "4 of 4 weights differ"),
        (base_arrays(width=6), rf"{CELL}\.weight is \[6, 6\] in the base, \[8, 8\] where it was trained"),
        (base_arrays(vocab=V + 1), rf"{TABLE} is \[21, 8\] in the base, \[20, 8\] where"),
        ({n: a for n, a in base_arrays().items() if CELL not in n}, f"the base has no {CELL}.weight"),
        ({n: a for n, a in base_arrays().items() if "norm" not in n}, "has no norm.weight"),
        (adapter_arrays(), "load_checkpoint: .* is a LoRA adapter; expected the weights of its base"),
    ],
    ids=["a bit", "values", "shape", "vocabulary", "names", "another weight", "an adapter"],
)
def test_a_foreign_base_is_refused(folder: Path, tmp_path: Path, base: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        check_base(read_adapter(folder), base_file(tmp_path, base))
    assert "\n" not in caught.value.line()


def test_a_digest_is_of_shape_and_values() -> None:
    array = np.arange(6, dtype=np.float32)
    assert digest(array) == digest(array.astype(np.float16))
    assert len({digest(array), digest(array.reshape(2, 3)), digest(array.reshape(3, 2)), digest(array + 1)}) == 4
    rows = load_rows()
    assert digest(rows) != digest(rows[::-1])


def load_rows() -> np.ndarray:
    """More rows than are taken at once."""
    return np.arange(3000, dtype=np.float32).reshape(1500, 2)
