"""Loss, accuracy and counts against NumPy, in total and for each modality."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindformers.dataset.mindrecord import open_mindrecord
from mindformers.dataset.mindrecord_writer import write_records
from mindformers.modalities import MODALITIES, modality_of_ids
from mindformers.trainer.evaluating import Evaluation
from tests.trainer.small_run import IGNORED, NUM_TEXT_TOKENS, VOCAB_SIZE, rows_of

NUM_ROWS, BATCH_SIZE = 7, 3


class Lookup(nn.Cell):
    """Logits of the next token are a row of a table."""

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.table = Tensor(table)

    def construct(self, ids: Tensor) -> Tensor:
        return ops.gather(self.table, ids, 0)


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    """Logits that often, but not always, favour the next id."""
    logits = np.random.default_rng(3).standard_normal((VOCAB_SIZE, VOCAB_SIZE)).astype(np.float32)
    logits[np.arange(VOCAB_SIZE), (np.arange(VOCAB_SIZE) + 1) % VOCAB_SIZE] += 2.5
    return logits


@pytest.fixture(scope="module")
def measures(table: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    path = tmp_path_factory.mktemp("data") / "test.mindrecord"
    write_records(path, rows_of(NUM_ROWS))
    return evaluated(table, path)


def evaluated(table: np.ndarray, path: Path, ignored: int = IGNORED) -> dict[str, dict[str, float]]:
    config = SimpleNamespace(
        modality_table=lambda: modality_of_ids(VOCAB_SIZE, NUM_TEXT_TOKENS), ignore_token_id=ignored, pad_token_id=0
    )
    return Evaluation(Lookup(table), config).measure(open_mindrecord(path, batch_size=BATCH_SIZE))


def tokens_by_numpy(table: np.ndarray) -> list[tuple[int, float, bool]]:
    """(label, loss, is right) of every token that counts."""
    found = []
    for ids, labels in rows_of(NUM_ROWS):
        for read, said in zip(ids[:-1], labels[1:], strict=True):
            if said != IGNORED:
                logits = table[read].astype(np.float64)
                found.append((said, np.log(np.exp(logits).sum()) - logits[said], logits.argmax() == said))
    return found


def is_text(label: int) -> bool:
    return label < NUM_TEXT_TOKENS


@pytest.mark.parametrize("name", ["total", "text", "molecule"])
def test_measures_are_those_of_the_definition(
    name: str, measures: dict[str, dict[str, float]], table: np.ndarray
) -> None:
    wanted = [
        (loss, right)
        for label, loss, right in tokens_by_numpy(table)
        if name == "total" or is_text(label) == (name == "text")
    ]
    losses, rights = (np.asarray(column, np.float64) for column in zip(*wanted, strict=True))
    assert measures[name]["tokens"] == len(wanted) > 10
    assert measures[name]["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert measures[name]["accuracy"] == pytest.approx(rights.mean())
    assert 0 < measures[name]["accuracy"] < 1
    assert measures[name]["perplexity"] == pytest.approx(math.exp(losses.mean()), rel=1e-4)


def test_the_total_is_the_modalities_weighed_by_their_tokens(measures: dict[str, dict[str, float]]) -> None:
    parts = [row for name, row in measures.items() if name != "total"]
    total = measures["total"]
    assert sum(row["tokens"] for row in parts) == total["tokens"]
    for key in ("loss", "accuracy"):
        assert sum(row[key] * row["tokens"] for row in parts) / total["tokens"] == pytest.approx(total[key])


def test_only_modalities_that_occur_are_listed(measures: dict[str, dict[str, float]]) -> None:
    names = [row.name for row in MODALITIES]
    assert list(measures) == ["total", "text", "molecule"] == ["total", *names[:2]]


def test_rows_that_fill_up_the_last_batch_do_not_count(
    measures: dict[str, dict[str, float]], table: np.ndarray, tmp_path: Path
) -> None:
    assert NUM_ROWS % BATCH_SIZE
    write_records(tmp_path / "whole.mindrecord", rows_of(NUM_ROWS) * BATCH_SIZE)
    whole = evaluated(table, tmp_path / "whole.mindrecord")
    for name, row in measures.items():
        assert whole[name]["tokens"] == BATCH_SIZE * row["tokens"]
        assert whole[name]["loss"] == pytest.approx(row["loss"], rel=1e-6)


def test_data_in_which_nothing_counts_has_no_loss(table: np.ndarray, tmp_path: Path) -> None:
    rows = [(ids, np.full_like(labels, IGNORED)) for ids, labels in rows_of(2)]
    write_records(tmp_path / "none.mindrecord", rows)
    found = evaluated(table, tmp_path / "none.mindrecord")
    assert found == {"total": {"loss": 0.0, "perplexity": 1.0, "accuracy": 0.0, "tokens": 0}}


def test_a_label_that_does_not_count_is_never_right_even_where_it_is_an_id(table: np.ndarray, tmp_path: Path) -> None:
    ids = np.asarray([1, 6, 7, 8, 9], np.int32)
    sure = np.full_like(table, -9.0)
    sure[np.arange(VOCAB_SIZE), (np.arange(VOCAB_SIZE) + 1) % VOCAB_SIZE] = 9.0  # right after 6, 7 and 8
    write_records(tmp_path / "one.mindrecord", [(ids, ids)])
    found = evaluated(sure, tmp_path / "one.mindrecord", ignored=8)["total"]
    assert (found["tokens"], found["accuracy"]) == (3, pytest.approx(2 / 3))
