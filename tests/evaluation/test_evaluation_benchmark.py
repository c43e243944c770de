"""The benchmark's arithmetic, and both sides on a few captions."""

import pytest

from benchmarks import evaluation as benchmark
from mindformers.evaluation.metrics.wordnet import find_wordnet
from mindformers.evaluation.metrics.wordnet_for_nltk import DEBIAN_FOLDER
from tests.evaluation.paths import CAPTIONS


def test_ratios_are_medians_over_the_rounds():
    found = {benchmark.PEER: [(8.0, 0.5), (10.0, 0.5)], benchmark.OURS: [(2.0, 0.5), (1.0, 0.5)]}
    peer, ours = benchmark.timings_of("x", found)
    assert (peer.ratio, ours.ratio, ours.goal, ours.is_reached) == (1.0, 7.0, 10.0, False)
    assert ours.milliseconds == 1500 and ours.fastest == 1000


def test_sides_that_disagree_end_the_run():
    with pytest.raises(SystemExit, match="differs"):
        benchmark.timings_of("x", {benchmark.PEER: [(1.0, 0.5)], benchmark.OURS: [(1.0, 0.51)]})


def test_the_sample_is_repeated_as_often_as_it_takes():
    pairs = benchmark.captions(None, 700)
    assert len(pairs) == 700 and pairs.outputs[0] == pairs.truths[1]
    assert len(benchmark.captions(str(CAPTIONS), 5)) == 5


@pytest.mark.skipif(find_wordnet() is None or not DEBIAN_FOLDER.is_dir(), reason="WordNet is not installed")
def test_both_sides_find_the_same():
    values = [benchmark.run_side(side, str(CAPTIONS), None, 6)[1] for side in benchmark.SIDES]
    assert values[0] == pytest.approx(values[1], abs=1e-12) and 0 < values[0] < 1
