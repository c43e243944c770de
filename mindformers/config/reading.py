"""YAML, read safely and strictly: no objects, no key twice, `1e-5` is a number, a date is text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file

_FLOAT, _TIMESTAMP, _MERGE = "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge"
_SCIENTIFIC = re.compile(r"^[-+]?(?:\d+(?:\.\d*)?|\.\d+)[eE][-+]?\d+$")
_NUMBER_STARTS = "-+.0123456789"


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """YAML 1.1's rules of what a bare word means, less dates and with `1e-5`, which it would leave as text."""
    inherited = yaml.SafeLoader.yaml_implicit_resolvers.items()
    rules = {start: [rule for rule in found if rule[0] != _TIMESTAMP] for start, found in inherited}
    for start in _NUMBER_STARTS:
        rules[start] = [*rules.get(start, []), (_FLOAT, _SCIENTIFIC)]
    return rules


class RecipeLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the rules of this module."""

    yaml_implicit_resolvers = _resolvers()


class RecipeDumper(yaml.SafeDumper):
    """Writes what `RecipeLoader` reads back equal; a shared part is written out each time."""

    yaml_implicit_resolvers = RecipeLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        """Never write an anchor."""
        return True


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        InputError: no such file, broken YAML, a key given twice, or not a mapping; with line number where there is one.
    """
    path = existing_file(path, "recipe")
    try:
        content = _load(path.read_text(encoding="utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise InputError(
            str(path), f"byte {error.start} is not UTF-8", "a YAML text file", "save it as UTF-8"
        ) from error
    if not isinstance(content, dict):
        raise InputError(str(path), f"holds {_kind(content)}", "a mapping of keys", "start from a recipe in configs/")
    return content


def parse_value(text: str, where: str) -> Any:
    """A value of the command line as YAML would read it: `3`, `1e-5`, `True`, `null`, `[1, 2]`, `{a: 1}`, else text."""
    if text[:1] in ("[", "{", '"', "'"):
        return _load(text, where)
    if not text or text != text.strip():
        return text
    loader = RecipeLoader("")
    try:
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))
        return loader.construct_object(yaml.ScalarNode(tag, text)) if tag != _MERGE else text
    except (ValueError, yaml.YAMLError):
        return text
    finally:
        loader.dispose()


def _load(text: str, where: str) -> Any:
    loader = None
    try:
        loader = RecipeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, where, ())
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise _broken(error, where) from error
    except ValueError as error:
        raise InputError(where, f"cannot be read as YAML ({error})", "valid YAML", "quote the value") from error
    finally:
        if loader is not None:
            loader.dispose()


def _check(node: yaml.Node, where: str, parents: tuple[yaml.Node, ...]) -> None:
    """Refuse a key that is given twice and an anchor that contains itself."""
    if any(node is parent for parent in parents):
        raise InputError(f"{where} line {_line(node)}", "an anchor contains itself", "a finite structure", "remove it")
    inner = (*parents, node)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check(item, where, inner)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            _check_key(key, lines, where)
            _check(value, where, inner)


def _check_key(key: yaml.Node, lines: dict[str, int], where: str) -> None:
    if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
        return
    if key.value in lines:
        got = f"key '{key.value}' given twice, first on line {lines[key.value]}"
        raise InputError(f"{where} line {_line(key)}", got, "each key once", "remove one of the two")
    lines[key.value] = _line(key)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _broken(error: yaml.YAMLError, where: str) -> InputError:
    mark = getattr(error, "problem_mark", None)
    place = f"{where} line {mark.line + 1}" if mark else where
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
    return InputError(place, f"broken YAML ({problem})", "valid YAML", "look at this line and the one above it")


def _kind(content: Any) -> str:
    return "nothing" if content is None else f"one {type(content).__name__}"
