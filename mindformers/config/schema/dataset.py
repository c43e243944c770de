"""Where examples come from and how they are batched."""

# ruff: noqa: RUF009 - `inert` makes a dataclass field, as `field` does

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mindformers.config.inert import inert


@dataclass
class SourceConfig:
    """An item of `train_dataset.data_loader.sources`.

    Args:
        weight: share of the rows, beside the weights of the other sources; 0 leaves the source out.
        name: for logs; else `source N`.
        dataset_dir: a MindRecord file, a folder of them, or a pattern.
        dataset_files: the files themselves, in place of `dataset_dir`.
        dataset_type: of an `InstructionDataset`, the format of this source; empty means that of the loader.
    """

    weight: float
    name: str = ""
    dataset_dir: str = ""
    dataset_files: str | list[str] | None = None
    dataset_type: str = ""


@dataclass
class DataLoaderConfig:
    """`train_dataset.data_loader`.

    Args:
        type: `MindDataset`, i.e. MindRecord files; or `InstructionDataset`, files made into them as a run begins.
        dataset_dir: a MindRecord file, a folder of them, or a pattern, relative to the current folder; empty means
            none.
        dataset_files: the files themselves, in place of `dataset_dir`.
        sources: several sources that take turns by their weights, in place of `dataset_dir`; for training only.
        shuffle: whether each epoch has an order of its own.
        dataset_type: of an `InstructionDataset`, the format as for llama_preprocess.py, e.g. `alpaca` or
            `context_target`; `dataset_dir` is then such a file, a folder of `.json` and `.jsonl` files, or a pattern.
        max_errors: of an `InstructionDataset`, bad rows that may be left out; one more ends the run. -1 for any number.
    """

    type: str = "MindDataset"
    dataset_type: str = ""
    max_errors: int = 0
    dataset_dir: str = ""
    dataset_files: str | list[str] | None = None
    sources: list[SourceConfig] | None = None
    shuffle: bool = True
    num_parallel_workers: int | None = inert(instead="num_parallel_workers of the dataset")
    num_samples: int | None = inert(instead="runner_config.num_samples")
    columns_list: list[str] | None = inert(instead="input_columns of the dataset")
    column_names: list[str] | None = inert(instead="input_columns of the dataset")
    origin_columns: list[str] | None = inert()
    phase: str | None = inert()
    version: int | str | None = inert()
    sampler: Any = inert()
    padded_sample: Any = inert()
    num_padded: int | None = inert()
    num_shards: int | None = inert()
    shard_id: int | None = inert()


@dataclass
class DatasetConfig:
    """`train_dataset`.

    Args:
        data_loader: the files.
        input_columns: columns that are read. `molecular_mask` among them marks a recipe of the published SciMind.
        num_parallel_workers: reading threads; never more than there are cores.
        drop_remainder: whether a last batch that is not full is left out.
        batch_size: examples per step and device where `runner_config.batch_size` is not given.
        eod_reset: whether the documents of a packed record are kept apart: no token sees those of another document, and
            the first token of a document is not to be predicted. Positions go on through the record.
        eod_token_id: of records whose documents do not begin with BOS, the token that ends a document.
    """

    data_loader: DataLoaderConfig = field(default_factory=DataLoaderConfig)
    input_columns: list[str] = field(default_factory=lambda: ["input_ids", "labels"])
    num_parallel_workers: int = 1
    drop_remainder: bool = True
    batch_size: int | None = None
    eod_reset: bool = False
    eod_token_id: int | None = None
    output_columns: list[str] | None = inert()
    column_order: list[str] | None = inert()
    construct_args_key: list[str] | None = inert()
    python_multiprocessing: bool = inert(False)
    repeat: int = inert(1)
    numa_enable: bool = inert(False)
    prefetch_size: int = inert(1)
    seed: int | None = inert(instead="seed")
    num_samples: int | None = inert(instead="runner_config.num_samples")
    do_eval: bool = inert(False)
    tokenizer: Any = inert(instead="processor.tokenizer")
    text_transforms: Any = inert()
    transforms: Any = inert()
    sampler: Any = inert()
    mixup_op: Any = inert()
    max_source_length: int | None = inert()
    max_target_length: int | None = inert()
    ignore_pad_token_for_loss: bool = inert(True)
    phase: str | None = inert()
    version: int | str | None = inert()
    auto_tune: bool = inert(False)
    filepath_prefix: str = inert("")
    autotune_per_step: int = inert(10)
    profile: bool = inert(False)


@dataclass
class EvalDataLoaderConfig(DataLoaderConfig):
    """`eval_dataset.data_loader`: in the order of the file."""

    shuffle: bool = False


@dataclass
class EvalDatasetConfig(DatasetConfig):
    """`eval_dataset`: every record counts, so the last batch is kept."""

    data_loader: EvalDataLoaderConfig = field(default_factory=EvalDataLoaderConfig)
    drop_remainder: bool = False


@dataclass
class DatasetTaskConfig:
    """`train_dataset_task` and `eval_dataset_task`: in MindFormers the class that reads `dataset_config`."""

    type: str = "CausalLanguageModelDataset"
    dataset_config: DatasetConfig = field(default_factory=DatasetConfig)
