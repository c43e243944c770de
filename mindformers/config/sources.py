"""The checks of `data_loader.sources`."""

from __future__ import annotations

from mindformers.config.schema.dataset import DataLoaderConfig, SourceConfig
from mindformers.tools.errors import InputError


def check_sources(loader: DataLoaderConfig, where: str, may_mix: bool) -> None:
    """Refuse a mixture that cannot be read.

    Args:
        loader: the section.
        where: its dotted key.
        may_mix: whether this section may have one.

    Raises:
        InputError: there is one where there may not be, it is given beside other data, it is empty, its weights are
            no shares, or a source has no files, both kinds of them, or another's name.
    """
    if loader.sources is None:
        return
    where = f"{where}.sources"
    if not may_mix:
        expected = "dataset_dir or dataset_files: evaluation reads every record once"
        raise InputError(where, "given", expected, "remove it")
    if loader.dataset_dir or loader.dataset_files:
        raise InputError(where, "given beside dataset_dir or dataset_files", "one of them", "set the others to null")
    for number, source in enumerate(loader.sources):
        _check_source(source, f"{where}.{number}")
    _check_weights([source.weight for source in loader.sources], where)
    _check_names([source.name for source in loader.sources if source.name], where)


def _check_source(source: SourceConfig, where: str) -> None:
    if source.weight < 0:
        raise InputError(f"{where}.weight", f"got {source.weight}", "a number, 0 or more", "correct the value")
    if bool(source.dataset_dir) == bool(source.dataset_files):
        got = "given beside dataset_files" if source.dataset_dir else "not given"
        expected = "one of dataset_dir and dataset_files"
        raise InputError(f"{where}.dataset_dir", got, expected, "name the MindRecord files of the source")


def _check_weights(weights: list[float], where: str) -> None:
    if not sum(weights) > 0:
        got = "the weights add up to 0" if weights else "is empty"
        raise InputError(where, got, "one or more sources with a weight above 0", "correct the recipe")


def _check_names(names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(where, f"the name '{name}' is there twice", "a name of its own for each", "rename one")
