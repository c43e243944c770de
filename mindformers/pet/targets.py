"""Which linear layers a pattern means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from mindformers.tools.errors import InputError

Patterns = str | list[str]


def matching(names: Sequence[str], patterns: Patterns, what: str) -> list[str]:
    """The names that a pattern means; each alternative of it must mean at least one.

    Args:
        names: dotted names, e.g. `model.layers.0.attention.wq`.
        patterns: a regular expression that fits a whole name, e.g. `.*wq|.*wv`; or a list of names or of their last
            parts, e.g. `[wq, wv]`.
        what: the recipe's key, for messages.

    Raises:
        InputError: the expression is broken, or an alternative means nothing; names the nearest ones.
    """
    chosen: set[str] = set()
    for expression in _expressions(patterns, what):
        found = {name for name in names if expression.fullmatch(name)}
        if not found:
            raise _nothing(names, expression.pattern, what)
        chosen |= found
    return [name for name in names if name in chosen]


def _expressions(patterns: Patterns, what: str) -> list[re.Pattern[str]]:
    if not patterns:
        raise InputError(what, "is empty", "a pattern such as '.*wq|.*wv'", "name the layers")
    if isinstance(patterns, str):
        texts = _alternatives(patterns)
    else:
        texts = [rf"(?:.*\.)?{re.escape(name)}" for name in patterns]
    try:
        return [re.compile(text) for text in texts]
    except re.error as error:
        expected = "a regular expression such as '.*wq|.*wv'"
        raise InputError(what, f"'{patterns}' is broken ({error})", expected, "correct it") from error


def _alternatives(pattern: str) -> list[str]:
    """`a|b(c|d)` to `a` and `b(c|d)`; brackets that do not close are left for the compiler to refuse."""
    parts, depth, is_escaped = [""], 0, False
    for letter in pattern:
        depth += 0 if is_escaped else (letter in "([") - (letter in ")]")
        if letter == "|" and depth == 0 and not is_escaped:
            parts.append("")
            continue
        is_escaped = letter == "\\" and not is_escaped
        parts[-1] += letter
    return parts


def _nothing(names: Sequence[str], pattern: str, what: str) -> InputError:
    last = list(dict.fromkeys(name.rpartition(".")[2] for name in names))
    word = max(re.findall(r"\w+", pattern.rpartition(".")[2]) or [""], key=len)
    near = get_close_matches(word, last, n=1, cutoff=0.3)
    expected = f"the name of a linear layer such as '{names[0]}'" if names else "a network with linear layers"
    hint = f"did you mean '.*{near[0]}'? " if near else ""
    return InputError(what, f"'{pattern}' matches nothing", expected, f"{hint}there are: {', '.join(last)}")
