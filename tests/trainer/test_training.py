"""A run from the data to the last checkpoint; interrupted and resumed it is the same run, bit by bit."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mindformers.tools.errors import InputError
from mindformers.trainer import runner
from mindformers.trainer.assembly import build_schedule
from mindformers.trainer.step import StepResult
from mindformers.trainer.training import Training
from tests.trainer.small_run import (
    BATCH_SIZE,
    END_RATE,
    EPOCHS,
    NUM_ROWS,
    PEAK_RATE,
    log_rows,
    small_recipe,
    write_data,
)
from tests.trainer.table_run import recipe_over, table_run
from tests.trials import trials

STEPS_PER_EPOCH = NUM_ROWS // BATCH_SIZE
STEPS = EPOCHS * STEPS_PER_EPOCH
REPORTED_EVERY = 2
# two steps behind the checkpoint of step 3, whose loss was not yet reported; and others
INTERRUPTED_AFTER = (5, 7, 4, 6, 8)[: trials("STOPS", 1)]


class Interrupted(Exception):
    """Stands for whatever ends a run."""


@dataclass
class Run:
    """A finished run."""

    output: Path
    checkpoint: Path

    def files(self) -> set[str]:
        return {file.name for file in (self.output / "checkpoint").iterdir()}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Run:
    """A run without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    checkpoint = runner.train(recipe_over(folder, data))
    return Run(folder / "output", checkpoint)


@pytest.fixture(scope="module", params=INTERRUPTED_AFTER)
def resumed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data: Path) -> Run:
    """The same run, ended after some step and resumed from its last checkpoint; it reports every other step."""
    folder, reports = tmp_path_factory.mktemp("resumed"), {"callbacks__0__per_print_times": REPORTED_EVERY}
    take = Training.take_step

    def take_until_the_end(self: Training, *given: object) -> None:
        take(self, *given)
        if self.state.done == request.param:
            raise Interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "take_step", take_until_the_end)
        with pytest.raises(Interrupted):
            runner.train(recipe_over(folder, data, **reports))
    output = folder / "output"
    assert [row["step"] for row in log_rows(output)] == list(range(REPORTED_EVERY, request.param + 1, REPORTED_EVERY))
    with (output / "train_log.jsonl").open("a") as log:
        log.write('{"step": 99, "lo')  # a line that was cut off
    settings = {"load_checkpoint": str(output), "resume_training": True}
    return Run(output, runner.train(recipe_over(folder, data, **reports, **settings)))


def test_every_step_is_in_the_log(whole: Run) -> None:
    rows = log_rows(whole.output, without=())
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["epoch"] for row in rows] == [1] * STEPS_PER_EPOCH + [2] * STEPS_PER_EPOCH
    promised = {"step", "epoch", "loss", "lr", "grad_norm", "tokens_per_s", "loss_scale"}
    added = {"smooth_loss", "seconds_per_step", "mfu", "overflow", "skipped", "memory_gb", "peak_memory_gb"}
    assert all(set(row) == promised | added for row in rows)
    assert all(row["tokens_per_s"] > 0 and row["grad_norm"] > 0 and row["loss_scale"] == 1.0 for row in rows)


def test_the_loss_begins_at_chance_and_falls(whole: Run) -> None:
    losses = [row["loss"] for row in log_rows(whole.output)]
    assert losses[0] == pytest.approx(math.log(128), rel=0.02)
    assert losses[-1] < 0.85 * losses[0]


def test_rates_are_those_of_the_schedule(whole: Run) -> None:
    rates = [row["lr"] for row in log_rows(whole.output)]
    curve = [END_RATE + (PEAK_RATE - END_RATE) / 2 * (1 + math.cos(math.pi * i / 5)) for i in range(6)]
    assert rates == pytest.approx([PEAK_RATE / 2, PEAK_RATE, *curve])


def test_checkpoints_are_named_by_epoch_and_step(whole: Run) -> None:
    # every 3 of 8 steps, 4 an epoch; and the last
    stems = ["small_rank_0-1_3", "small_rank_0-2_2", "small_rank_0-2_4"]
    wanted = {f"{stem}{end}" for stem in stems for end in (".safetensors", ".state.safetensors")}
    assert whole.files() == wanted | {"config.yaml"}
    assert whole.checkpoint.name == "small_rank_0-2_4.safetensors"


def test_the_loss_curve_is_a_picture(whole: Run) -> None:
    picture = (whole.output / "loss.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(picture) > 10_000


def test_the_resolved_recipe_is_beside_the_results(whole: Run, data: Path) -> None:
    from mindformers.config import load_recipe

    recipe = load_recipe(whole.output / "config.yaml")
    assert (recipe.seed, recipe.runner_config.epochs) == (5, EPOCHS)
    assert recipe.train_dataset.data_loader.dataset_dir == str(data / "train.mindrecord")
    assert (whole.output / "config.yaml").read_bytes() == (whole.output / "checkpoint" / "config.yaml").read_bytes()


def test_a_resumed_run_has_the_same_weights_and_state(whole: Run, resumed: Run) -> None:
    for name in sorted(whole.files() - {"config.yaml"}):
        ours, theirs = (load_file(run.output / "checkpoint" / name) for run in (resumed, whole))
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key]) for key in theirs), name


def test_a_resumed_run_has_the_same_log(whole: Run, resumed: Run) -> None:
    rows = log_rows(whole.output)
    losses = [(before["loss"] + row["loss"]) / 2 for before, row in itertools.pairwise(rows)]
    wanted = [{**row, "loss": loss} for row, loss in zip(rows[1:], losses, strict=True)][::REPORTED_EVERY]
    assert log_rows(resumed.output) == wanted


def test_every_weight_was_trained(whole: Run) -> None:
    first, last = (load_file(whole.output / "checkpoint" / f"small_rank_0-{n}.safetensors") for n in ("1_3", "2_4"))
    assert all(not np.array_equal(first[name], last[name]) for name in first)


def test_resuming_over_other_data_is_refused(whole: Run, data: Path, tmp_path: Path) -> None:
    changes = {"load_checkpoint": str(whole.checkpoint), "resume_training": True}
    expected = (
        "resume_training: the run had 4 examples per step from 18 records; expected the same data; "
        "here {} per step from {} records; resume with the recipe of that run"
    )
    for key, value, found in (("batch_size", 2, (2, NUM_ROWS)), ("num_samples", 12, (4, 12))):
        with pytest.raises(InputError) as caught:
            runner.train(recipe_over(tmp_path, data, **changes, **{f"runner_config__{key}": value}))
        assert caught.value.line() == expected.format(*found)
    assert not (tmp_path / "output" / "train_log.jsonl").exists()
    assert not (tmp_path / "output" / "config.yaml").exists()


def test_resuming_a_finished_run_only_writes_its_end_again(whole: Run, data: Path, tmp_path: Path) -> None:
    changes = {"load_checkpoint": str(whole.checkpoint), "resume_training": True}
    path = runner.train(recipe_over(tmp_path, data, **changes))
    assert path.name == whole.checkpoint.name
    assert all(np.array_equal(a, load_file(whole.checkpoint)[name]) for name, a in load_file(path).items())


def test_resuming_needs_a_checkpoint_and_its_state(whole: Run, data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="load_checkpoint: not given"):
        runner.train(recipe_over(tmp_path, data, resume_training=True))
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(whole.checkpoint.read_bytes())
    with pytest.raises(InputError, match=r"alone\.state\.safetensors' not found"):
        runner.train(recipe_over(tmp_path, data, resume_training=True, load_checkpoint=str(alone)))


@pytest.mark.parametrize(
    ("settings", "warmup", "total"),
    [
        ({"warmup_steps": 7}, 7, 20),
        ({"warmup_ratio": 0.25, "warmup_steps": 7}, 5, 20),
        ({"warmup_steps": 0, "warmup_epochs": 1}, 10, 20),
        ({"total_steps": 50, "warmup_ratio": 0.1}, 5, 50),
    ],
)
def test_the_schedule_follows_from_recipe_and_data(
    tmp_path: Path, settings: dict[str, float], warmup: int, total: int
) -> None:
    recipe = small_recipe(tmp_path, **{f"lr_schedule__{key}": value for key, value in settings.items()})
    schedule = build_schedule(recipe, epochs=2, steps_per_epoch=10)
    assert (schedule.warmup_steps, schedule.total_steps) == (warmup, total)
    assert (schedule.peak, schedule.end, schedule.curve) == (PEAK_RATE, END_RATE, "CosineWithWarmUpLR")


class FakeStep:
    """Losses as they are told; None stands for an overflow."""

    def __init__(self, losses: list[float | None]) -> None:
        self.losses = iter(losses)
        self.scales: list[float] = []
        self.numbers: list[int] = []

    def compile(self, batch: object) -> None:
        """Nothing to do."""

    def __call__(self, batches: object, lr: float, scale: float, number: int, begin_batch: object) -> StepResult:
        loss = next(self.losses)
        self.scales.append(scale)
        self.numbers.append(number)
        return StepResult(math.nan, math.inf, False, 9) if loss is None else StepResult(loss, 2.0, True, 9)


def test_a_report_is_the_mean_since_the_last_and_skips_what_overflowed(data: Path, tmp_path: Path) -> None:
    scale = {"type": "DynamicLossScaleUpdateCell", "loss_scale_value": 8, "scale_window": 2}
    run = table_run(tmp_path, data, callbacks__0__per_print_times=3, runner_wrapper__scale_sense=scale)
    run.step = FakeStep([5.0, None, 4.0, 3.0, 2.0, 1.0, None, 0.5])
    run.run()
    rows = log_rows(tmp_path / "output")
    assert [row["step"] for row in rows] == [3, 6, 8]
    assert [row["loss"] for row in rows] == [4.5, 2.0, 0.5]
    # halved after the overflows of steps 2 and 7, doubled after each two calm steps
    assert run.step.scales == [8, 8, 4, 4, 8, 8, 16, 8]
    assert [row["loss_scale"] for row in rows] == [4, 8, 8]
    assert [(row["overflow"], row["skipped"]) for row in rows] == [(True, 1), (False, 1), (True, 2)]
    # updates are counted without those that changed nothing, as Adam's correction needs them
    assert run.step.numbers == [1, 2, 2, 3, 4, 5, 6, 6]
