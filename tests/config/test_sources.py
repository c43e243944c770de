"""A mixture in a recipe: what is refused, and by which line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mindformers.config import load_recipe
from mindformers.config.arguments import parse_arguments
from mindformers.tools.errors import InputError

TINY = str(Path(__file__).parents[2] / "configs" / "llama2" / "run_scimind_tiny.yaml")
WHERE = "train_dataset.data_loader"
TEXT, SMILES = {"weight": 1, "dataset_dir": "t"}, {"weight": 2.5, "name": "smiles", "dataset_files": ["a", "b"]}


def _load(sources: Any, **more: Any) -> Any:
    changes = {f"{WHERE}.dataset_dir": "", f"{WHERE}.sources": sources}
    return load_recipe(TINY, changes | more).train_dataset.data_loader.sources


def test_sources_have_weights_and_files() -> None:
    text, smiles = _load([TEXT, SMILES])
    assert (text.weight, text.name, text.dataset_dir) == (1.0, "", "t")
    assert (smiles.weight, smiles.name, smiles.dataset_files) == (2.5, "smiles", ["a", "b"])


@pytest.mark.parametrize(
    ("sources", "line"),
    [
        ([TEXT, SMILES | {"weight": -1}], "sources.1.weight: got -1.0; expected a number, 0 or more"),
        ([TEXT | {"weight": float("nan")}], r"sources.0.weight: got nan \(float\); expected a number"),
        ([TEXT | {"weight": "much"}], "sources.0.weight: .*'much'.*; expected a number"),
        ([{"dataset_dir": "t"}], "sources.0.weight: is missing; expected a number"),
        ([TEXT | {"weight": 0}], "sources: the weights add up to 0; expected one or more sources with a weight"),
        ([], "sources: is empty; expected one or more sources"),
        ([{"weight": 1}], "sources.0.dataset_dir: not given; expected one of dataset_dir and dataset_files"),
        ([SMILES | {"dataset_dir": "x"}], "sources.0.dataset_dir: given beside dataset_files"),
        ([SMILES, SMILES], "sources: the name 'smiles' is there twice"),
        ([TEXT | {"wieght": 1}], "sources.0.wieght: unknown key; did you mean '.*sources.0.weight'"),
    ],
)
def test_unusable_sources(sources: list[dict[str, Any]], line: str) -> None:
    with pytest.raises(InputError, match=rf"^{WHERE}\.{line}"):
        _load(sources)


def test_sources_stand_alone_and_are_for_training() -> None:
    with pytest.raises(InputError, match=r"sources: given beside dataset_dir or dataset_files"):
        _load([TEXT], **{f"{WHERE}.dataset_dir": "x"})
    with pytest.raises(InputError, match=r"eval_dataset\.data_loader\.sources: given; .*every record once"):
        load_recipe(TINY, {"eval_dataset.data_loader.sources": [TEXT]})


def test_the_flag_for_the_data_takes_the_place_of_the_sources(tmp_path: Path) -> None:
    text = Path(TINY).read_text(encoding="utf-8")
    mixed = "sources: [{weight: 1, dataset_dir: t}]"
    (tmp_path / "mixed.yaml").write_text(text.replace("dataset_dir: output/quickstart/train.mindrecord", mixed))
    _, overrides = parse_arguments(["--config", str(tmp_path / "mixed.yaml"), "--train_dataset_dir", "d"])
    assert load_recipe(tmp_path / "mixed.yaml").train_dataset.data_loader.sources[0].dataset_dir == "t"
    loader = load_recipe(tmp_path / "mixed.yaml", overrides).train_dataset.data_loader
    assert (loader.dataset_dir, loader.sources) == ("d", None)


def test_an_end_token_without_a_reset_is_named(log: list[tuple[str, str]]) -> None:
    load_recipe(TINY, {"train_dataset.eod_token_id": 2})
    assert [text for _, text in log] == [
        "'train_dataset.eod_token_id' has no effect without 'train_dataset.eod_reset: True'"
    ]
    with pytest.raises(InputError, match=r"eval_dataset\.eod_token_id: got -2; expected 0 or more"):
        load_recipe(TINY, {"eval_dataset.eod_token_id": -2})
