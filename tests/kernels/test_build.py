"""The library is built once per machine, by any number of processes, and nobody needs a compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mindformers.kernels import build

ASK = "from mindformers.kernels.build import kernel_library as ask; print(ask()); print(ask())"
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler on this machine")


def start(code: str, cache: Path, **environment: str) -> subprocess.Popen[str]:
    """A fresh process with a cache folder of its own."""
    settings = {**os.environ, "XDG_CACHE_HOME": str(cache), **environment}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], env=settings, stdout=pipe, stderr=pipe, text=True)


def test_without_a_compiler_one_warning_and_no_library(tmp_path: Path) -> None:
    out, err = start(ASK, tmp_path, PATH=str(tmp_path)).communicate()
    assert out.split() == ["None", "None"]
    assert err.splitlines() == ["WARNING no native kernels, plain operators are used: g++ is not installed"]


def test_a_compiler_that_fails_is_reported_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "g++"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "x.cpp:1: error: broken" >&2\nexit 1\n')
    broken.chmod(0o755)
    out, err = start(ASK, tmp_path / "cache", PATH=f"{tmp_path}:{os.environ['PATH']}").communicate()
    assert out.split() == ["None", "None"]
    warnings = [line for line in err.splitlines() if line.startswith("WARNING")]
    assert warnings == ["WARNING no native kernels, plain operators are used: x.cpp:1: error: broken"]
    assert "Traceback" not in err
    assert list((tmp_path / "cache" / "scimind").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder is needed")
    out, err = start(ASK, blocked).communicate()
    assert out.split() == ["None", "None"]
    assert "WARNING no native kernels" in err


def test_the_switch_turns_the_kernels_off_silently(tmp_path: Path) -> None:
    out, err = start(ASK, tmp_path, SCIMIND_KERNELS="0").communicate()
    assert (out.split(), err) == (["None", "None"], "")
    assert list(tmp_path.iterdir()) == []


@needs_compiler
def test_two_processes_that_build_at_once_leave_one_whole_library(tmp_path: Path) -> None:
    both = [start(ASK, tmp_path) for _ in range(2)]
    answers = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    (library,) = (tmp_path / "scimind").iterdir()
    for out, err in answers:
        assert out.split() == [str(library)] * 2
        assert "WARNING" not in err


@needs_compiler
def test_a_built_library_is_used_again_until_a_source_changes(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(build._SOURCES, sources)
    monkeypatch.setattr(build, "_SOURCES", sources)
    compiler = shutil.which("g++")
    before = build._key(compiler)
    assert library.name == f"kernels-{before}.so"
    written = library.stat().st_mtime_ns
    assert build.build_library(library.parent) == library
    assert library.stat().st_mtime_ns == written
    (sources / "vec.h").write_text((sources / "vec.h").read_text() + "\n")
    assert build._key(compiler) != before


def test_the_cache_stands_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build.cache_folder() == tmp_path / "scimind"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert build.cache_folder() == tmp_path / "home" / ".cache" / "scimind"
