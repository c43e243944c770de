"""The house's order: who may import whom, and what no file may hold. Read from the source, nothing is run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mindformers

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mindformers"
FLOORS = (
    {"tools"},
    {"config", "modalities", "experts"},
    {"parallel", "core", "kernels"},
    {"dataset", "modules"},
    {"models"},
    {"generation", "pet"},
    {"trainer", "evaluation"},
    {"cli", "web", "launch"},
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
WITHOUT_MINDSPORE = ("tools", "config", "modalities", "experts", "evaluation/metrics")
MOST_LINES, MOST_LINES_OF_A_SCRIPT = 450, 80
# Where Debian puts WordNet: a place of the system, not of somebody's machine.
ALLOWED_PATHS = {("mindformers/evaluation/metrics/wordnet.py", "/usr/share/wordnet")}
# The printed table is this command's output.
ALLOWED_PRINTS = {"mindformers/evaluation/__main__.py"}
SCRIPTS = ("run_mindformer.py", "llama_preprocess.py")
Import = tuple[str, str]


def sources() -> list[Path]:
    """Every Python file of the product."""
    return [ROOT / name for name in SCRIPTS] + sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_modules(tree: ast.Module, package: str) -> Iterator[str]:
    """Dotted names of everything a file imports, wherever in it; lazy names of the package as the module they mean."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, node.module] if node.module else above)
            if base == "mindformers":
                yield from (mindformers._HOMES.get(alias.name, f"mindformers.{alias.name}") for alias in node.names)
            else:
                yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


@cache
def imports_of(path: Path) -> frozenset[str]:
    return frozenset(imported_modules(tree_of(path), ".".join(path.relative_to(ROOT).parent.parts)))


def room_of(module: str) -> str | None:
    """`mindformers.core.loss` to `core`; None for other packages and the bare package."""
    parts = module.split(".")
    return parts[1] if parts[0] == "mindformers" and len(parts) > 1 else None


def room_of_file(path: Path) -> str | None:
    return room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_command(path: Path) -> bool:
    """Whether a file is run by `python -m` and imported by none: then it stands on top of its own."""
    if path.name == "__init__.py" or 'if __name__ == "__main__":' not in path.read_text(encoding="utf-8"):
        return False
    return not any(module_of(path) in imports_of(other) for other in sources() if other != path)


def room_imports(without_commands: bool) -> dict[Import, list[str]]:
    """(importing room, imported room) to the files that do it."""
    found: dict[Import, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        here = room_of_file(path)
        if here == "__init__" or (without_commands and is_command(path)):
            continue
        for there in {room_of(module) for module in imports_of(path)} - {None, here}:
            found.setdefault((here, there), []).append(relative(path))
    return found


def test_the_reader_of_imports_sees_them_wherever_they_stand() -> None:
    code = "import a.b\ndef f():\n    from mindformers import LlamaTokenizer, tools\n    from ..core import loss\n"
    found = set(imported_modules(ast.parse(code), "mindformers.models.llama"))
    wanted = {"a.b", "mindformers.models.llama.llama_tokenizer", "mindformers.tools"}
    assert found == wanted | {"mindformers.models.core", "mindformers.models.core.loss"}


def test_every_room_has_a_floor() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert rooms <= set(FLOOR_OF), f"not on the plan: {rooms - set(FLOOR_OF)}"


def test_rooms_import_from_their_own_floor_or_below() -> None:
    wrong = {
        f"{here} -> {there}": files
        for (here, there), files in room_imports(without_commands=True).items()
        if FLOOR_OF[there] > FLOOR_OF[here]
    }
    assert wrong == {}


def test_commands_import_nothing_that_stands_above_all_rooms() -> None:
    wrong = [
        f"{relative(path)} -> {module}"
        for path in PACKAGE.rglob("*.py")
        if is_command(path)
        for module in imports_of(path)
        if room_of(module) in ("cli", "web")
    ]
    assert wrong == []


def test_rooms_do_not_import_each_other_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for here, there in room_imports(without_commands=True):
        edges.setdefault(here, set()).add(there)
    assert circle_in(edges) == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    names = {module_of(path): path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    edges = {name: (imports_of(path) & names.keys()) - {name} for name, path in names.items()}
    assert circle_in(edges) == []


def circle_in(edges: dict[str, set[str]]) -> list[str]:
    """The names along one circle, empty where there is none."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(edges.get(name, ())):
            if found := walk(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(edges) if (found := walk(name, []))), [])


def test_a_circle_would_be_found() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}}) == []


@pytest.mark.parametrize("room", WITHOUT_MINDSPORE)
def test_the_data_side_does_not_load_mindspore(room: str) -> None:
    files = list((PACKAGE / room).rglob("*.py"))
    assert files
    wrong = [relative(path) for path in files if any(name.split(".")[0] == "mindspore" for name in imports_of(path))]
    assert wrong == []


def test_nothing_is_printed_beside_a_commands_output() -> None:
    wrong = [
        f"{relative(path)}:{node.lineno}"
        for path in sources()
        if relative(path) not in ALLOWED_PRINTS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert wrong == []


def test_no_path_of_one_machine() -> None:
    pattern = re.compile(r"^(?:/(?:usr|home|root|tmp|opt|data|mnt|work|etc|var|cache)\b|[A-Za-z]:\\|~/)")
    found = {
        (relative(path), node.value)
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.match(node.value)
    }
    assert found == ALLOWED_PATHS


@pytest.mark.parametrize("folder", ["mindformers", "tests", "benchmarks", "scripts"])
def test_no_file_is_long(folder: str) -> None:
    lengths = {relative(path): len(path.read_text("utf-8").splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {name: count for name, count in lengths.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_only_parse_arguments(script: str) -> None:
    assert len((ROOT / script).read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_SCRIPT


def test_nothing_depends_on_what_stands_beside_the_repository() -> None:
    pattern = re.compile(r"\.\./shared|/work/|parent / \"shared\"")
    kinds = ("*.py", "*.yaml", "*.sh", "*.md", "*.toml", "*.txt")
    places = [ROOT / name for name in ("mindformers", "configs", "scripts", "LPM-24-data", "benchmarks")]
    files = [path for place in places for kind in kinds for path in place.rglob(kind)]
    files += [path for kind in kinds for path in ROOT.glob(kind)]
    assert len(files) > 100
    assert [relative(path) for path in files if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_importing_the_package_loads_no_library() -> None:
    code = "import sys; before = set(sys.modules); import mindformers; print(*sorted(set(sys.modules) - before))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in found.stdout.split()}
    assert "mindformers" in loaded
    assert loaded - {"mindformers"} <= sys.stdlib_module_names


@pytest.mark.parametrize("name", sorted(mindformers._HOMES))
def test_public_names_are_where_they_are_said_to_be(name: str) -> None:
    assert getattr(mindformers, name).__name__ == name
