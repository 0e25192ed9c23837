"""What is opened by a name from a folder: ordinary files, without waiting and within bounds."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from grader import files, intake, notebook, store
from grader.cli import results, run, settings
from grader.cli.check import MADE_HERE
from grader.cli.errors import USAGE, Stop
from grader.model import GraderError, Limits
from grader.report.gather import refusal


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _link_to_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _folder(path: Path) -> None:
    path.mkdir()


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


STRANGE = (_pipe, _endless, _link_to_pipe, _socket, _folder, _loop)
strange = pytest.mark.parametrize("make", STRANGE, ids=lambda make: make.__name__.strip("_"))
Make = Callable[[Path], None]


@strange
@pytest.mark.parametrize("follow", [False, True])
def test_what_is_no_ordinary_file_is_not_opened(make: Make, follow: bool, tmp_path: Path) -> None:
    make(tmp_path / "name")

    with pytest.raises(OSError, match=r"ordinary file|symbolic links"):
        files.opened(tmp_path / "name", follow=follow)


def test_a_link_is_followed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")

    assert files.content(tmp_path / "link", most=100, follow=True) == b"content"
    assert files.beginning(tmp_path / "link", 100) == b""


def test_no_more_is_read_than_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123")

    assert files.content(tmp_path / "file", most=3) == b"123"
    with pytest.raises(files.TooLargeError):
        files.content(tmp_path / "file", most=2)


def test_a_file_that_says_it_is_empty_and_is_not_is_bounded_too() -> None:
    with pytest.raises(files.TooLargeError):
        files.content(Path("/proc/self/status"), most=10)


@strange
def test_a_strange_database_of_a_student_is_not_ours(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "grades.sqlite")

    assert not store.ours(tmp_path / "grades.sqlite")


@strange
def test_a_strange_lock_is_told(make: Make, tmp_path: Path) -> None:
    make(tmp_path / ".lock")

    with pytest.raises(OSError), store.alone(tmp_path):
        pass


@strange
def test_a_strange_notebook_cannot_be_read(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "a.ipynb")

    with pytest.raises(notebook.UnreadableError):
        notebook.read(tmp_path / "a.ipynb", limits=Limits())


@strange
def test_a_strange_report_is_not_parsed(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "a.pdf")

    found = refusal(tmp_path / "a.pdf", limits=Limits())

    assert found is not None
    assert found.problems[0].id == "no-file"


@pytest.mark.parametrize("make", [_pipe, _endless, _link_to_pipe, _socket], ids=lambda make: make.__name__.strip("_"))
def test_a_strange_file_that_is_named_to_check_is_refused(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "a.ipynb")

    with pytest.raises(intake.NoSubmissionError) as caught:
        intake.files([tmp_path / "a.ipynb"])

    assert caught.value.problem.id == "intake.no-ordinary-file"


@strange
def test_strange_files_in_a_folder_go_to_a_person(make: Make, tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    make(tmp_path / "ann" / "a.ipynb")

    (submission,) = intake.folder(tmp_path, handed_out="text")

    assert submission.notebook is None


@strange
def test_a_strange_page_is_not_written_over(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ipynb").write_text('{"nbformat": 4, "cells": []}', encoding="utf-8")
    make(tmp_path / "feedback.html")

    assert run(["check", "a.ipynb"]) == USAGE
    assert "feedback.html" in capsys.readouterr().err


def test_a_link_to_a_page_of_ours_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ipynb").write_text('{"nbformat": 4, "cells": []}', encoding="utf-8")
    (tmp_path / "page.html").write_bytes(MADE_HERE)
    (tmp_path / "feedback.html").symlink_to("page.html")

    assert run(["check", "a.ipynb"]) == USAGE


@strange
def test_a_rubric_that_names_a_strange_file_is_told(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "words.toml")
    (tmp_path / "rubric.toml").write_text('title = "t"\ntopics = "words.toml"\n', encoding="utf-8")

    with pytest.raises(Stop, match="words"):
        settings.read_rubric(str(tmp_path))


def test_a_draft_is_not_written_through_a_link_that_lies_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    (tmp_path / ".page.html.guessed").symlink_to("mine")

    with pytest.raises(GraderError):
        results.write(tmp_path / "page.html", "theirs")

    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"
