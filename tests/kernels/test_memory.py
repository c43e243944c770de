"""No operator leaves its buffers, and its results do not depend on the number of threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mindformers.kernels import build

DRIVER = Path(__file__).parent / "sanitized.cpp"
FLAGS = ("-O1", "-g", "-std=c++17", "-march=native", "-fopenmp", "-Wno-psabi")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HASH_OF_RESULTS = """
import hashlib
from tests.kernels.layers import ROUTINGS, make_case, native, run
digest = hashlib.sha256()
for tokens in (1, 5, 400):
    case = make_case(tokens, 272, 44, 16)
    for routing in ROUTINGS:
        for value in run(native(16, routing), case, routing).values():
            digest.update(value.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler on this machine")
def test_operators_and_products_under_the_sanitizers(tmp_path: Path) -> None:
    program = tmp_path / "sanitized"
    sources = sorted(str(path) for path in build._SOURCES.glob("*.cpp"))
    command = ["g++", *FLAGS, *SANITIZERS, f"-I{build._SOURCES}", str(DRIVER), *sources, "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True)
    if "cannot find -lasan" in built.stderr or "cannot find -lubsan" in built.stderr:
        pytest.skip("the sanitizers are not installed")
    assert built.returncode == 0, built.stderr
    # OpenMP keeps its threads until the end, which is no leak of ours.
    settings = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([str(program)], capture_output=True, text=True, env=settings)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("library")
def test_any_number_of_threads_gives_the_same_bits() -> None:
    root = Path(__file__).resolve().parents[2]
    hashes = set()
    for threads in ("1", "2", "5"):
        settings = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(root)}
        command = [sys.executable, "-c", HASH_OF_RESULTS]
        done = subprocess.run(command, capture_output=True, text=True, env=settings, cwd=root, check=True)
        hashes.add(done.stdout.strip())
    assert len(hashes) == 1
