"""Builds the C++ operators on first use, into the user's cache folder; without a compiler all runs without them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from mindformers.tools.files import replaced_file
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
SWITCH = "SCIMIND_KERNELS"
_SOURCES = Path(__file__).parent / "sources"
# No -Wpsabi: vectors of 64 bytes are passed between this library's own functions only.
_FLAGS = ("-O3", "-march=native", "-fopenmp", "-std=c++17", "-fPIC", "-shared", "-Wno-psabi")
_LONGEST_BUILD_SECONDS = 300


@cache
def kernel_library() -> Path | None:
    """The library of operators, loaded; None where it is switched off or, with a warning, cannot be had.

    `SCIMIND_KERNELS=0` switches it off. The environment is read once per process.
    """
    if os.environ.get(SWITCH, "1") == "0":
        return None
    try:
        library = build_library(cache_folder())
        _hand_over_sgemm(ctypes.CDLL(str(library)))
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("no native kernels, plain operators are used: %s", _reason(error))
        return None
    return library


def has_tiles() -> bool:
    """Whether the operators multiply by the processor's matrix tiles (AMX); `SCIMIND_TILES=0` keeps them from it."""
    library = kernel_library()
    return library is not None and bool(ctypes.CDLL(str(library)).scimind_has_tiles())


def cache_folder() -> Path:
    """Where libraries are kept: `$XDG_CACHE_HOME/scimind`, by default `~/.cache/scimind`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "scimind"


def build_library(folder: Path) -> Path:
    """The library in `folder`, compiled unless it is there.

    Its name holds a hash of the sources, the compiler and the processor. It is written beside its name and renamed, so
    that processes that build at once do not disturb each other.

    Raises:
        OSError: there is no compiler, or the folder cannot be written.
        subprocess.SubprocessError: the compiler fails or hangs.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        raise FileNotFoundError("g++ is not installed")
    library = folder / f"kernels-{_key(compiler)}.so"
    if not library.is_file():
        logger.info("building the native kernels, once, in %s", folder)
        with replaced_file(library) as beside:
            sources = sorted(str(path) for path in _SOURCES.glob("*.cpp"))
            _run([compiler, *_FLAGS, *sources, "-o", str(beside)])
    return library


def _key(compiler: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(_SOURCES.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(f"{_run([compiler, '--version'])}\0{_FLAGS}\0{_processor()}".encode())
    return digest.hexdigest()[:20]


def _processor() -> str:
    """What `-march=native` depends on: a home folder may be shared by different machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    return platform.machine() + "".join(sorted(set(told)))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_LONGEST_BUILD_SECONDS)
    return done.stdout


def _hand_over_sgemm(library: ctypes.CDLL) -> None:
    """Let the library use the matrix product of MindSpore's own oneDNN, if there is one: it is the fastest at hand."""
    spec = find_spec("mindspore")
    found = sorted((Path(spec.origin).parent / "lib").glob("libdnnl.so*")) if spec and spec.origin else []
    if not found:
        return
    try:
        sgemm = ctypes.CDLL(str(found[0])).dnnl_sgemm
    except (OSError, AttributeError):
        logger.info("MindSpore's oneDNN has no dnnl_sgemm; the kernels use their own product")
        return
    library.scimind_use_sgemm(ctypes.cast(sgemm, ctypes.c_void_p))


def _reason(error: Exception) -> str:
    """One line."""
    lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
    return next((line for line in lines if "error" in line), lines[0] if lines else type(error).__name__)
