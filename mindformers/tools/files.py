"""Files are written beside their final name and renamed: a reader sees the old file or the whole new one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mindformers.tools.errors import InputError


@contextmanager
def replaced_file(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; on success it is synced and renamed to `path`, else removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        _sync(beside)
        os.replace(beside, path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: str | Path) -> Iterator[Path]:
    """Yield a fresh folder beside `path`; on success each file in it is moved into `path`, else all is removed."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    beside = path / f".{os.getpid()}.part"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        for file in sorted(beside.iterdir()):
            _sync(file)
            os.replace(file, path / file.name)
        _sync(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replaced_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def existing_file(path: str | Path, what: str) -> Path:
    """`path` if it is a readable, non-empty file. Raises InputError, naming `what`, otherwise."""
    path = Path(path)
    if not path.is_file():
        got = "is a folder" if path.is_dir() else "not found"
        raise InputError(what, f"'{path}' {got}", "an existing file", "check the path")
    if path.stat().st_size == 0:
        raise InputError(what, f"'{path}' is empty", "a file with content", "check how the file was made")
    return path


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
