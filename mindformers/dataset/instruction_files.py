"""The files of an `InstructionDataset`, and the records they are made into as a run begins."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

from mindformers.dataset.preprocess import PreprocessSettings, preprocess
from mindformers.dataset.report import Report
from mindformers.tools.errors import InputError

_SUFFIXES = (".json", ".jsonl")


def instruction_files(source: str | Path | Sequence[str | Path], what: str) -> list[Path]:
    """The files of a path, in order; none is ever passed over.

    Args:
        source: a file, a folder whose `.json` and `.jsonl` files are meant, a pattern, or a list of these.
        what: the recipe's key, for messages.

    Raises:
        InputError: a path that does not exist or cannot be read, or a folder without such a file.
    """
    if not isinstance(source, str | Path):
        return [file for one in source for file in instruction_files(one, what)]
    path = Path(source)
    try:
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
            if not files:
                raise InputError(what, f"no .json or .jsonl file in folder '{path}'", "instructions", "check the path")
        else:
            files = [path] if path.exists() else [Path(name) for name in sorted(glob(str(path), recursive=True))]
        for file in files:
            with file.open("rb"):
                pass
    except OSError as error:
        got = f"'{error.filename or path}' cannot be read ({error.strerror})"
        raise InputError(what, got, "files that can be read", "check the permissions") from error
    if not files:
        raise InputError(what, f"'{path}' is not found", "a file, a folder or a pattern", "check the path")
    return files


def write_records(
    files: Sequence[Path], dataset_type: str, template: str, output: Path, tokenizer: Any, seq_length: int, **more: Any
) -> Report:
    """Make instructions into a MindRecord.

    Args:
        files: as from `instruction_files`.
        dataset_type: their format.
        template: how prompts are written; of `context_target` the context is the prompt as it stands.
        output: the MindRecord.
        tokenizer: text to ids.
        seq_length: tokens that the model sees.
        more: other settings of `PreprocessSettings`.

    Raises:
        InputError: as `preprocess`.
    """
    settings = PreprocessSettings(
        dataset_type,
        ", ".join(map(str, files)),
        output,
        seq_length,
        template=None if dataset_type == "context_target" else template,
        workers=1,
        **more,
    )
    return preprocess(settings, tokenizer, files)
