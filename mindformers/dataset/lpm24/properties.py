"""Which kind of statement a property name of L+M-24 makes, and how the name is written inside a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum


class Kind(IntEnum):
    """The kinds of properties, in the order in which a caption tells them."""

    ROLE = 0
    PROCESS = 1
    ACTION = 2
    QUALITY = 3
    TREATMENT = 4
    CONDITION = 5
    EVALUATION = 6
    SENSE = 7
    MATERIAL = 8
    TERM = 9


_COUNTED = frozenset({Kind.ROLE, Kind.ACTION, Kind.EVALUATION})


def _names(listed: str) -> frozenset[str]:
    return frozenset(name.strip() for name in listed.split(";"))


_SENSES = _names(
    "Smooth; acetic; acid; alcohol; alcoholic; aldehydic; alkane; alliaceous; almond; ammoniacal; animal; anise;"
    "apple; apricot; aromatic; baked; balsam; balsamic; banana; bark; bean; beef; beef gravey; beef juice; beefy;"
    "bell; berry; bitter; black currant; blackcurrant; bland; brandy; burnt; butter; buttery; cabbage; camphor;"
    "camphoraceous; caramel; caramellic; caraway; cardboard; carrot; castoreum; cedarleaf; celery; cheese; cheesy;"
    "cherry; chocolate; cinnamon; citrus; clean; clove; cocoa; coconut; coffee; cologne; cooked; cooked beef juice;"
    "cotton candy; cottoncandy; coumarin; creamy; cucumber; dairy; dark; dill; dry; earth; earthy; ester; ether;"
    "ethereal; eucalyptus; faint; fat; fatty; fermented; fish; fishy; flat; floral; flower; fresh; fruit; fruity;"
    "garlic; gasoline; geranium; grape; grass; grassy; green; hawthorn; hay; hazelnut; herb; herbal; honey; jam;"
    "jasmin; jasmine; labdanum; lactone; lactonic; leaf; leafy; lemon; lemon rind; lily; lime; malt; mango; meat;"
    "meaty; medicinal; melon; menthol; mentholic; metal; metallic; mild; milky; mint; minty; moss; mushroom; musky;"
    "musty; narcissus; natural; neroli; nut; nutty; odorless; oil; oily; onion; orange; orange peel; orangepeel;"
    "orris; peach; peanut; pear; pepper; peptone; phenolic; pine; pineapple; plastic; pleasant; plum; popcorn;"
    "potato; powdery; propionic; pungent; radish; roast; roasted; roasted meat; roastedmeat; rose; rubber; rubbery;"
    "rum; savory; sharp; shrimp; skunk; smoke; smoky; soapy; soft; sour; spearmint; spicy; strawberry; strong;"
    "sugar; sulfur; sulfurous; sulfury; sweat; sweet; tallow; toasted; tobacco; tomato; tonka; tropical;"
    "turpentine; unripe plum; valerian; vanilla; vanillin; vegetable; very mild; vinegar; vinyl; violet; walnut;"
    "warm; watermelon; wax; waxy; weedy; wine; wood; woody"
)
_PROCESSES = _names(
    "Apoptosis; Cholesterol translocation; Energy storage; Fat storage; Proton trap for oxidative phosphorylation;"
    "Stabilizing cytochrome oxidase; Stabilizing mitochondrial structure"
)
_ROLES = _names(
    "Air pollutant; Bronchodilator; Chelating agent; Drug; Emulsifier; Energy source; Flavoring agent;"
    "Hazardous air pollutant; Laboratory chemical; Membrane stabilizer; Nutritional supplement; Pharmaceutical;"
    "Pro-oxidant; Prodrug; Waste product; agrochemical; corrosion inhibitor; cosmetic; explosive; nutraceutical"
)
_TERMS = _names("Food and nutrition; Personal care products; modulate")

# The first rule that finds its pattern in a name decides; a name that none matches is a ROLE.
_RULES: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"_evaluation$", Kind.EVALUATION),
        (r"(inhibitor|antagonist|agonist|modulator|blocker|inducer|activator|binder)s?$", Kind.ACTION),
        (r"\btreatment(?! agent)\b", Kind.TREATMENT),
        (r"^anti .*(activity|resistance)$", Kind.TERM),
        (r"^anti\b.*(agent|drug|compound|conjugate|body|ant|histamine|promoter)$", Kind.ROLE),
        (r"^anti\b", Kind.QUALITY),
        (r"toxin$|icide$|\b(agent|drug|metabolite)$", Kind.ROLE),
        (r"^Photophobia$", Kind.CONDITION),
        (r"lumin|fluoresc|phosphoresc|\blight|liquid crystal|^photo|voltage|electr|refractive", Kind.MATERIAL),
        (r"^[A-Z][a-z]+", Kind.CONDITION),
        (r"^(?!additive)\S*(ic|al|ive|ous|ory|ing)$|preventive$", Kind.QUALITY),
    )
)
_LISTED: tuple[tuple[frozenset[str], Kind], ...] = (
    (_SENSES, Kind.SENSE),
    (_PROCESSES, Kind.PROCESS),
    (_ROLES, Kind.ROLE),
    (_TERMS, Kind.TERM),
)

_KEEPS_CAPITAL = frozenset({"Barth", "Menkes", "Salla", "Tangier"})
_SAID_WITH_YOU = re.compile(r"(eu|uni|ubiq|uri|use)", re.IGNORECASE)
_SPELLED_OUT = re.compile(r"NADP?H|(mtor|mglur|hiv|hdac|nmda|lpa|lppla|fxa|no)(?![a-z])", re.IGNORECASE)
_WRITTEN = {"Proton trap for oxidative phosphorylation": "the proton trap for oxidative phosphorylation"}


def kind_of(name: str) -> Kind:
    """The kind of a property, by its published name, e.g. `kinase inhibitor` -> `Kind.ACTION`."""
    for listed, kind in _LISTED:
        if name in listed:
            return kind
    return next((kind for pattern, kind in _RULES if pattern.search(name)), Kind.ROLE)


def readable(name: str) -> str:
    """The name as it stands inside a sentence: `Odor_evaluation` -> `odor evaluation`, `Pick's disease` unchanged."""
    return _WRITTEN.get(name) or " ".join(_word(word) for word in name.replace("_", " ").split())


def _word(word: str) -> str:
    is_plain = word[1:] == word[1:].lower() and len(word) > 1
    return word.lower() if is_plain and word not in _KEEPS_CAPITAL and not word.endswith("'s") else word


def with_article(noun: str) -> str:
    """The noun behind `a` or `an`, chosen by sound as far as spelling tells; a plural in -nists or -ors has none."""
    if re.search(r"(nist|tor|ator)s$", noun):
        return noun
    return f"{'an' if _starts_with_vowel_sound(noun) else 'a'} {noun}"


def _starts_with_vowel_sound(noun: str) -> bool:
    if _SAID_WITH_YOU.match(noun):
        return False
    if _SPELLED_OUT.match(noun):
        return True
    first = re.match(r"[A-Za-z]*", noun)[0]
    if first and not re.search(r"[aeiouy]", first, re.IGNORECASE):
        return first[0].lower() in "fhlmnrsx"
    return bool(re.match(r"[aeio]|u|8|11", noun, re.IGNORECASE))


def join_list(items: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *front, last = items
    return f"{', '.join(front)} and {last}" if front else last


def listed_names(kind: Kind, names: Iterable[str]) -> str:
    """Names of one kind as a sentence lists them, with articles where they can be counted."""
    written = (readable(name) for name in names)
    return join_list(map(with_article, written) if kind in _COUNTED else written)
