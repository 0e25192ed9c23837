"""`grader summary`: a graded class once more."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader.cli import options, results
from grader.cli.overview import note_edits, tell
from grader.cli.terminal import log, say
from grader.model import GraderError

if TYPE_CHECKING:
    from grader.model import Language


_HELP = """\b
Example:
  grader summary results --lang zh-TW
  grader summary results --both-languages
"""


@click.command("summary", short_help="Print a graded class and write its overview page again.", epilog=_HELP)
@click.argument("folder", metavar="RESULTS", type=click.Path(path_type=Path))
@options.lang_of_results
@options.both
def command(folder: Path, chosen: Language | None, both: bool) -> int:
    """Print the class in RESULTS as a table, and write its overview page again; nothing is graded.

    While a batch runs it shows how far that is; where nothing may be written, the table is printed all the same.
    """
    results.existing(folder)
    try:
        _write(folder, chosen, both=both)
    except GraderError as error:  # a grader is at work here, or nothing may be written
        log(say("read-only", chosen or "en", why=error.message))
        with results.reading(folder) as store, contextlib.suppress(GraderError):
            language = results.language_of(store, chosen)
            results.write_overview(folder, store, results.all_of(store), language=language)
    with results.reading(folder) as store:
        language = results.language_of(store, chosen)
        left, missing, earlier = len(store.pending()), results.missing(store), results.earlier(store)
        tell(results.all_of(store), folder, language, left=left, missing=missing, earlier=earlier)
    return 0


def _write(folder: Path, chosen: Language | None, *, both: bool) -> None:
    """Write the pages that are due, the tables and the overview again; in another language that is all of them."""
    with results.opened(folder) as store:
        language = results.language_of(store, chosen)
        if language != results.language_of(store, None) or (both and not results.wants_both(store)):
            store.unwrite()
        store.set_note("language", language)
        if both:
            store.set_note("both", "yes")
        results.write_pages(folder, store, language=language)
        note_edits(folder, store, language)
        results.write_class(folder, store, language=language)
