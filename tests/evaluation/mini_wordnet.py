"""A WordNet of a dozen meanings in the format of wndb(5WN), so that METEOR is tested without the real one."""

from pathlib import Path

SYNSETS = {
    "noun": [
        ["car", "auto", "motor_car"],
        ["molecule", "mote"],
        ["mouse", "rodent"],
        ["Paris", "capital"],
        ["acid", "sour"],
    ],
    "verb": [["make", "create", "build"], ["carry", "bear"], ["acid", "etch"]],
    "adj": [["afraid(p)", "scared"], ["small", "little", "wee"]],
    "adv": [["quickly", "fast"]],
}
IRREGULAR = {"noun": "mice mouse\n", "verb": "made make\nborne bear\n", "adj": "", "adv": ""}
_HEADER = "  1 This stands in for WordNet 3.0 Copyright 2006 in tests.  \n"
_TYPES = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}


def write_mini_wordnet(folder: Path) -> Path:
    """Write the database files into a folder, which is returned."""
    folder.mkdir(parents=True)
    for part, synsets in SYNSETS.items():
        data, index = _HEADER, {}
        for names in synsets:
            for name in names:
                index.setdefault(name.split("(")[0].lower(), []).append(len(data))
            data += _synset_line(len(data), part, names)
        (folder / f"data.{part}").write_text(data)
        (folder / f"index.{part}").write_text(
            _HEADER + "".join(_index_line(part, *item) for item in sorted(index.items()))
        )
        (folder / f"{part}.exc").write_text(IRREGULAR[part])
    (folder / "index.sense").write_text("car%1:06:00:: 00000063 1 0\n")
    (folder / "cntlist.rev").write_text("")
    return folder


def _synset_line(offset: int, part: str, names: list[str]) -> str:
    words = " ".join(f"{name} 0" for name in names)
    frames = " 00" if part == "verb" else ""
    return f"{offset:08d} 03 {_TYPES[part]} {len(names):02x} {words} 000{frames} | a gloss  \n"


def _index_line(part: str, lemma: str, offsets: list[int]) -> str:
    places = " ".join(f"{offset:08d}" for offset in offsets)
    return f"{lemma} {_TYPES[part]} {len(offsets)} 2 @ ~ {len(offsets)} 0 {places}  \n"
