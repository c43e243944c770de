"""Reading of text files and tables: what is accepted, and that a bad one is named by file and line."""

import lzma

import pytest

from mindformers.evaluation.text_files import read_lines, read_table
from mindformers.tools.errors import InputError


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"a\nb", b"a\nb\n", b"a\r\nb\r\n", b"\xef\xbb\xbfa\nb\n"])
def test_line_ends_and_byte_order_marks_are_no_content(tmp_path, content):
    assert read_lines(write(tmp_path / "f.txt", content), "--predictions") == ["a", "b"]


def test_only_newlines_end_a_line(tmp_path):
    odd = "a\x0bb\x85c\u2028d\re"
    assert read_lines(write(tmp_path / "f.txt", f"{odd}\nf\n".encode()), "--predictions") == [odd, "f"]


def test_empty_lines_are_kept(tmp_path):
    assert read_lines(write(tmp_path / "f.txt", b"\na\n\n"), "--predictions") == ["", "a", ""]


def test_xz_is_read_like_plain_text(tmp_path):
    assert read_lines(write(tmp_path / "f.txt.xz", lzma.compress(b"a\nb\n")), "--predictions") == ["a", "b"]


def test_quotes_are_ordinary_characters(tmp_path):
    assert read_table(write(tmp_path / "f.tsv", b'x\ty\n"a\tb"\n'), "--predictions") == (["x", "y"], [['"a', 'b"']])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"x\ty\n1\t2\n3\n", "line 3: 1 tab-separated fields; expected 2 (x, y)"),
        (b"x\ty\n1\t2\t3\n", "line 2: 3 tab-separated fields"),
        (b"x\ty\n1\t2\n\n", "line 3: 1 tab-separated"),
        (b"x\ty\n1\t\xff2\n", "line 2: byte 3 is not UTF-8"),
        (b"x\ty\n", "no rows"),
        (b"", "is empty"),
    ],
)
def test_bad_table_is_one_line_that_names_the_place(tmp_path, content, complaint):
    path = write(tmp_path / "bad.tsv", content)
    with pytest.raises(InputError) as caught:
        read_table(path, "--predictions")
    message = str(caught.value)
    assert str(path) in message and complaint in message and "\n" not in message


@pytest.mark.parametrize("content", [b"plain text", lzma.compress(b"a\n" * 999)[:-20]])
def test_damaged_xz_is_an_input_error(tmp_path, content):
    with pytest.raises(InputError, match="cannot be decompressed"):
        read_lines(write(tmp_path / "bad.xz", content), "--predictions")


def test_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="not found"):
        read_lines(tmp_path / "none.tsv", "--predictions")
