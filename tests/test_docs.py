"""What the documents point to is there, and what they show of the commands is what the commands have."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_of_the_project(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8"))

    missing = [link for link in links if not (document.parent / unquote(link)).exists()]

    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_option_that_is_named_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for line in re.findall(r"^\s*(?:- run: )?(grader [a-z].*)$", text, re.MULTILINE):
        command = re.match(r"grader (rubric \w+|\w+)", line)
        assert command, line
        options = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", line.split("#")[0]))
        program = [str(Path(sys.executable).with_name("grader")), *command[1].split(), "--help"]
        said = subprocess.run(program, capture_output=True, check=True).stdout.decode()
        assert not {option for option in options if option not in said}, line
