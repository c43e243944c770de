"""The decode step stays inside its buffers, and its results do not depend on the number of threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mindformers.kernels import build

DRIVER = Path(__file__).parent / "decode_sanitized.cpp"
FLAGS = ("-O1", "-g", "-std=c++17", "-march=native", "-fopenmp", "-Wno-psabi")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HASH_OF_RESULTS = """
import hashlib
from tests.kernels.test_decode import ROUTED, make_inputs, net_of, run
digest = hashlib.sha256()
for variant in ROUTED:
    net = net_of(variant)
    logits, caches = run(net, *make_inputs(net, 9))
    for value in (logits, *caches):
        digest.update(value.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler on this machine")
def test_steps_under_the_sanitizers(tmp_path: Path) -> None:
    program = tmp_path / "sanitized"
    names = ("step", "worker", "rows", "attention", "greedy")
    sources = [str(build._SOURCES / f"decode_{name}.cpp") for name in names]
    command = ["g++", *FLAGS, *SANITIZERS, f"-I{build._SOURCES}", str(DRIVER), *sources, "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True)
    if "cannot find -lasan" in built.stderr or "cannot find -lubsan" in built.stderr:
        pytest.skip("the sanitizers are not installed")
    assert built.returncode == 0, built.stderr
    # OpenMP keeps its threads until the end, which is no leak of ours.
    for threads in ("1", "3"):
        settings = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "OMP_NUM_THREADS": threads}
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
