"""`grader summary`: a graded class once more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.cli import options, results
from grader.cli.overview import tell

if TYPE_CHECKING:
    from grader.model import Language


_HELP = """\b
Example:
  grader summary results --lang zh-TW
"""


@click.command("summary", short_help="Print a graded class and write its overview page again.", epilog=_HELP)
@click.argument("folder", metavar="RESULTS", type=click.Path(path_type=Path))
@options.lang
def command(folder: Path, language: Language) -> int:
    """Print the class in RESULTS as a table, and write its overview page again; nothing is graded."""
    with results.opened(results.existing(folder)) as store:
        grades = results.write_class(folder, store, language=language)
        left = len(store.pending())
    tell(grades, folder, language, left=left)
    return 0
