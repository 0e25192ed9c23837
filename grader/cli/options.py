"""The options that several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

LEVELS = ("process-limits", "landlock", "bubblewrap")
"""Weakest first."""

DEFAULT = "gradient_descent"
"""The rubric that is used where none is named."""


class Number(click.FloatRange):
    """A number within a range; NaN, which no range keeps out, and infinities are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
SECONDS = Number(min=0, min_open=True)
PERCENT = Number(min=0, max=100)

lang = click.option(
    "--lang",
    "language",
    type=click.Choice(["en", "zh-TW"]),
    default="en",
    show_default=True,
    help="Language of feedback.",
)
both = click.option("--both-languages", "both", is_flag=True, help="Write every page in both languages, side by side.")
lang_of_results = click.option(
    "--lang", "chosen", type=click.Choice(["en", "zh-TW"]), show_default="that of the results", help="Language."
)
rubric = click.option("--rubric", metavar="FILE|NAME", default=DEFAULT, show_default=True, help="The rubric.")


def gathering(command: F) -> F:
    """Add what decides how a notebook is run: the base notebook, the Python and the limits."""
    for option in reversed(
        (
            click.option("--base", type=FILE, help="The handed-out notebook that changes are measured against."),
            click.option(
                "--kernel-python", type=FILE, help="The Python to run notebooks with, where it has more packages."
            ),
            click.option(
                "--trust-rubric",
                is_flag=True,
                help="Let the rubric choose the Python to run notebooks with; it is started outside the jail.",
            ),
            click.option("--cell-seconds", type=SECONDS, help="Time for one cell, instead of the rubric's."),
            click.option("--notebook-seconds", type=SECONDS, help="Time for one notebook, instead of the rubric's."),
            click.option(
                "--memory-mb", type=click.IntRange(min=64), help="Memory of one jail, instead of the rubric's."
            ),
        )
    ):
        command = option(command)
    return command


def require_isolation(default: str) -> Callable[[F], F]:
    """Add the least isolation that will do."""
    return click.option(
        "--require-isolation",
        type=click.Choice(LEVELS),
        default=default,
        show_default=True,
        help="Refuse to run anything under less isolation.",
    )
