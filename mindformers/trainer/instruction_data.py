"""Instructions of a recipe made into records: what a run reads is then a MindRecord like any other."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mindformers.config import Recipe
from mindformers.config.schema.dataset import DataLoaderConfig, SourceConfig
from mindformers.config.validate import INSTRUCTIONS
from mindformers.dataset.instruction_files import instruction_files, write_records
from mindformers.parallel.device import rank
from mindformers.tools.errors import InputError
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
Place = TypeVar("Place", DataLoaderConfig, SourceConfig)


def with_records(recipe: Recipe, config: Any, tokenizer: Any, *sections: str) -> Recipe:
    """The recipe whose datasets are MindRecords; each `InstructionDataset` is written as `data/*.mindrecord`.

    Args:
        recipe: stays as it is.
        config: the network's configuration.
        tokenizer: the one that answers are made with, so that training and inference see the same text.
        sections: the datasets that the run reads.

    Raises:
        InputError: files that cannot be read, more bad rows than allowed, or rows longer than the model.
    """
    for section in sections:
        dataset = getattr(recipe, section)
        loader = dataset.data_loader
        if loader.type == INSTRUCTIONS:
            write = partial(_written, recipe, config, tokenizer, section)
            if loader.sources is None:
                loader = write(loader, "")
            else:
                sources = [write(source, f".sources.{number}") for number, source in enumerate(loader.sources)]
                loader = replace(loader, sources=sources)
            loader = replace(loader, type="MindDataset")
            recipe = replace(recipe, **{section: replace(dataset, data_loader=loader)})
    return recipe


def _written(recipe: Recipe, config: Any, tokenizer: Any, section: str, place: Place, where: str) -> Place:
    """A loader or a source of a mixture, its instructions written as a MindRecord."""
    loader, key = getattr(recipe, section).data_loader, f"{section}.data_loader{where}.dataset_dir"
    source = place.dataset_files or place.dataset_dir
    if not source:
        raise InputError(key, "not given", "a file or a folder of instructions", "add it to the recipe")
    if tokenizer is None:
        expected = "the tokenizer, which instructions are encoded with"
        raise InputError("processor.tokenizer.vocab_file", "not given", expected, "add it to the recipe")
    _check_lengths(recipe, config)
    files = instruction_files(source, key)
    name = f"{section}{where.replace('.', '_')}" + (f"_rank_{rank()}" if rank() else "")
    path = Path(recipe.output_dir) / "data" / f"{name}.mindrecord"
    report = write_records(
        files,
        place.dataset_type or loader.dataset_type,
        recipe.processor.template,
        path,
        tokenizer,
        config.seq_length,
        max_errors=loader.max_errors,
    )
    logger.info("%s%s: %d files, %s", section, where, len(files), report.summary())
    return replace(place, dataset_dir=str(path), dataset_files=None)


def _check_lengths(recipe: Recipe, config: Any) -> None:
    """A prompt of S - 1 tokens and an answer of T - 2 need S + T with the three tokens around them."""
    source, target = recipe.max_source_seq_len, recipe.max_target_seq_len
    if source and target and source + target > config.seq_length + 1:
        got, expected = f"{source} beside max_target_seq_len {target}", f"at most {config.seq_length + 1} together"
        raise InputError("max_source_seq_len", got, expected, "lower one of them or raise seq_length")
