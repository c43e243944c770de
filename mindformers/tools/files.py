"""Files are written beside their final name and renamed: a reader sees the old file or the whole new one."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mindformers.tools.errors import InputError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PART_SUFFIX = ".part"


@contextmanager
def replaced_file(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; on success it is synced and renamed to `path`, else removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        with naming(path):
            yield beside
            sync(beside)
            os.replace(beside, path)
            sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Where there is no room left to write to `path`, the error tells the path, which the system does not."""
    try:
        yield
    except OSError as error:
        if is_no_room(error):
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def is_no_room(error: BaseException) -> bool:
    """Whether a write failed because the disk, the user's share of it or a file's limit is full."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def no_room_line(error: OSError) -> str:
    """What happened, and what to do now."""
    what = f"'{error.filename}'" if error.filename else "a file"
    return (
        f"{what} could not be written: {error.strerror}; what was there before is untouched; "
        "make room and run it again, a training with --resume_training True"
    )


@contextmanager
def replaced_folder(path: str | Path) -> Iterator[Path]:
    """Yield a fresh folder beside `path`; on success each file in it is moved into `path`, else all is removed."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    beside = path / f".{os.getpid()}{PART_SUFFIX}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        with naming(path):
            yield beside
            for file in sorted(beside.iterdir()):
                sync(file)
                os.replace(file, path / file.name)
            sync(path)
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


def sync(path: Path) -> None:
    """Have the content of a file, or the names in a folder, on the disk before going on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
