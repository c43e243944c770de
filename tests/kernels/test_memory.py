"""No operator leaves its buffers, and no result depends on the number of threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mindformers.kernels import build

DRIVERS = Path(__file__).parent
# Lines without variables are enough to find a fault, and compile in two thirds of the time.
FLAGS = ("-O1", "-g1", "-std=c++17", "-march=native", "-fopenmp", "-Wno-psabi")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HASHES_OF_RESULTS = """
import hashlib
from tests.kernels import layers, test_decode, test_training
digest = hashlib.sha256()
for tokens in (1, 5, 400):
    case = layers.make_case(tokens, 272, 44, 16)
    for routing in layers.ROUTINGS:
        for value in layers.run(layers.native(16, routing), case, routing).values():
            digest.update(value.tobytes())
print("layers", digest.hexdigest())
for value in test_training.all_results():
    digest.update(value.tobytes())
print("training", digest.hexdigest())
for variant in test_decode.ROUTED:
    net = test_decode.net_of(variant)
    logits, caches = test_decode.run(net, *test_decode.make_inputs(net, 9))
    for value in (logits, *caches):
        digest.update(value.tobytes())
print("decode steps", digest.hexdigest())
"""


def sources(of_decoding: bool) -> list[str]:
    """Those that a driver needs: the decode step's with the product that it shares, or all others."""
    found = sorted(build._SOURCES.glob("*.cpp"))
    shared = {"few_columns"} if of_decoding else set()
    return [str(path) for path in found if path.stem.startswith("decode_") == of_decoding or path.stem in shared]


@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler on this machine")
@pytest.mark.parametrize(("driver", "of_decoding"), [("sanitized.cpp", False), ("decode_sanitized.cpp", True)])
def test_all_is_well_under_the_sanitizers(tmp_path: Path, driver: str, of_decoding: bool) -> None:
    program = tmp_path / "sanitized"
    files = [str(DRIVERS / driver), *sources(of_decoding)]
    command = ["g++", *FLAGS, *SANITIZERS, f"-I{build._SOURCES}", *files, "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True)
    if "cannot find -lasan" in built.stderr or "cannot find -lubsan" in built.stderr:
        pytest.skip("the sanitizers are not installed")
    assert built.returncode == 0, built.stderr
    for threads, tiles in (("1", "1"), ("3", "1"), ("3", "0")):
        # OpenMP keeps its threads until the end, which is no leak of ours.
        settings = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "OMP_NUM_THREADS": threads, "SCIMIND_TILES": tiles}
        done = subprocess.run([str(program)], capture_output=True, text=True, env=settings)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("library")
def test_any_number_of_threads_gives_the_same_bits() -> None:
    root = Path(__file__).resolve().parents[2]
    hashes = set()
    for threads in ("1", "2", "5"):
        settings = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(root)}
        command = [sys.executable, "-c", HASHES_OF_RESULTS]
        done = subprocess.run(command, capture_output=True, text=True, env=settings, cwd=root, check=True)
        hashes.add(done.stdout)
    assert len(hashes) == 1, hashes
    assert hashes.pop().count("\n") == 3
