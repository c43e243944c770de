from collections import Counter

from mindformers.dataset.lpm24.rows import Row
from mindformers.dataset.lpm24.selection import choose_rows, is_held_out
from mindformers.dataset.stable import stable_number

ROWS = [Row("f", n, "C" * n, properties=("rare",) if n % 10 == 0 else ("common",)) for n in range(1, 101)]


def test_stable_number_never_changes() -> None:
    assert stable_number("split", 0, "CCO") == 7615869643093723528
    assert len({stable_number(purpose, seed, "CCO") for purpose in ("split", "choice") for seed in (0, 1)}) == 4


def test_holdout_is_the_expected_share_and_grows_with_it() -> None:
    molecules = ["C" * length for length in range(1, 2001)]
    tenth = {smiles for smiles in molecules if is_held_out(smiles, 0.1, seed=0)}
    fifth = {smiles for smiles in molecules if is_held_out(smiles, 0.2, seed=0)}
    assert 160 <= len(tenth) <= 240
    assert tenth < fifth
    assert not any(is_held_out(smiles, 0.0, seed=0) for smiles in molecules)


def test_without_limits_rows_pass_through() -> None:
    assert list(choose_rows(iter(ROWS), None, None, 0)) == ROWS


def test_limit_a_set() -> None:
    chosen = list(choose_rows(ROWS, None, 5, 0))
    assert Counter(row.properties for row in chosen) == {("rare",): 5, ("common",): 5}
    assert [row.line for row in chosen] == sorted(row.line for row in chosen)


def test_limit_in_all_takes_the_lowest_hashes() -> None:
    by_hash = sorted(ROWS, key=lambda row: stable_number("choice", 7, row.molecule))
    assert set(choose_rows(ROWS, 12, None, 7)) == set(by_hash[:12])


def test_both_limits_equal_taking_by_hash_until_full() -> None:
    expected, counts = set(), Counter()
    for row in sorted(ROWS, key=lambda row: stable_number("choice", 0, row.molecule)):
        if counts[row.properties] < 20 and len(expected) < 25:
            counts[row.properties] += 1
            expected.add(row)
    assert set(choose_rows(ROWS, 25, 20, 0)) == expected


def test_choice_does_not_depend_on_the_order_of_rows() -> None:
    assert set(choose_rows(ROWS, 12, 9, 0)) == set(choose_rows(ROWS[::-1], 12, 9, 0))


def test_rows_without_properties_count_under_their_caption() -> None:
    rows = [Row("f", n, "C" * n, caption="same" if n < 9 else "other") for n in range(1, 11)]
    assert Counter(row.caption for row in choose_rows(rows, None, 1, 0)) == {"same": 1, "other": 1}
