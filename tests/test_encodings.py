"""Texts that do not say their encoding: one verdict for all that came together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.encodings import text_of, verdict

TRADITIONAL = ("王小明", "許功蓋", "陳怡君", "林志豪", "黃雅婷", "張家銘", "報告", "梯度下降")
SIMPLIFIED = ("王小明", "张伟", "刘洋", "陈静", "赵磊", "报告", "梯度下降", "学习率")


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize(
    ("names", "encoding", "expected"),
    [
        (TRADITIONAL, "utf-8", "utf-8"),
        (TRADITIONAL, "cp950", "cp950"),
        (TRADITIONAL, "gbk", "gb18030"),
        (SIMPLIFIED, "utf-8", "utf-8"),
        (SIMPLIFIED, "gbk", "gb18030"),
        (("b10901023", "report.pdf"), "ascii", "ascii"),
    ],
)
def test_the_encoding_of_names_is_found(names: tuple[str, ...], encoding: str, expected: str, count: int) -> None:
    assert verdict([name.encode(encoding) for name in names[:count]]) == expected


def test_names_in_no_known_encoding_are_told_apart() -> None:
    assert verdict([b"\xff\xfe\x80 name", b"\x80"]) == "cp437"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp950", "gbk"])
def test_a_files_text_is_read_and_can_be_written_back(encoding: str) -> None:
    text = "學生,成績\n王小明,87.5\n" if encoding != "gbk" else "学生,成绩\n张伟,87.5\n"
    data = text.encode(encoding)

    read, known = text_of(data)

    assert read == text
    assert read.encode(known) == data


@given(st.text())
def test_utf_8_is_never_taken_for_anything_else(text: str) -> None:
    data = text.encode()

    assert verdict([data]) in ("ascii", "utf-8")
