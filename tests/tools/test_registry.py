import pytest

from mindformers.tools.errors import InputError
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister


@pytest.fixture()
def register(monkeypatch) -> type[MindFormerRegister]:
    """The register, empty for one test."""
    monkeypatch.setattr(MindFormerRegister, "_classes", {})
    return MindFormerRegister


def test_under_its_own_name_or_an_alias(register) -> None:
    @register.register(MindFormerModuleType.MODELS)
    class Plain:
        pass

    @register.register(MindFormerModuleType.MODELS, alias="other")
    class Named:
        pass

    assert register.get(MindFormerModuleType.MODELS, "Plain") is Plain
    assert register.get(MindFormerModuleType.MODELS, "other") is Named
    assert register.names(MindFormerModuleType.MODELS) == ["Plain", "other"]
    assert Plain.__name__ == "Plain"


def test_kinds_do_not_mix(register) -> None:
    register.register(MindFormerModuleType.CONFIG, "one")(int)
    assert register.names(MindFormerModuleType.MODELS) == []
    with pytest.raises(InputError):
        register.get(MindFormerModuleType.MODELS, "one")


def test_an_unknown_name_is_an_error_with_a_suggestion(register) -> None:
    register.register(MindFormerModuleType.TEMPLATE, "vicuna")(int)
    with pytest.raises(InputError, match=r"--template: unknown name 'vicunna'.*did you mean 'vicuna'\?"):
        register.get(MindFormerModuleType.TEMPLATE, "vicunna", "--template")


def test_a_kind_is_written_as_in_recipes() -> None:
    assert f"{MindFormerModuleType.TOKENIZER}" == "tokenizer"
