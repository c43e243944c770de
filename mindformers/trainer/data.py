"""The datasets of a recipe, checked against the network."""

from __future__ import annotations

from typing import Any

import numpy as np

from mindformers.config import Recipe
from mindformers.config.schema.dataset import DataLoaderConfig, DatasetConfig
from mindformers.dataset.mindrecord import MindRecordBatches, open_mindrecord
from mindformers.dataset.record_order import WeightedSource
from mindformers.generation.slots import bucket
from mindformers.modules.documents import Documents
from mindformers.parallel.mesh import ALONE, Mesh
from mindformers.tools.errors import InputError
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)


def training_data(recipe: Recipe, config: Any, mesh: Mesh = ALONE) -> MindRecordBatches:
    """Batches of `train_dataset`, records one token longer than the network's `seq_length`.

    Every copy of the model reads a part of its own: in a step all of them together read what one device with as many
    times the batch size would.
    """
    return _open(recipe, config, mesh, "train_dataset", recipe.train_batch_size)


def evaluation_data(recipe: Recipe, config: Any, mesh: Mesh = ALONE) -> MindRecordBatches:
    """Batches of `eval_dataset`, in the order of the file; every copy of the model has a part of its own."""
    return _open(recipe, config, mesh, "eval_dataset", recipe.eval_batch_size)


def filled_batch(batch: dict[str, np.ndarray], size: int, config: Any) -> dict[str, np.ndarray]:
    """A batch of `size` rows, the missing ones without a token that counts: one compiled graph serves all batches.

    Where the network's `dynamic_padding` asks for it, the batch ends behind its longest row, at one of a few lengths.
    """
    if getattr(config, "dynamic_padding", False):
        batch = without_padding(batch, config)
    width = ((0, size - len(batch["input_ids"])), (0, 0))
    ids = np.pad(batch["input_ids"], width, constant_values=config.pad_token_id)
    return {"input_ids": ids, "labels": np.pad(batch["labels"], width, constant_values=config.ignore_token_id)}


def without_padding(batch: dict[str, np.ndarray], config: Any) -> dict[str, np.ndarray]:
    """A batch without the columns that are padding in all its rows, but for those up to the next usual length."""
    whole = batch["input_ids"].shape[1]
    is_used = (batch["input_ids"] != config.pad_token_id) | (batch["labels"] != config.ignore_token_id)
    longest = int(is_used.any(0).nonzero()[0][-1]) if is_used.any() else 0
    width = bucket(max(longest, 1), whole - 1) + 1
    return {name: column[:, :width] for name, column in batch.items()}


def open_data(recipe: Recipe, config: Any, source: str, batch_size: int, shuffle: bool = False) -> MindRecordBatches:
    """Batches of MindRecord files that a flag names, in the order of the file or another one in every epoch."""
    return open_mindrecord(
        source,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=recipe.seed,
        expected_length=config.seq_length + 1,
        num_samples=recipe.runner_config.num_samples,
        pad_token_id=config.pad_token_id,
    )


def _open(recipe: Recipe, config: Any, mesh: Mesh, section: str, batch_size: int) -> MindRecordBatches:
    settings = getattr(recipe, section)
    source = _source(settings.data_loader)
    if not source:
        flag = "--train_dataset_dir" if section == "train_dataset" else "--eval_dataset_dir"
        raise InputError(f"{section}.data_loader.dataset_dir", "not given", "MindRecord files", f"pass {flag} PATH")
    is_training = section == "train_dataset"
    return open_mindrecord(
        source,
        columns=settings.input_columns,
        batch_size=batch_size,
        shuffle=settings.data_loader.shuffle and is_training,
        seed=recipe.seed,
        drop_remainder=settings.drop_remainder and is_training,
        num_workers=settings.num_parallel_workers,
        expected_length=config.seq_length + 1,
        num_samples=recipe.runner_config.num_samples,
        num_shards=mesh.data,
        shard_id=mesh.data_rank,
        pad_token_id=config.pad_token_id,
    )


def documents_of(settings: DatasetConfig, config: Any) -> Documents | None:
    """What tells the documents of a packed record apart, where the section asks for it."""
    return Documents(config.bos_token_id, settings.eod_token_id) if settings.eod_reset else None


def tell_sources(data: MindRecordBatches) -> None:
    """What a mixture is made of, a line for each source; nothing of plain data."""
    if not data.is_mixture:
        return
    turn = sum(source.parts for source in data.sources)
    for source in data.sources:
        passes = data.total * source.parts / turn / source.files.total
        share, records = 100 * source.parts / turn, source.files.total
        logger.info(
            "source %s: %.2f %% of the rows, %d records, %.2f times an epoch", source.name, share, records, passes
        )


def tell_drawn(data: MindRecordBatches, epoch: int, num_batches: int) -> None:
    """What each source of a mixture had in the first batches of an epoch, in one line."""
    if not data.is_mixture or not num_batches:
        return
    drawn = data.drawn(epoch, num_batches)
    total = sum(drawn.values())
    shares = ", ".join(f"{name} {rows} ({100 * rows / total:.2f} %)" for name, rows in drawn.items())
    logger.info("epoch %d: %d rows drawn: %s", epoch + 1, total, shares)


def _source(loader: DataLoaderConfig) -> str | list[str] | list[WeightedSource]:
    if loader.sources is None:
        return loader.dataset_files or loader.dataset_dir
    return [
        WeightedSource(source.name or f"source {number}", source.weight, source.dataset_files or source.dataset_dir)
        for number, source in enumerate(loader.sources, 1)
        if source.weight > 0
    ]
