"""Matchings against all matchings."""

from __future__ import annotations

import random

import pytest

from mindformers.generation.constrain.matching import Matching


def can_be_paired(atoms: frozenset[int], edges: set[frozenset[int]], may_wait: frozenset[int]) -> bool:
    if not atoms - may_wait:
        return True
    first = min(atoms - may_wait)
    partners = [atom for atom in atoms if frozenset({first, atom}) in edges]
    return any(can_be_paired(atoms - {first, partner}, edges, may_wait) for partner in partners)


@pytest.mark.parametrize("seed", range(60))
def test_atoms_are_paired_where_it_is_possible(seed: int) -> None:
    draw = random.Random(seed)
    count = draw.randint(3, 10)
    may_wait = frozenset(atom for atom in range(count) if draw.random() < 0.2)
    matching, edges = Matching(), set()
    for atom in range(count):
        matching.add(True)
        for other in range(atom):
            if draw.random() < 2 / count:
                matching.link(other, atom)
                edges.add(frozenset({other, atom}))
    is_paired = matching.copy().settle(may_wait.__contains__)
    assert is_paired == can_be_paired(frozenset(range(count)), edges, may_wait)
    if is_paired:
        matching.settle(may_wait.__contains__)
        for atom, mate in enumerate(matching.mate):
            assert (atom in matching.exposed) == (mate == -1)
            assert mate == -1 or (matching.mate[mate] == atom and frozenset({atom, mate}) in edges)
        assert matching.exposed <= may_wait


def test_an_atom_that_lacks_nothing_frees_its_partner() -> None:
    matching = Matching()
    for _ in range(2):
        matching.add(True)
    matching.link(0, 1)
    assert matching.mate == [1, 0]
    matching.set_lacking(0, False)
    assert matching.exposed == {1}
    assert not matching.settle(lambda atom: False)


def test_an_edge_that_goes_frees_both() -> None:
    matching = Matching()
    for _ in range(2):
        matching.add(True)
    matching.link(0, 1)
    matching.unlink(0, 1)
    assert matching.exposed == {0, 1} and matching.edges == [(), ()]
