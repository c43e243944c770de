"""Training on several sources: their shares are told, and a run is resumed at the same record."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from mindformers.dataset.mindrecord_writer import write_records
from mindformers.tools.errors import InputError
from mindformers.trainer.data import logger, tell_sources, training_data
from mindformers.trainer.run_state import RunState
from mindformers.trainer.training import Training
from tests.trainer.small_run import log_rows, rows_of, small_recipe
from tests.trainer.table_run import TableNet
from tests.trials import trials

SIZES = {"text": 13, "molecule": 7, "protein": 2}
STEPS_PER_EPOCH, STEPS = 5, 15  # 22 rows in batches of 4
STOPS = random.Random(0).sample(range(1, STEPS), trials("STOPS", 2))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, size) in enumerate(SIZES.items()):
        write_records(folder / f"{name}.mindrecord", rows_of(size, seed))
    return folder


def mixed_run(folder: Path, data: Path, weights: tuple[float, ...] = (0.5, 0.3, 0.2), **overrides: Any) -> Training:
    sources = [
        {"name": name, "weight": weight, "dataset_dir": str(data / f"{name}.mindrecord")}
        for name, weight in zip(SIZES, weights, strict=True)
    ]
    mixed = {"train_dataset__data_loader__dataset_dir": "", "train_dataset__data_loader__sources": sources}
    settings = {
        "runner_config__epochs": 3,
        "callbacks__1__save_checkpoint_steps": 1,
        "callbacks__1__keep_checkpoint_max": 99,
    }
    recipe, net = small_recipe(folder, **{**mixed, **settings, **overrides}), TableNet()
    return Training(recipe, net, training_data(recipe, net.config))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Training:
    run = mixed_run(tmp_path_factory.mktemp("whole"), data)
    run.run()
    return run


def checkpoint(run: Training, step: int, end: str = "safetensors") -> Path:
    epoch, rest = divmod(step - 1, STEPS_PER_EPOCH)
    return run.saver.folder / f"small_rank_0-{epoch + 1}_{rest + 1}.{end}"


@pytest.mark.parametrize("stop", STOPS)
def test_a_run_is_resumed_bit_by_bit(whole: Training, data: Path, tmp_path: Path, stop: int) -> None:
    run = mixed_run(tmp_path, data)
    stored = load_file(checkpoint(whole, stop))
    for parameter in run.net.get_parameters():
        parameter.set_data(type(parameter)(stored[parameter.name]))
    run.resume(checkpoint(whole, stop))
    run.run()
    rows = log_rows(Path(whole.recipe.output_dir))
    assert len(rows) == STEPS and log_rows(tmp_path / "output") == rows[stop:]
    for end in ("safetensors", "state.safetensors"):
        ours, theirs = load_file(checkpoint(run, STEPS, end)), load_file(checkpoint(whole, STEPS, end))
        assert all(np.array_equal(ours[key], theirs[key]) for key in theirs), end


def test_the_shares_are_told(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(logger, "info", lambda text, *given: lines.append(text % given))
    run = mixed_run(tmp_path, data, runner_config__epochs=1)
    tell_sources(run.data)
    run.run()
    assert lines == [
        "source text: 50.00 % of the rows, 13 records, 0.85 times an epoch",
        "source molecule: 30.00 % of the rows, 7 records, 0.94 times an epoch",
        "source protein: 20.00 % of the rows, 2 records, 2.20 times an epoch",
        "epoch 1: 20 rows drawn: text 10 (50.00 %), molecule 6 (30.00 %), protein 4 (20.00 %)",
    ]


def test_a_source_of_weight_zero_is_left_out(data: Path, tmp_path: Path) -> None:
    run = mixed_run(tmp_path, data, (0, 1, 2))
    assert run.data.told_sources() == [["molecule", 1, 7], ["protein", 2, 2]]
    assert mixed_run(tmp_path, data, (2, 0, 0)).data.num_rows == SIZES["text"]


def test_resuming_with_other_shares_is_refused(whole: Training, data: Path, tmp_path: Path) -> None:
    run = mixed_run(tmp_path, data, (0.4, 0.4, 0.2))
    expected = (
        "resume_training: the run had the sources text 5 of 10 (13 records), molecule 3 of 10 (7 records), protein 2 "
        "of 10 (2 records); expected the same data; here the sources text 2 of 5 (13 records), molecule 2 of 5 (7 "
        "records), protein 1 of 5 (2 records); resume with the recipe of that run"
    )
    with pytest.raises(InputError, match=re.escape(expected)):
        run.resume(checkpoint(whole, 3))
    with pytest.raises(InputError, match="the run had one source; expected the same data; here the sources text"):
        run.state.read(RunState(4, 22).to_text())
