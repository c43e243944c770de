"""Training of a network that compiles in a moment: logits are rows of a table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindformers.config import Recipe
from mindformers.dataset.mindrecord import open_mindrecord
from mindformers.modalities import modality_of_ids
from mindformers.trainer.held_out import HeldOut
from mindformers.trainer.training import Training
from tests.trainer.small_run import IGNORED, NUM_TEXT_TOKENS, SEQ_LENGTH, VOCAB_SIZE, small_recipe


class TableNet(nn.Cell):
    """ids [B, S] to logits [B, S, V]."""

    def __init__(self) -> None:
        super().__init__()
        table = np.random.default_rng(0).standard_normal((VOCAB_SIZE, VOCAB_SIZE)).astype(np.float32)
        self.table = Parameter(Tensor(table), name="table.weight")
        self.bias = Parameter(Tensor(np.zeros(VOCAB_SIZE, np.float32)), name="table.bias")
        self.config = SimpleNamespace(
            modality_table=lambda: modality_of_ids(VOCAB_SIZE, NUM_TEXT_TOKENS),
            ignore_token_id=IGNORED,
            pad_token_id=0,
            num_layers=1,
            seq_length=SEQ_LENGTH,
            hidden_size=VOCAB_SIZE,
        )

    def construct(self, ids: Tensor) -> Tensor:
        return ops.gather(self.table, ids, 0) + self.bias


def recipe_over(folder: Path, data: Path, **overrides: Any) -> Recipe:
    """The small recipe in `folder` over the data of another folder."""
    paths = {
        "train_dataset__data_loader__dataset_dir": str(data / "train.mindrecord"),
        "eval_dataset__data_loader__dataset_dir": str(data / "test.mindrecord"),
    }
    return small_recipe(folder, **paths, **overrides)


def table_run(folder: Path, data: Path, **overrides: Any) -> Training:
    """A run over that data; it evaluates where `do_eval` is overridden."""
    recipe, net = recipe_over(folder, data, **overrides), TableNet()
    settings, size = recipe.train_dataset, recipe.train_batch_size
    batches = open_mindrecord(
        data / "train.mindrecord",
        batch_size=size,
        shuffle=True,
        seed=recipe.seed,
        drop_remainder=settings.drop_remainder,
    )
    held_out = None
    if recipe.do_eval:
        held_out = HeldOut(recipe, net, open_mindrecord(data / "test.mindrecord", batch_size=size))
    return Training(recipe, net, batches, held_out=held_out)
