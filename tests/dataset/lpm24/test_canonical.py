from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24 import canonical
from mindformers.dataset.lpm24.rows import Row


def test_spellings_of_a_molecule_meet_and_stereoisomers_do_not() -> None:
    ethanol, same, left, right = canonical.canonical_smiles(["OCC", "C(O)C", "C[C@H](N)O", "C[C@@H](N)O"])
    assert ethanol == same == "CCO"
    assert left != right


def test_what_is_no_molecule_is_a_bad_row(capfd) -> None:
    rows = [Row("f", 1, "OCC"), Row("f", 2, "C(C"), Row("f", 3, "C")]
    assert list(canonical.canonical_rows(rows, workers=1)) == [
        (rows[0], "CCO"),
        BadRow("f", 2, "RDKit cannot read the molecule C(C"),
        (rows[2], "C"),
    ]
    assert capfd.readouterr().err == ""


def test_many_processes_give_what_one_gives_in_order(monkeypatch) -> None:
    monkeypatch.setattr(canonical, "_BATCH", 3)
    rows = [Row("f", n, "O" + "C" * n if n % 7 else "C(") for n in range(1, 41)]
    assert list(canonical.canonical_rows(rows, workers=2)) == list(canonical.canonical_rows(rows, workers=1))


def test_rows_are_not_read_far_ahead(monkeypatch) -> None:
    monkeypatch.setattr(canonical, "_BATCH", 2)
    read = []
    rows = (read.append(n) or Row("f", n, "C") for n in range(1000))
    next(canonical.canonical_rows(rows, workers=1))
    assert len(read) <= 6
