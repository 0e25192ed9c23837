"""Fill the page templates: every value is cleaned and escaped, the style sheet is inline, nothing can run.

Text of students is never rendered as Markdown or HTML. The only markup in a sentence is the catalogue's own: backticks
around code, which are read before any parameter is filled in.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache, partial
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from grader.feedback.catalogue import filled, label, number, safe, template, text, values, word
from grader.model import Language, Message, Where, message

LANG = {"en": "en", "zh-TW": "zh-Hant-TW"}
SYMBOLS = {"pass": "✓", "partial": "◐", "fail": "✗", "review": "?", "skipped": "–", "fault": "!"}
COMMENT = 2000
"""Characters of what a person wrote to the student that are shown."""
UNBROKEN = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
"""An equals sign that no line ends beside: `lr = 1` is read as one word."""
_SMALL = re.compile(r"\d[\d.]*e-\d+")
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def fill(name: str, language: Language, **view: Any) -> str:
    """One self-contained HTML page."""
    known = {
        "language": language,
        "lang": LANG[language],
        "space": Markup(" ") if language == "en" else "",
        "csp": policy(),
        "css": Markup(style()),  # noqa: S704 - our own style sheet
        "symbols": SYMBOLS,
        "label": partial(sentence, language),
        "say": partial(rich, language=language),
        "word": lambda kind, given: word(kind, given, language),
        "place": partial(place, language=language),
        "tongue": tongue,
        "comment": lambda said: safe(said, COMMENT),
    }
    return _environment().get_template(name).render(known | view)


@cache
def style() -> str:
    """The style sheet that every page carries."""
    return (files("grader.feedback") / "templates" / "page.css").read_text(encoding="utf-8")


@cache
def policy() -> str:
    """The Content-Security-Policy: this style sheet by its hash, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("grader.feedback"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(given: Any) -> Any:
    """What `{{ … }}` prints: markup of our own as it is, numbers formatted, everything else cleaned."""
    if hasattr(given, "__html__"):
        return given
    return number(given) if isinstance(given, int | float) else safe(str(given))


def rich(said: Message, language: Language) -> Markup:
    """A message as HTML: escaped, with the catalogue's backticks as code."""
    known = template(said.id, language)
    if known is None:
        return escape(text(said, language))
    given = values(said.parameters, language)
    parts = [_whole(escape(filled(part, given))) for part in known.replace(" = ", UNBROKEN).split("`")]
    return Markup("").join(_code(part) if index % 2 else part for index, part in enumerate(parts))


def _whole(part: Markup) -> Markup:
    """Keep 1e-7 on one line, which a browser would break behind its hyphen."""
    # As plain text, since `re` puts pieces of a Markup together by a join that escapes.
    return Markup(_SMALL.sub(r'<span class="whole">\g<0></span>', str(part)))  # noqa: S704 - escaped before


def _code(part: Markup) -> Markup:
    return Markup('<code lang="en">{}</code>').format(part)


def sentence(language: Language, id: str, **parameters: Any) -> Markup:
    """A label of the page, with its parameters."""
    return rich(message(id, **parameters), language)


def place(where: Where | None, language: Language) -> str:
    """Where to look, in words; nothing where no place is known."""
    if where is None:
        return ""
    if where.cell is not None and where.line is not None:
        return label("page.cell-line", language, cell=where.cell, line=where.line)
    if where.cell is not None:
        return label("page.cell", language, cell=where.cell)
    return label("page.in-page", language, page=where.page) if where.page is not None else ""


def tongue(given: str) -> str:
    """The language tag of a student's text: Chinese as soon as it has a Han character."""
    return "zh-Hant" if _CHINESE.search(given) else "en"
