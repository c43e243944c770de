import pytest

from mindformers.dataset.lpm24.properties import Kind, join_list, kind_of, readable, with_article


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("nutrient", Kind.ROLE),
        ("flour treatment agent", Kind.ROLE),
        ("anti viral agent", Kind.ROLE),
        ("anti coagulant", Kind.ROLE),
        ("corrosion inhibitor", Kind.ROLE),
        ("Metabotoxin", Kind.ROLE),
        ("food additive", Kind.ROLE),
        ("Energy storage", Kind.PROCESS),
        ("kinase inhibitor", Kind.ACTION),
        ("cgrpantagonists", Kind.ACTION),
        ("photosystem-II inhibitor", Kind.ACTION),
        ("anti viral", Kind.QUALITY),
        ("carcinogenic", Kind.QUALITY),
        ("cancer treatment", Kind.TREATMENT),
        ("treatment of disorder", Kind.TREATMENT),
        ("Obesity", Kind.CONDITION),
        ("Photophobia", Kind.CONDITION),
        ("Decomposition_evaluation", Kind.EVALUATION),
        ("bitter", Kind.SENSE),
        ("organic light-emitting device", Kind.MATERIAL),
        ("low voltage", Kind.MATERIAL),
        ("anti cancer activity", Kind.TERM),
        ("modulate", Kind.TERM),
        ("a name of tomorrow", Kind.ROLE),
    ],
)
def test_kind_of_a_name(name: str, kind: Kind) -> None:
    assert kind_of(name) is kind


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Alzheimer's Disease", "Alzheimer's disease"),
        ("Tangier disease", "Tangier disease"),
        ("Odor_evaluation", "odor evaluation"),
        ("HIV protease inhibitor", "HIV protease inhibitor"),
        ("hepatitis B treatment", "hepatitis B treatment"),
        ("Proton trap for oxidative phosphorylation", "the proton trap for oxidative phosphorylation"),
    ],
)
def test_names_inside_a_sentence(name: str, written: str) -> None:
    assert readable(name) == written


@pytest.mark.parametrize(
    ("article", "nouns"),
    [
        ("a", ["nutrient", "hormone", "ubiquiot", "5lipoxygenase inhibitor", "pd1 inhibitor", "GABA modulator"]),
        ("an", ["energy source", "hcv inhibitor", "HIV inhibitor", "mtor inhibitor", "11beta-hsd1 inhibitor"]),
        ("an", ["EC 3.1.1.7 (acetylcholinesterase) inhibitor", "NADPH-oxidase inhibitor", "ulcer drug"]),
    ],
)
def test_articles(article: str, nouns: list[str]) -> None:
    assert [with_article(noun) for noun in nouns] == [f"{article} {noun}" for noun in nouns]


def test_a_plural_has_no_article() -> None:
    assert with_article("cgrpantagonists") == "cgrpantagonists"


def test_lists() -> None:
    assert join_list(["a"]) == "a"
    assert join_list(["a", "b"]) == "a and b"
    assert join_list(iter(["a", "b", "c"])) == "a, b and c"
