"""What the systems exported comes back filled: each round trip is read by a parser of that system's own rules."""

from __future__ import annotations

import csv
import io
import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from grader.export import gradescope, junit, nbgrader
from grader.export.gradebook import Filled, fill
from grader.export.points import is_missing, rounded
from grader.export.returned import page_name
from grader.export.sheet import Sheet
from grader.export.systems import SYSTEMS
from grader.model import (
    Criterion,
    Evidence,
    Finding,
    Grade,
    GraderError,
    Person,
    RubricId,
    Scored,
    Submission,
    Verdict,
    message,
)

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,HW2 (100),HW3 (101),Current Score\r\n"
    "    Points Possible,,,,,10,100,(read only)\r\n"
    '"Wang, Xiao-Ming",7001,B10901001,b10901001@ntu.edu.tw,ML-01,8,,80\r\n'
    "陳怡君,7002,B10901002,b10901002@ntu.edu.tw,ML-01,9,,90\r\n"
    "=SUM(A1),7003,B10901003,b10901003@ntu.edu.tw,ML-01,,55,\r\n"
    "Test Student,7999,,,ML-01,,,\r\n"
)
MOODLE = (
    "識別碼,全名,電子郵件信箱,狀態,成績,最高分,成績可以更改,最後修改（繳交）,最後修改（成績）,回饋評語\n"
    "參與者657001,王小明,b10901001@ntu.edu.tw,已繳交,,100.00,是,2026年10月1日,-,\n"
    '參與者657002,陳怡君,b10901002@ntu.edu.tw,已繳交,,100.00,是,2026年10月1日,-,"<p>舊的,評語</p>"\n'
    "參與者657003,林志豪,b10901003@ntu.edu.tw,未繳交,,100.00,否,-,-,\n"
)
BLACKBOARD = (
    "\ufeffLast Name\tFirst Name\tUsername\tStudent ID\t\"HW3 [Total Pts: 100 Score] |12345\"\n"
    '"Wang"\t"Xiao-Ming"\t"b10901001"\t""\t""\n'
    '"Chen"\t"Yi-Jun"\t"b10901002"\t""\t"5"\n'
)  # fmt: skip


def grade_of(
    student: str, points: float = 87.5, *, person: Person | None = None, notebook: str | None = "a.ipynb"
) -> Grade:
    scored = Scored(
        criterion=Criterion(id="updates", check="updates-match", points=100, title={"en": "Updates", "zh-TW": "更新"}),
        finding=Finding(check="updates-match", verdict=Verdict.PARTIAL, credit=0.9, message=message("report.read")),
        points=points,
        pending=0,
        out_of=100,
    )
    return Grade(
        submission=Submission(student=student, root="/", notebook=notebook, person=person or Person()),
        rubric=RubricId(title="HW3", digest="sha256:1"),
        scored=(scored,),
        points=points,
        pending=0,
        out_of=100,
        needs_review=False,
    )


def filled(system: str, text: str, *grades: Grade, column: str | None = None, encoding: str = "utf-8") -> Filled:
    sheet = Sheet(text.encode(encoding))
    layout = SYSTEMS[system](sheet, column, "grades.csv")
    return fill(
        sheet,
        layout,
        grades,
        points=lambda grade: "" if is_missing(grade) else rounded(grade.points),
        comment=lambda grade: f"{grade.points:g} points",
    )


# -- the systems' own readers ----------------------------------------------------------------------


def canvas_reads(data: bytes, title: str) -> dict[str, float | None]:
    """What Canvas's importer takes from a gradebook: scores by the id of the user."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    header = rows[0]
    assert "Student" in header[0]
    section = header.index("Section")
    assert header[:2] == ["Student", "ID"]
    column = header.index(title)
    assert column > section
    found: dict[str, float | None] = {}
    for row in rows[1:]:
        if any("Points Possible" in cell for cell in row[:2]):
            continue
        cell = row[column].strip()
        found[row[1]] = None if cell in ("", "-") else round(float(cell.replace(",", ".")), 2)
    return found


def moodle_reads(data: bytes, *, prefix: str = "參與者") -> dict[int, tuple[float, str]]:
    """What Moodle's grading worksheet importer takes: a new grade and comment by the participant's number."""
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    found = {}
    for row in rows:
        participant = int(row["識別碼"][len(prefix) :])
        grade = row["成績"].strip()
        if not grade or row["成績可以更改"] != "是" or not 0 <= float(grade) <= float(row["最高分"]):
            continue
        found[participant] = (float(grade), row["回饋評語"])
    return found


# -- round trips -----------------------------------------------------------------------------------


def test_canvas_reads_back_the_points_by_number_login_user_and_name() -> None:
    result = filled(
        "canvas",
        CANVAS,
        grade_of("b10901001"),
        grade_of("7002-folder", 1 / 3, person=Person(ids={"canvas": "7002"})),
        grade_of("B10901003@NTU.edu.tw", 100),
        column="HW3",
    )

    assert canvas_reads(result.data, "HW3 (101)") == {"7001": 87.5, "7002": 0.33, "7003": 100.0, "7999": None}
    assert result.written == ("b10901001", "7002-folder", "B10901003@NTU.edu.tw")


def test_moodle_reads_back_the_points_by_participant_and_mail() -> None:
    result = filled(
        "moodle", MOODLE, grade_of("王小明", person=Person(ids={"moodle": "657001"})), grade_of("b10901002", 90)
    )

    assert moodle_reads(result.data) == {657001: (87.5, "87.5 points"), 657002: (90.0, "90 points")}


def test_blackboard_keeps_its_encoding() -> None:
    result = filled("blackboard", BLACKBOARD.removeprefix("\ufeff"), grade_of("b10901001"), encoding="utf-16")
    rows = list(csv.reader(io.StringIO(result.data.decode("utf-16")), delimiter="\t"))

    assert [row[-1] for row in rows] == ["HW3 [Total Pts: 100 Score] |12345", "87.5", "5"]


def test_everything_else_stays_byte_for_byte() -> None:
    result = filled("canvas", CANVAS, grade_of("b10901002"), column="101")

    assert result.data == CANVAS.replace("ML-01,9,,90", "ML-01,9,87.5,90").encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp950", "utf-16"])
def test_a_table_that_was_saved_in_another_encoding_stays_in_it(encoding: str) -> None:
    result = filled("moodle", MOODLE, grade_of("陳怡君"), encoding=encoding)

    assert result.data.decode(encoding).splitlines()[2].split(",")[4] == "87.5"
    assert result.data.decode(encoding).splitlines()[1] == MOODLE.splitlines()[1]


def test_missing_work_stays_blank_and_is_never_a_zero() -> None:
    result = filled("canvas", CANVAS, grade_of("b10901001", 0, notebook=None), column="HW3")

    assert result.data == CANVAS.encode()
    assert result.blank == ("b10901001",)


def test_a_real_zero_is_written() -> None:
    assert canvas_reads(filled("canvas", CANVAS, grade_of("b10901001", 0), column="HW3").data, "HW3 (101)")["7001"] == 0


def test_a_student_who_is_not_in_the_table_is_told() -> None:
    assert filled("canvas", CANVAS, grade_of("b10901099"), column="HW3").unknown == ("b10901099",)


def test_two_students_for_one_row_are_left_to_a_person() -> None:
    result = filled("canvas", CANVAS, grade_of("b10901001"), grade_of("Wang Xiaoming"), column="HW3")

    assert result.ambiguous == ("Wang Xiaoming", "b10901001")
    assert result.data == CANVAS.encode()


def test_a_name_that_two_rows_have_is_left_to_a_person() -> None:
    twice = CANVAS + "陳怡君,7004,B10901004,b10901004@ntu.edu.tw,ML-01,9,,90\r\n"
    result = filled("canvas", twice, grade_of("陳怡君"), column="HW3")

    assert result.ambiguous == ("陳怡君",)
    assert result.data == twice.encode()


def test_a_row_that_moodle_has_locked_is_left_as_it_was() -> None:
    result = filled("moodle", MOODLE, grade_of("b10901003"))

    assert result.locked == ("b10901003",)
    assert result.data == MOODLE.encode()


def test_the_participants_number_is_no_other_number() -> None:
    """A folder called 657001 is nobody's participant number unless Moodle gave it."""
    assert filled("moodle", MOODLE, grade_of("657001")).unknown == ("657001",)


@pytest.mark.parametrize(
    ("system", "text", "column", "said"),
    [
        ("canvas", CANVAS, None, "several columns could take the points"),
        ("canvas", CANVAS, "HW9", "no column of this table takes the points"),
        ("canvas", MOODLE, None, "not a gradebook that Canvas exported"),
        ("moodle", CANVAS, None, "not a grading worksheet of Moodle"),
        ("moodle", "識別碼,全名\n參與者1,王\n", None, "no column of this table takes the points"),
        ("blackboard", CANVAS, None, "not a grade centre download"),
        ("canvas", "", None, "not a gradebook"),
    ],
)
def test_a_table_of_something_else_is_refused(system: str, text: str, column: str | None, said: str) -> None:
    with pytest.raises(GraderError, match=said):
        filled(system, text, grade_of("b1"), column=column)


# -- the sheet -------------------------------------------------------------------------------------


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=4),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\r\n", "\n"]),
)
def test_a_sheet_gives_back_every_byte(rows: list[list[str]], delimiter: str, end: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    data = out.getvalue().encode()

    assert Sheet(data).data() == data


def test_a_quote_inside_a_cell_opens_nothing() -> None:
    sheet = Sheet(b'name,size\nx,5" pipe\ny,2\n"open,1\n')

    assert [sheet.row(number) for number in range(3)] == [("name", "size"), ("x", '5" pipe'), ("y", "2")]
    assert sheet.data() == b'name,size\nx,5" pipe\ny,2\n"open,1\n'


@given(st.text(st.sampled_from('a,;"\r\n\t ')))
def test_any_text_comes_back_byte_for_byte(text: str) -> None:
    assert Sheet(text.encode()).data() == text.encode()


def test_a_cell_with_a_delimiter_or_a_line_break_is_quoted() -> None:
    sheet = Sheet(b"a,b\n1\n")
    sheet.fill(1, 1, 'x, "y"\nz')

    assert list(csv.reader(io.StringIO(sheet.data().decode()))) == [["a", "b"], ["1", 'x, "y"\nz']]


def test_a_line_break_within_quotes_is_no_new_row() -> None:
    sheet = Sheet(b'a,b\r\n"x\r\ny",1\r\nz,2')

    assert [sheet.row(number) for number in range(len(sheet))] == [("a", "b"), ("x\r\ny", "1"), ("z", "2")]
    assert sheet.data() == b'a,b\r\n"x\r\ny",1\r\nz,2'


def test_a_table_in_no_known_encoding_is_refused() -> None:
    with pytest.raises(GraderError, match="in no encoding that is known here"):
        Sheet(b"Student,ID\n\xff\xfe\x80,\x80\n")


# -- files for other programs ----------------------------------------------------------------------


def test_gradescope_reads_the_score_and_every_test() -> None:
    value = json.loads(
        gradescope.results_json(
            grade_of("b1"), Evidence(submission=Submission(student="b1", root="/")), language="zh-TW"
        )
    )

    assert value["score"] == 87.5
    assert value["tests"] == [
        {"name": "更新", "score": 87.5, "max_score": 100.0, "status": "failed", "output_format": "text"}
        | {"output": value["tests"][0]["output"]}
    ]
    assert all(isinstance(test["output"], str) and test["output"] for test in value["tests"])


def test_what_waits_has_no_status_in_gradescope() -> None:
    grade = grade_of("b1", 0)
    waiting = replace(grade.scored[0], finding=replace(grade.scored[0].finding, verdict=Verdict.REVIEW), pending=100)
    value = json.loads(
        gradescope.results_json(replace(grade, scored=(waiting,)), Evidence(submission=grade.submission), language="en")
    )

    assert "status" not in value["tests"][0]


def test_nbgraders_columns_hold_a_name_with_a_comma() -> None:
    table = nbgrader.grades_csv([grade_of("b1", person=Person(name="Wang, Xiao-Ming")), grade_of("b2", notebook=None)])
    rows = list(csv.DictReader(io.StringIO(table)))

    assert tuple(rows[0]) == nbgrader.COLUMNS
    assert (rows[0]["last_name"], rows[0]["score"], rows[0]["max_score"]) == ("Wang, Xiao-Ming", "87.5", "100")
    assert rows[1]["score"] == ""


def test_junit_is_xml_whatever_a_student_wrote() -> None:
    odd = grade_of("b1 <&>\x00\ud800")
    root = ElementTree.fromstring(junit.suites([odd], language="en"))  # noqa: S314 - our own

    assert [(suite.get("tests"), suite.get("failures")) for suite in root] == [("1", "1")]
    assert re.fullmatch("b1 <&>..", root[0].get("name", ""))


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("王小明_657001_assignsubmission_file", "王小明_657001_assignsubmission_file/feedback.html"),
        ("王小明_657001_assignsubmission_file_", "王小明_657001_assignsubmission_file/feedback.html"),
        ("wangxiaoming_7001_90210_hw3.ipynb", "wangxiaoming_7001_90210_hw3.feedback.html"),
        ("wangxiaoming_LATE_7001_90210_hw3.ipynb", "wangxiaoming_LATE_7001_90210_hw3.feedback.html"),
        ("", "b1/feedback.html"),
    ],
)
def test_a_page_goes_back_under_the_name_that_the_system_gave(origin: str, name: str) -> None:
    assert page_name(Submission(student="b1", root="/", origin=origin), "b1") == name
