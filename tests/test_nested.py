"""A student's own archive: opened in a jail, and left to a person where anything about it is odd."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import test_cli
from hypothesis import given
from hypothesis import strategies as st
from test_cli import Child, run
from test_collection import laid_out, packed

from grader import intake, sandbox
from grader.intake import nested
from grader.model import GraderError, Isolation, Limits, Submission

child, here = test_cli.child, test_cli.here


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    return sandbox.probe()


def opened(folder: Path, isolation: Isolation, unpacked: Path) -> Submission:
    before = intake.of_files("b1", folder)
    return nested.opened(before, isolation=isolation, limits=Limits(notebook_mb=1, pdf_mb=1), unpacked=unpacked)


def texts(submission: Submission) -> list[str]:
    names = [name for name in (submission.notebook, submission.report) if name]
    return [Path(submission.root, name).read_text(encoding="utf-8") for name in names]


@pytest.mark.parametrize("encoding", ["utf-8", "cp950"])
def test_the_notebook_and_the_report_come_out_of_an_archive(
    tmp_path: Path, isolation: Isolation, encoding: str
) -> None:
    (tmp_path / "b1").mkdir()
    files = {
        "作業/梯度下降.ipynb": "notebook",
        "作業/報告.pdf": "%PDF",
        "作業/資料.csv": "1,2",
        "__MACOSX/x.ipynb": "junk",
    }
    packed(tmp_path / "b1/許功蓋.zip", files, encoding=encoding)

    found = opened(tmp_path / "b1", isolation, tmp_path / "out")

    assert (found.notebook, found.report) == ("作業/梯度下降.ipynb", "作業/報告.pdf")
    assert texts(found) == ["notebook", "%PDF"]
    assert not found.problems
    assert [path.name for path in (tmp_path / "b1").iterdir()] == ["許功蓋.zip"]


def test_a_file_beside_the_archive_still_counts(tmp_path: Path, isolation: Isolation) -> None:
    laid_out(tmp_path / "b1", {"report.pdf": "%PDF beside"})
    packed(tmp_path / "b1/code.zip", {"hw.ipynb": "notebook"})

    assert texts(opened(tmp_path / "b1", isolation, tmp_path / "out")) == ["notebook", "%PDF beside"]


def test_an_archive_is_opened_once(tmp_path: Path, isolation: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b1").mkdir()
    packed(tmp_path / "b1/hw.zip", {"hw.ipynb": "notebook", "r.pdf": "%PDF"})
    first = opened(tmp_path / "b1", isolation, tmp_path / "out")
    monkeypatch.setattr(nested, "_files", lambda *_, **__: pytest.fail("opened again"))

    assert opened(tmp_path / "b1", isolation, tmp_path / "out") == first


@pytest.mark.parametrize("name", ["../../escaped.ipynb", "/tmp/escaped.ipynb", "a/../../../escaped.ipynb"])
def test_no_name_leads_out_of_our_folder(tmp_path: Path, isolation: Isolation, name: str) -> None:
    (tmp_path / "b1").mkdir()
    packed(tmp_path / "b1/hw.zip", {name: "notebook"})
    found = opened(tmp_path / "b1", isolation, tmp_path / "out")

    assert texts(found) == ["notebook"]
    assert [path for path in tmp_path.rglob("*escaped*") if not path.is_relative_to(tmp_path / "out")] == []


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hw.ipynb", b"0" * 50_000_000)


def _no_archive(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 nothing")


def _nothing_of_use(path: Path) -> None:
    packed(path, {"notes.txt": "x"})


def _another_archive(path: Path) -> None:
    packed(path, {"hw.zip": "PK"})


@pytest.mark.parametrize("make", [_bomb, _no_archive, _nothing_of_use, _another_archive])
def test_what_the_jail_cannot_give_out_goes_to_a_person(tmp_path: Path, isolation: Isolation, make: object) -> None:
    (tmp_path / "b1").mkdir()
    make(tmp_path / "b1/hw.zip")  # type: ignore[operator] # one of the above
    found = opened(tmp_path / "b1", isolation, tmp_path / "out")

    assert [problem.id for problem in found.problems] == ["intake.notebook-other", "intake.report-other"]
    assert found.root == str(tmp_path / "b1")


def test_of_two_archives_a_person_chooses(tmp_path: Path, isolation: Isolation) -> None:
    (tmp_path / "b1").mkdir()
    for name in ("a.zip", "b.zip"):
        packed(tmp_path / "b1" / name, {"hw.ipynb": "x"})

    assert opened(tmp_path / "b1", isolation, tmp_path / "out").notebook is None


def test_an_archive_that_is_a_link_is_not_opened(tmp_path: Path, isolation: Isolation) -> None:
    (tmp_path / "b1").mkdir()
    packed(tmp_path / "there.zip", {"hw.ipynb": "x"})
    (tmp_path / "b1/hw.zip").symlink_to(tmp_path / "there.zip")

    assert opened(tmp_path / "b1", isolation, tmp_path / "out").notebook is None


# -- the jail's answer is no more trusted than the archive -----------------------------------------


def answer(listed: object, content: bytes = b"") -> bytes:
    head = json.dumps(listed).encode()
    return len(head).to_bytes(8, "big") + head + content


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 20,
        answer([{"name": "6168", "utf8": True, "size": 5}], b"1234"),
        answer([{"name": "6168", "utf8": True, "size": 3}], b"1234"),
        answer([{"name": "6168", "utf8": True, "size": -3}], b""),
        answer([{"name": "61681", "utf8": True}]),
        answer([{"name": "xx", "utf8": True}]),
        answer({"files": []}),
        answer([{"name": "61", "utf8": True}] * 3000),
    ],
    ids=["empty", "length", "short", "long", "negative", "odd", "hex", "shape", "many"],
)
def test_an_answer_that_does_not_fit_together_is_refused(data: bytes) -> None:
    with pytest.raises(GraderError):
        nested._read(data)


@given(st.binary(max_size=200))
def test_any_answer_is_read_or_refused(data: bytes) -> None:
    try:
        found = nested._read(data)
    except GraderError:
        return
    assert sum(len(content) for _, content in found) <= len(data)


@given(files=st.lists(st.tuples(st.text(max_size=30), st.binary(max_size=10)), max_size=6))
def test_files_of_any_names_are_all_written_below_our_folder(
    files: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("out") / "root"
    files = [(name.encode("utf-8", "replace").decode(), content) for name, content in files]
    nested._write(root, [*files, ("a.ipynb", b"x")])

    assert len([path for path in root.rglob("*") if path.is_file()]) == len(files) + 1
    assert [path.name for path in root.parent.iterdir()] == ["root"]


def test_grade_opens_archives_of_students(here: Path, child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested, "_files", lambda *_, **__: [("hw.ipynb", b"ok"), ("r.pdf", b"%PDF")])
    (here / "class/b1").mkdir(parents=True)
    packed(here / "class/b1/hw.zip", {"hw.ipynb": "ok", "r.pdf": "%PDF"})

    assert run("grade", "class") == 0
    line = json.loads((here / "results/grades.jsonl").read_text(encoding="utf-8"))
    assert (line["submission"]["student"], line["submission"]["notebook"]) == ("b1", "hw.ipynb")
