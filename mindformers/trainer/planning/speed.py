"""Time from the count of operations, under assumptions that are said."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass

from mindformers.config import Recipe
from mindformers.dataset.mindrecord_files import mindrecord_files
from mindformers.models.footprint import CPU
from mindformers.tools.errors import InputError
from mindformers.trainer.planning.memory import Layout
from mindformers.trainer.planning.network import Network

# Where the recipe gives no context.peak_tflops: a processor core with wide vectors in float32; an Ascend 910's half
# precision; and the share of it that a training step turns into operations of the network (MFU).
_PEAK_TFLOPS = {CPU: 0.1 * (os.cpu_count() or 1), "Ascend": 256.0, "GPU": 312.0}
_MFU = {CPU: 0.6, "Ascend": 0.4, "GPU": 0.4}
_RECOMPUTED = 4 / 3  # one more forward pass beside a forward and a backward one, which costs two


@dataclass(frozen=True)
class Speed:
    """How long it takes; communication is not counted.

    Args:
        tokens_per_step: on all devices.
        flops_per_token: forward and backward, nothing twice.
        peak_tflops: assumed or given, of one device.
        mfu: assumed.
        seconds_per_step: estimated.
        steps: of the whole run; None where the data are not there.
    """

    tokens_per_step: int
    flops_per_token: float
    peak_tflops: float
    mfu: float
    seconds_per_step: float
    steps: int | None

    @property
    def tokens_per_second(self) -> float:
        """On all devices."""
        return self.tokens_per_step / self.seconds_per_step

    def to_dict(self) -> dict[str, float | int | None]:
        """All figures; the run's seconds where its steps are known."""
        run = None if self.steps is None else self.steps * self.seconds_per_step
        return {**asdict(self), "tokens_per_second": self.tokens_per_second, "seconds_per_run": run}


def speed_of(network: Network, layout: Layout, recipe: Recipe) -> Speed:
    """The estimate for one layout.

    Args:
        network: what is trained.
        layout: how it is spread.
        recipe: says the device, its peak where it does, and the data.
    """
    device = recipe.context.device_target
    peak, mfu = recipe.context.peak_tflops or _PEAK_TFLOPS[device], _MFU[device]
    tokens, flops = layout.tokens_per_step(network.config.seq_length), network.flops_per_token()
    work = tokens * flops * (_RECOMPUTED if layout.recompute else 1.0)
    seconds = work / (layout.num_devices * peak * 1e12 * mfu)
    return Speed(tokens, flops, peak, mfu, seconds, _steps(recipe, layout))


def _steps(recipe: Recipe, layout: Layout) -> int | None:
    rows = count_records(recipe)
    if rows is None:
        return None
    rows = min(rows, recipe.runner_config.num_samples or rows)
    return recipe.runner_config.epochs * max(rows // (layout.data * layout.rows * layout.micro_batches), 1)


def count_records(recipe: Recipe) -> int | None:
    """Rows of an epoch, from the index beside every MindRecord file; None where a file is not here."""
    loader = recipe.train_dataset.data_loader
    sources = [source for source in loader.sources or [loader] if getattr(source, "weight", 1) > 0]
    files = [source.dataset_files or source.dataset_dir for source in sources]
    if not files or not all(files):
        return None
    try:
        return sum(_records_in(f"{file}.db") for file in mindrecord_files(files))
    except (InputError, sqlite3.Error):
        return None


def _records_in(index: str) -> int:
    with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT COUNT(*) FROM INDEXES").fetchone()[0])
