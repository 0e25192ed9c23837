"""Writes the sample submissions: notebooks and PDF reports from the students' words beside this file.

The rubric of the samples is the packaged one with limits so small that an infinite loop costs seconds.

Run `python tests/samples/make.py` (or `make samples`) after changing a student's `notebook.txt`, `report.txt` or
`students.toml`; the same sources give the same files again. The Chinese reports need the font WenQuanYi Zen Hei
(Debian: `fonts-wqy-zenhei`).
"""

from __future__ import annotations

import io
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pypdfium2
from PIL import Image
from reportlab.lib.enums import TA_CENTER
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen import canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

SOURCES = Path(__file__).parent
SAMPLES = SOURCES.parents[1] / "sample_submissions"
RUBRIC = SOURCES.parents[1] / "rubrics" / "gradient_descent" / "rubric.toml"
RUBRIC_LINES = {
    "topics": '"../rubrics/gradient_descent/topics.toml"',
    "base": '"../rubrics/gradient_descent/gradient descent.ipynb"',
    "cell_seconds": "10",
    "notebook_seconds": "120",
    "ocr_seconds": "0",
}
MATPLOTLIB_FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
ZENHEI = Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc")
FONTS = {
    "stix": (MATPLOTLIB_FONTS / "STIXGeneral.ttf", MATPLOTLIB_FONTS / "STIXGeneralBol.ttf"),
    "sans": (MATPLOTLIB_FONTS / "DejaVuSans.ttf", MATPLOTLIB_FONTS / "DejaVuSans-Bold.ttf"),
    "serif": (MATPLOTLIB_FONTS / "DejaVuSerif.ttf", MATPLOTLIB_FONTS / "DejaVuSerif-Bold.ttf"),
    "zenhei": (ZENHEI, ZENHEI),
}
FALLBACK = "sans"  # for what a font lacks: WenQuanYi Zen Hei has no minus sign
SCAN_DPI = 130


def main(target: Path) -> None:
    """Write every student's folder below `target`."""
    students = tomllib.loads((SOURCES / "students.toml").read_text(encoding="utf-8"))
    for student, look in students.items():
        folder = target / student
        folder.mkdir(parents=True, exist_ok=True)
        (folder / look["notebook"]).write_text(notebook(student, look), encoding="utf-8")
        if "report" in look:
            (folder / look["report"]).write_bytes(report(student, look))
    (target / "rubric.toml").write_text(rubric(), encoding="utf-8")


def rubric() -> str:
    """Return the packaged rubric with the samples' limits, and with the paths as seen from the samples."""
    text = "# The packaged rubric with small limits; `make samples` writes this file.\n"
    text += re.sub(r"\A(#.*\n)+", "", RUBRIC.read_text(encoding="utf-8"))
    for key, value in RUBRIC_LINES.items():
        text, found = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        if found != 1:
            raise ValueError(f"{RUBRIC} has {found} lines `{key} = …`; one is expected")
    return text


# -- notebooks -----------------------------------------------------------------------------------


def notebook(student: str, look: dict[str, Any]) -> str:
    """Return the text of the hand-in named .ipynb; `raw.txt` is handed in as it is."""
    raw = SOURCES / student / "raw.txt"
    if raw.exists():
        return raw.read_text(encoding="utf-8")
    text = (SOURCES / student / "notebook.txt").read_text(encoding="utf-8")
    minor = look.get("minor", 5)
    kernel = look.get("kernel", {"name": "python3", "display_name": "Python 3"})
    document = {
        "cells": list(_cells(text, named=minor >= 5)),
        "metadata": {"kernelspec": kernel | {"language": "python"}, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": minor,
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _cells(text: str, *, named: bool) -> Iterator[dict[str, Any]]:
    parts = re.split(r"^```(python|output)\n(.*?)^```\n", text, flags=re.MULTILINE | re.DOTALL)
    # split() yields prose, then (kind, body, prose) again and again.
    pieces = [("markdown", parts[0])]
    for kind, body, prose in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pieces += [(kind, body), ("markdown", prose)]
    cells: list[dict[str, Any]] = []
    for kind, body in pieces:
        if not body.strip():
            continue
        if kind == "output":
            cells[-1]["outputs"] = [{"name": "stdout", "output_type": "stream", "text": _lines(body)}]
        else:
            cells.append(_cell(kind, body.strip("\n"), count=sum(c["cell_type"] == "code" for c in cells) + 1))
    for index, cell in enumerate(cells, start=1):
        yield ({"id": f"cell-{index}"} if named else {}) | cell


def _cell(kind: str, source: str, *, count: int) -> dict[str, Any]:
    if kind == "markdown":
        return {"cell_type": "markdown", "metadata": {}, "source": _lines(source)}
    return {"cell_type": "code", "execution_count": count, "metadata": {}, "outputs": [], "source": _lines(source)}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


# -- reports -------------------------------------------------------------------------------------


def report(student: str, look: dict[str, Any]) -> bytes:
    """Return the bytes of the student's PDF report."""
    text = (SOURCES / student / "report.txt").read_text(encoding="utf-8")
    printed = _print(text, title=student, **look["layout"])
    return _scan(printed, title=student) if look.get("scanned") else printed


def _print(text: str, *, title: str, font: str, size: float, leading: float, margin: float) -> bytes:
    for name in (font, FALLBACK):
        _register(name)
    body = ParagraphStyle(
        "body", fontName=font, fontSize=size, leading=leading, spaceAfter=leading / 2, wordWrap=_wrap(font)
    )
    styles = {
        "": body,
        "# ": _style(body, font, size=size * 1.6, before=0),
        "= ": ParagraphStyle("author", body, alignment=TA_CENTER, spaceAfter=leading),
        "## ": _style(body, font, size=size * 1.3, before=leading / 2),
        "### ": _style(body, font, size=size * 1.15, before=leading / 3),
        "$ ": ParagraphStyle("formula", body, alignment=TA_CENTER, wordWrap=None),
        "- ": ParagraphStyle("item", body, leftIndent=18),
    }
    out = io.BytesIO()
    SimpleDocTemplate(
        out, pagesize=A4, leftMargin=margin, rightMargin=margin, topMargin=margin, bottomMargin=margin,
        title=f"Report {title}", author=title, invariant=1,
    ).build(list(_flowables(text, styles)), onFirstPage=_number(font), onLaterPages=_number(font))  # fmt: skip
    return out.getvalue()


def _register(font: str) -> None:
    for name, path in zip((font, f"{font}-bold"), FONTS[font], strict=True):
        pdfmetrics.registerFont(TTFont(name, str(path)))
    pdfmetrics.registerFontFamily(font, normal=font, bold=f"{font}-bold", italic=font, boldItalic=f"{font}-bold")


def _wrap(font: str) -> str | None:
    return "CJK" if font == "zenhei" else None


def _style(body: ParagraphStyle, font: str, *, size: float, before: float) -> ParagraphStyle:
    return ParagraphStyle(
        "heading", body, fontName=f"{font}-bold", fontSize=size, leading=size * 1.35, spaceBefore=before, keepWithNext=1
    )


def _number(font: str) -> Any:
    def draw(page: canvas.Canvas, _: Any) -> None:
        page.setFont(font, 9)
        page.drawCentredString(A4[0] / 2, 30, str(page.getPageNumber()))

    return draw


def _flowables(text: str, styles: dict[str, ParagraphStyle]) -> Iterator[Any]:
    font = styles[""].fontName
    rows: list[list[Paragraph]] = []
    for line in [*filter(None, text.splitlines()), ""]:
        if line.startswith("|"):
            rows.append(
                [Paragraph(_markup(cell.strip(), font=font), styles[""]) for cell in line.strip("|").split("|")]
            )
            continue
        if rows:
            yield Table(rows, style=[("GRID", (0, 0), (-1, -1), 0.5, "black")], hAlign="CENTER")
            rows = []
        if line:
            mark = next((mark for mark in sorted(styles, reverse=True) if line.startswith(mark)), "")
            bullet = "•" if mark == "- " else None
            yield Paragraph(_markup(line.removeprefix(mark), font=font), styles[mark], bulletText=bullet)


def _markup(text: str, *, font: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    glyphs = pdfmetrics.getFont(font).face.charToGlyph
    text = re.sub(r"\S", lambda c: c[0] if ord(c[0]) in glyphs else f'<font name="{FALLBACK}">{c[0]}</font>', text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    text = re.sub(r"_\{(.+?)\}", r"<sub>\1</sub>", text)
    return re.sub(r"\^\{(.+?)\}", r"<super>\1</super>", text)


def _scan(printed: bytes, *, title: str) -> bytes:
    """Return the pages as a slightly crooked black-and-white scan without any text."""
    out = io.BytesIO()
    paper = canvas.Canvas(out, pagesize=A4, invariant=1)
    paper.setTitle(f"Scan {title}")
    for number, page in enumerate(pypdfium2.PdfDocument(printed)):
        grey = page.render(scale=SCAN_DPI / 72).to_pil().convert("L")
        crooked = grey.rotate(0.6 - 0.9 * number, resample=Image.Resampling.BICUBIC, fillcolor=255)
        ink = crooked.point(lambda value: 255 if value > 150 else 0).convert("1")
        paper.drawImage(ImageReader(ink), 0, 0, *A4)
        paper.showPage()
    paper.save()
    return out.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES)
