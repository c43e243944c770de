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


def test_connectivity_is_shared_by_stereoisomers_isotopes_and_tautomers(capfd) -> None:
    found = canonical.connectivities(["C[C@H](N)O", "C[C@@H](N)O", "[13CH3]C(N)O", "CCO", "Oc1ccccn1", "O=c1cccc[nH]1"])
    assert found[0] == found[1] == found[2] != found[3]
    assert found[4] == found[5]
    assert [len(key) for key in found] == [14] * 6
    assert canonical.connectivities(["C(C", "*C"])[0] == ""
    assert capfd.readouterr().err == ""


def test_rows_by_connectivity() -> None:
    rows = [Row("f", 1, "C[C@H](N)O"), Row("f", 2, "C(C")]
    (row, key), bad = canonical.canonical_rows(rows, 1, canonical.connectivities)
    assert row is rows[0] and key == canonical.connectivities(["CC(N)O"])[0]
    assert bad.line == 2
