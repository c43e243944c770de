"""Splitting into experts, tuning routers and their report, on a network that was trained for a moment."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor
from safetensors.numpy import load_file

from mindformers.config import load_recipe
from mindformers.config.flags import FLAGS
from mindformers.dataset.mindrecord_writer import write_records
from mindformers.experts import read_experts
from mindformers.models.llama.neuron_order import recorded_order
from mindformers.tools.errors import InputError
from mindformers.trainer import runner
from mindformers.trainer.build import build_model_config, build_network
from mindformers.trainer.checkpoint import kept_metadata, load_weights
from mindformers.trainer.expert_probe import ExpertUse
from mindformers.trainer.expert_report import expert_report
from mindformers.trainer.expert_split import split_experts
from mindformers.trainer.router_tuning import tune_routers
from tests.trainer.small_run import recipe_content, rows_of, write_recipe

EXPERTS = {"num_experts": 8, "routing": "activation", "top_k": {"text": 3, "molecule": 2}}
NEURONS, LAYERS, ROWS = 32, 2, 64


@dataclass
class Trained:
    """A folder with a trained network and its data."""

    folder: Path
    recipe: Path
    checkpoint: Path

    def load(self, **changes: Any) -> Any:
        settings = {"load_checkpoint": str(self.checkpoint)} | {k.replace("__", "."): v for k, v in changes.items()}
        return load_recipe(self.recipe, settings)

    def network(self, checkpoint: Path, routing: str) -> Any:
        recipe = self.load(model__model_config__experts__routing=routing)
        net = build_network(recipe, build_model_config(recipe), random=False)
        load_weights(net, checkpoint)
        return net.set_train(False)


def flags(**given: Any) -> Namespace:
    return Namespace(**(dict.fromkeys(FLAGS) | given))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    ms.set_context(mode=ms.GRAPH_MODE)
    folder = tmp_path_factory.mktemp("experts")
    content = recipe_content(folder)
    content["model"]["model_config"] |= {"num_layers": LAYERS, "experts": EXPERTS}
    content["runner_config"] = {"epochs": 4, "batch_size": 8}
    content["lr_schedule"]["learning_rate"] = 0.02
    write_records(folder / "train.mindrecord", rows_of(ROWS, seed=1))
    write_records(folder / "test.mindrecord", rows_of(ROWS // 4, seed=2))
    recipe = write_recipe(folder, content)
    yield Trained(folder, recipe, runner.train(load_recipe(recipe)))


def data_of(trained: Trained) -> str:
    return str(trained.folder / "train.mindrecord")


@pytest.fixture(scope="module")
def tuned(trained: Trained) -> tuple[Path, dict[str, Any]]:
    """A checkpoint with learned routers, and the report on them."""
    output = trained.folder / "learned.safetensors"
    recipe = trained.load(runner_config__epochs=60)
    return output, tune_routers(recipe, flags(data=data_of(trained), output=str(output)))


IDS = np.arange(1, 25, dtype=np.int32).reshape(2, 12)


@pytest.mark.parametrize("method", ["kmeans", "coactivation"])
def test_splitting_keeps_the_function_and_records_where_neurons_came_from(
    trained: Trained, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = trained.folder / f"{method}.npz"
    labels = split_experts(trained.load(), flags(method=method, data=data_of(trained), output=str(output)))
    assert np.array_equal(read_experts(output, LAYERS, NEURONS).labels, labels)
    assert (np.stack([np.bincount(row, minlength=8) for row in labels]) == NEURONS // 8).all()
    checkpoint = output.with_suffix(".safetensors")
    order = recorded_order("", kept_metadata(checkpoint), (LAYERS, NEURONS))
    before, after = load_file(trained.checkpoint), load_file(checkpoint)
    name = "model.layers.1.feed_forward.w1.weight"
    assert np.array_equal(after[name], before[name][order[1]])
    assert np.array_equal(labels[1][order[1]], np.repeat(np.arange(8), NEURONS // 8))
    dense = [trained.network(path, "none")(Tensor(IDS)).asnumpy() for path in (trained.checkpoint, checkpoint)]
    np.testing.assert_allclose(dense[1], dense[0], atol=1e-4)
    assert "molecule energy" in capsys.readouterr().out


def test_splitting_a_split_network_names_the_original_neurons(trained: Trained) -> None:
    first, second = trained.folder / "first.npz", trained.folder / "second.npz"
    split_experts(trained.load(seed=1), flags(output=str(first)))
    again = trained.load(seed=2, load_checkpoint=str(first.with_suffix(".safetensors")))
    labels = split_experts(again, flags(output=str(second)))
    checkpoint = second.with_suffix(".safetensors")
    order = recorded_order("", kept_metadata(checkpoint), (LAYERS, NEURONS))
    name = "model.layers.0.feed_forward.w3.weight"
    assert np.array_equal(load_file(checkpoint)[name], load_file(trained.checkpoint)[name][order[0]])
    assert np.array_equal(labels[0][order[0]], np.repeat(np.arange(8), NEURONS // 8))


def test_patterns_are_imported_without_a_checkpoint(trained: Trained) -> None:
    folder = trained.folder / "patterns"
    folder.mkdir()
    wanted = np.random.default_rng(0).permuted(np.tile(np.repeat(np.arange(8), 4), (LAYERS, 1)), axis=1)
    for layer, labels in enumerate(wanted):
        np.save(folder / f"patterns_{layer}.npy", labels == np.arange(8)[:, None])
    output = trained.folder / "published.npz"
    labels = split_experts(trained.load(load_checkpoint=""), flags(patterns_dir=str(folder), output=str(output)))
    assert np.array_equal(labels, wanted)
    assert read_experts(output).settings["method"] == "published"


def test_tuned_routers_find_the_choices_and_change_nothing_else(
    trained: Trained, tuned: tuple[Path, dict[str, Any]]
) -> None:
    output, report = tuned
    assert report["tuned"]["agreement"]["total"] > 0.8 > 0.4 > report["random"]["agreement"]["total"]
    assert json.loads(output.with_suffix(".report.json").read_text()) == report
    before, after = load_file(trained.checkpoint), load_file(output)
    assert set(after) - set(before) == {
        f"model.layers.{layer}.feed_forward.router.{part}" for layer in range(LAYERS) for part in ("weight", "bias")
    }
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_tuned_routers_cost_little_on_held_out_data(trained: Trained, tuned: tuple[Path, dict[str, Any]]) -> None:
    def loss(checkpoint: Path, routing: str) -> float:
        recipe = trained.load(load_checkpoint=str(checkpoint), model__model_config__experts__routing=routing)
        return runner.evaluate(recipe)["total"]["loss"]

    assert loss(tuned[0], "learned") < 1.03 * loss(trained.checkpoint, "activation")


def test_learned_routing_runs_natively_and_masked_alike(trained: Trained, tuned: tuple[Path, dict[str, Any]]) -> None:
    output, _ = tuned
    net, masked = trained.network(output, "learned"), trained.network(output, "learned")
    for layer in masked.model.layers:
        layer.feed_forward.native = None
    np.testing.assert_allclose(net(Tensor(IDS)).asnumpy(), masked(Tensor(IDS)).asnumpy(), atol=1e-4)
    learned = runner.evaluate(
        trained.load(load_checkpoint=str(output), model__model_config__experts__routing="learned")
    )
    exact = runner.evaluate(trained.load(load_checkpoint=str(output)))  # its routers are left out
    assert learned["total"]["tokens"] == exact["total"]["tokens"]
    assert learned["total"]["loss"] < exact["total"]["loss"] * 1.1


def test_a_network_that_wants_routers_says_how_to_make_them(trained: Trained) -> None:
    with pytest.raises(InputError, match=r"router\.weight.*tune_routers"):
        trained.network(trained.checkpoint, "learned")


def test_the_report_counts_every_token_once_per_expert(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained.folder / "report"
    found = expert_report(trained.load(), flags(data=data_of(trained), output=str(folder)))
    assert json.loads((folder / "expert_use.json").read_text()) == found
    assert (folder / "expert_use.png").read_bytes().startswith(b"\x89PNG")
    for name, k in (("text", 3), ("molecule", 2)):
        np.testing.assert_allclose(np.sum(found["use"][name], axis=1), k, atol=1e-4)
    assert found["agreement"]["total"] == 1.0
    assert "molecule" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("work", "given", "message"),
    [
        (split_experts, {"output": "experts.txt"}, "--output"),
        (split_experts, {"output": "experts.npz", "method": "coactivation"}, "--data"),
        (tune_routers, {"output": "c.safetensors"}, "--data"),
        (tune_routers, {"data": "d.mindrecord", "output": "c.ckpt"}, "--output"),
        (expert_report, {"output": "folder"}, "--data"),
    ],
)
def test_missing_flags_are_named(trained: Trained, work: Any, given: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        work(trained.load(), flags(**given))


def test_agreement_counts_each_token_once() -> None:
    use = ExpertUse(num_layers=1, num_experts=4)
    exact = np.array([[[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0]]])
    own = np.array([[[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]]])
    use.add(exact, own, np.array([1, 0, -1]))
    assert use.agreement() == {"text": 1.0, "molecule": 0.5, "total": 0.75}
    assert use.shares()["molecule"].tolist() == [[1, 0, 1, 0]]
    assert use.balance() == {"text": 1.0, "molecule": 0.5}
