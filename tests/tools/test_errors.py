import pytest

from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_FAILURE, EXIT_OK, InputError, unknown_name


def test_exit_statuses() -> None:
    assert (EXIT_OK, EXIT_FAILURE, EXIT_BAD_INPUT) == (0, 1, 2)


def test_the_message_is_one_line_in_order() -> None:
    error = InputError("data.json line 7", "not\n JSON", "an\tobject", "correct  it")
    assert error.line() == str(error) == "data.json line 7: not JSON; expected an object; correct it"


def test_parts_left_out_leave_nothing_behind() -> None:
    assert InputError("seed", "x").line() == "seed: x"
    assert InputError("seed", "x", next_step="use 1").line() == "seed: x; use 1"


def test_unknown_name_suggests_the_nearest() -> None:
    error = unknown_name("model.type", "LlamaConfg", iter(["LlamaConfig", "GLMConfig"]))
    assert isinstance(error, InputError)
    assert error.line() == (
        "model.type: unknown name 'LlamaConfg'; expected one of GLMConfig, LlamaConfig; did you mean 'LlamaConfig'?"
    )


@pytest.mark.parametrize("known", [["epochs"], []])
def test_unknown_name_without_a_near_one(known: list[str]) -> None:
    assert unknown_name("key", "zzz", known).next_step == "remove it or correct the name"
