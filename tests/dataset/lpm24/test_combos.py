from pathlib import Path

import pytest

from mindformers.dataset.lpm24.combos import WithheldCombos, read_withheld_combos
from mindformers.tools.errors import InputError

PAIRS = [("anti viral", "nutrient"), ("anti viral", "drug"), ("a", "b", "c")]


def test_a_set_has_the_combinations_of_which_it_has_all() -> None:
    combos = WithheldCombos(PAIRS)
    assert len(combos) == 3
    assert combos.of(("nutrient", "x", "anti viral", "drug")) == (PAIRS[1], PAIRS[0])
    assert combos.of(("nutrient", "drug")) == combos.of(("a", "b")) == combos.of(()) == ()
    assert combos.of(("c", "b", "a")) == (PAIRS[2],)


def test_the_published_form(tmp_path: Path) -> None:
    path = tmp_path / "train_withheld_combos.txt"
    path.write_text("('nutrient', 'vanilla')\t4\n\n(\"alzheimer's treatment\", 'x')\n('nutrient', 'vanilla')\t1\n")
    combos = read_withheld_combos(path)
    assert len(combos) == 2
    assert combos.of(("x", "alzheimer's treatment")) == (("alzheimer's treatment", "x"),)


@pytest.mark.parametrize("line", ["'a', 'b'", "('a',)", "['a', 'b']", "('a', 1)", "open('x')", "('a', 'b'"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "combos.txt"
    path.write_text(f"('a', 'b')\t1\n{line}\t2\n")
    if line == "'a', 'b'":
        assert len(read_withheld_combos(path)) == 1
        return
    with pytest.raises(InputError, match=r"combos.txt line 2: .*expected \('property', 'property'\)"):
        read_withheld_combos(path)
