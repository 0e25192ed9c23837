"""Makes the PDFs of `tests/reports` again: `python tests/make_reports.py [NAME…]`, all of them without a name.

Tests read the committed files and need none of this. Making them needs reportlab, matplotlib, Chromium, LibreOffice,
pdfLaTeX, and the fonts WenQuanYi Zen Hei and Noto CJK (`fonts-wqy-zenhei`, `fonts-noto-cjk`).
The essays are passages of `tests/passages/tuning.toml`; what each file should be judged is in `reports/expected.toml`.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import tomllib
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "reports"
PASSAGES = {
    passage["id"]: passage["text"].strip()
    for passage in tomllib.loads((HERE.parent / "passages/tuning.toml").read_text(encoding="utf-8"))["passage"]
}
ORDER = ("sgd", "momentum", "adagrad", "rmsprop")
TITLES = {"sgd": "SGD", "momentum": "Momentum", "adagrad": "Adagrad", "rmsprop": "RMSprop"}
TALK = (
    "This is my report for the first homework. I opened the notebook, ran every cell from top to bottom and looked at "
    "the picture that came out. The blue point was in the upper left corner and the line went there slowly. I changed "
    "a few numbers and wrote down what happened. It was fun to see how the line moves, and I hope that the next "
    "homework is as nice as this one. Thank you for reading."
)
CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHEET = (595.28, 841.89)

Section = tuple[str, list[str]]


def essay(script: str, *, without: Sequence[str] = (), numbered: bool = True, each: int = 2) -> list[Section]:
    """Four sections of passages, as a student would arrange them."""
    sections = []
    for number, topic in enumerate((topic for topic in ORDER if topic not in without), start=1):
        texts = [PASSAGES[f"t-{script}-{topic}-{i}"] for i in range(1, each + 1)]
        paragraphs = [line for text in texts for line in text.splitlines() if not line.startswith("# ")]
        sections.append((f"{number}. {TITLES[topic]}" if numbered else TITLES[topic], paragraphs))
    return sections


# -- reportlab -------------------------------------------------------------------------------------


def reportlab(
    name: str,
    sections: Sequence[Section],
    *,
    chinese: bool = False,
    columns: int = 1,
    size: float = 11,
    sheet: tuple[float, float] = SHEET,
    pages: int | None = None,
    blank: bool = False,
    decorate: Callable[[Any, int], None] | None = None,
    encrypt: Any = None,
    colour: float = 0.0,
    turn: int = 0,
    font: str | None = None,
    furniture: bool = False,
) -> bytes:
    """Set sections on pages with reportlab."""
    from reportlab import rl_config
    from reportlab.lib.enums import TA_JUSTIFY
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import BaseDocTemplate, Frame, PageBreak, PageTemplate, Paragraph

    rl_config.useA85 = 0
    face = font or (_zenhei() if chinese else "Helvetica")
    wrap = "CJK" if chinese else None
    body = ParagraphStyle(
        "body",
        fontName=face,
        fontSize=size,
        leading=1.5 * size,
        wordWrap=wrap,
        alignment=0 if chinese else TA_JUSTIFY,
        textColor=(colour, colour, colour),
    )
    head = ParagraphStyle("head", parent=body, fontSize=1.3 * size, leading=2 * size, alignment=0)
    story: list[Any] = []
    for index, (title, paragraphs) in enumerate(sections):
        if (
            pages
            and index
            and index % max(1, len(sections) // pages) == 0
            and index // max(1, len(sections) // pages) < pages
        ):
            story.append(PageBreak())
        story.append(Paragraph(html.escape(title), head))
        story += [Paragraph(html.escape(text), body) for text in paragraphs]
    if blank:
        story += [PageBreak(), Paragraph(" ", body), PageBreak(), Paragraph(" ", body)]
    width, height = sheet
    margin = 0.1 * width
    wide = (width - 2 * margin) / columns
    frames = [
        Frame(margin + i * wide, margin, wide - (12 if columns > 1 else 0), height - 2 * margin) for i in range(columns)
    ]

    def draw(canvas: Any, document: Any) -> None:
        if turn:
            canvas.setPageRotation(turn)
        if furniture:
            canvas.setFont("Helvetica", 9)
            canvas.drawString(60, height - 30, "Machine Learning, homework 1")
            canvas.drawCentredString(width / 2, 25, f"Page {document.page} of 2")
        if decorate:
            decorate(canvas, document.page)

    stream = BytesIO()
    document = BaseDocTemplate(
        stream,
        pagesize=sheet,
        pageTemplates=[PageTemplate(frames=frames, onPage=draw)],
        invariant=1,
        encrypt=encrypt,
        title=name,
        author="a student",
    )
    document.build(story)
    return stream.getvalue()


def _zenhei() -> str:
    """Make WenQuanYi Zen Hei known to reportlab; the name to set it by."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    pdfmetrics.registerFont(TTFont("zenhei", "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", subfontIndex=0))
    return "zenhei"


def beside_letters() -> bytes:
    """White Chinese behind two black characters in each line, with no space between that would part them."""
    from reportlab.pdfgen.canvas import Canvas

    stream = BytesIO()
    canvas = Canvas(stream, pagesize=SHEET, invariant=1)
    face, secret = _zenhei(), "".join(text for _, texts in essay("tw", each=1) for text in texts)
    for number, line in enumerate(textwrap.wrap(secret, 36)):
        for gray, x, said in ((0, 60, "優化"), (1, 82, line)):
            canvas.setFillGray(gray)
            canvas.setFont(face, 11)
            canvas.drawString(x, 780 - 16 * number, said)
    canvas.save()
    return stream.getvalue()


def six_up() -> bytes:
    """Six pages on one sheet, as a printer driver makes them."""
    from reportlab.pdfgen.canvas import Canvas

    stream = BytesIO()
    canvas = Canvas(stream, pagesize=SHEET, invariant=1)
    lines = [line for title, texts in essay("en") for line in [title, *textwrap.wrap(" ".join(texts), 85)]]
    for cell in range(6):
        canvas.saveState()
        canvas.translate(20 + 285 * (cell % 2), 570 - 270 * (cell // 2))
        canvas.scale(0.5, 0.5)
        for number, line in enumerate(lines[cell * 12 : cell * 12 + 12]):
            canvas.setFont("Helvetica", 11)
            canvas.drawString(40, 480 - 30 * number, line)
        canvas.restoreState()
    canvas.save()
    return stream.getvalue()


def pictures(pages: Sequence[bytes], *, layer: Sequence[str] = ()) -> bytes:
    """Pages that are pictures, as a scanner makes them; `layer` is the text that a machine recognised under them."""
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    stream = BytesIO()
    canvas = Canvas(stream, pagesize=SHEET, invariant=1)
    for number, page in enumerate(pages):
        if layer:
            text = canvas.beginText(60, 780)
            text.setTextRenderMode(3)
            text.setFont("Helvetica", 11)
            for line in textwrap.wrap(layer[number], 90):
                text.textLine(line)
            canvas.drawText(text)
        canvas.drawImage(ImageReader(BytesIO(page)), 0, 0, *SHEET)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def photographs(pdf: bytes) -> list[bytes]:
    """Render the pages of a PDF to grey JPEGs, a little dirty."""
    import pypdfium2

    shots = []
    for page in pypdfium2.PdfDocument(pdf):
        stream = BytesIO()
        page.render(scale=1.4, grayscale=True).to_pil().save(stream, "JPEG", quality=35)
        shots.append(stream.getvalue())
    return shots


def without_mapping(pdf: bytes) -> bytes:
    """Take away the table from glyphs to letters, so that the text can be seen but not read."""
    return pdf.replace(b"/ToUnicode", b"/NoUnicode")


def wrong_mapping(pdf: bytes) -> bytes:
    """Sort the table from glyphs to letters: what is read are letters, but not those that are seen."""

    def sorted_out(found: re.Match[bytes]) -> bytes:
        body = found.group(2)
        try:
            table = zlib.decompressobj().decompress(body)
        except zlib.error:
            return found.group()
        if b"begincmap" not in table:
            return found.group()
        targets = re.findall(rb"<[0-9A-Fa-f]{4}>(?=\s*$)", table, re.MULTILINE)
        turn = iter(sorted(targets))
        mapped = re.sub(rb"<[0-9A-Fa-f]{4}>(?=\s*$)", lambda _: next(turn), table, flags=re.MULTILINE)
        packed = zlib.compress(mapped.replace(b" \n", b"\n"), 9)
        return found.group(1) + packed.ljust(len(body), b"\0")[: max(len(packed), len(body))] + found.group(3)

    return re.sub(rb"(/Length \d+\s*>>\s*stream\r?\n)(.*?)((?:\r?\n)?endstream)", sorted_out, pdf, flags=re.DOTALL)


# -- bytes by hand ---------------------------------------------------------------------------------


def raw(
    contents: Sequence[bytes],
    *,
    page: bytes = b"",
    catalog: bytes = b"",
    resources: bytes = b"",
    fonts: bytes = b"",
    extra: Sequence[bytes] = (),
    count: int | None = None,
    kids: Sequence[int] | None = None,
    box: bytes = b"[0 0 595 842]",
) -> bytes:
    """Write a PDF object by object: what no library would write. `extra` objects are numbered from 100."""
    numbers = [10 + 2 * i for i in range(len(contents))]
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        2: b"<< /Type /Pages /Count %d /Kids [%s] >>"
        % (len(contents) if count is None else count, b" ".join(b"%d 0 R" % n for n in (kids or numbers))),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for number, content in zip(numbers, contents, strict=True):
        objects[number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox %s /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R %s >> %s >> %s >>" % (box, number + 1, fonts, resources, page)
        )
        objects[number + 1] = b"<< /Length %d >> stream\n%s\nendstream" % (len(content), content)
    return written(objects | dict(enumerate(extra, start=100)))


def written(objects: dict[int, bytes]) -> bytes:
    """Number the objects of a PDF and write their table of places."""
    out, places = bytearray(b"%PDF-1.7\n"), {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in places.items():
        out += b"%d 1\n%010d 00000 n \n" % (number, place)
    return bytes(out + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (max(objects) + 1, start))


def shown(
    text: str, *, at: tuple[float, float] = (60, 780), size: float = 11, width: int = 88, state: bytes = b""
) -> bytes:
    """Operators that show a text, wrapped."""
    plain = text.replace("←", "=").replace("√", "sqrt").replace("−", "-").replace("²", "2")
    lines = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in textwrap.wrap(plain, width)]
    operators = b"".join(b"(%s) Tj T*\n" % line.encode("latin-1", "replace") for line in lines)
    return b"BT /F1 %.2f Tf %.2f TL %s 1 0 0 1 %.1f %.1f Tm\n%sET\n" % (size, 1.4 * size, state, *at, operators)


def _streamed(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< %s /Length %d >> stream\n%s\nendstream" % (entries, len(content), content)


def _mapped(letters: dict[int, str]) -> bytes:
    """A table that says which letter each code is, whatever its shape."""
    rows = b"".join(b"<%02X> <%04X>\n" % (code, ord(letter)) for code, letter in letters.items())
    return _streamed(
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        b"1 begincodespacerange <00> <FF> endcodespacerange\n%d beginbfchar\n%sendbfchar\n"
        b"endcmap CMapName currentdict /CMap defineresource pop end end" % (len(letters), rows)
    )


def _plain(text: str) -> str:
    return text.translate(str.maketrans("←√−²", "=r-2"))


def _spelled(text: str, at: tuple[float, float], show: Callable[[str], bytes]) -> bytes:
    """Operators that show every line of a text by `show`."""
    rows = b"".join(show(line) + b" T*\n" for line in textwrap.wrap(_plain(text), 88))
    return b"BT /F1 11 Tf 15.4 TL 1 0 0 1 %.1f %.1f Tm\n%sET\n" % (*at, rows)


def _literal(text: str) -> bytes:
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return b"(%s)" % escaped.encode("latin-1", "replace")


def _every_second_letter(text: str, at: tuple[float, float]) -> bytes:
    def show(line: str) -> bytes:
        return b" ".join(b"%d g %s Tj" % (i % 2, _literal(letter)) for i, letter in enumerate(line))

    return _spelled(text, at, show) + b"0 g\n"


def _claimed(text: str, at: tuple[float, float]) -> bytes:
    """Lines of small talk, each of which says that it is a line of the text."""
    talk = iter(textwrap.wrap(" ".join([TALK] * 30), 88))
    return _spelled(
        text, at, lambda line: b"/Span << /ActualText %s >> BDC %s Tj EMC" % (_literal(line), _literal(next(talk)))
    )


def _other_letters(text: str) -> bytes:
    """A font whose shapes are not the letters that it says they are: small letters moved on by seven."""
    moved = {97 + i: chr(97 + (i + 7) % 26) for i in range(26)}
    codes = {letter: chr(code) for code, letter in moved.items()}
    letters = {code: moved.get(code, chr(code)) for code in range(32, 127)}
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding /ToUnicode 101 0 R >>"
    said = _spelled(text, (60, 600), lambda line: _literal("".join(codes.get(c, c) for c in line)) + b" Tj")
    content = shown(TALK) + said.replace(b"/F1 11 Tf", b"/F2 11 Tf")
    return raw([content], fonts=b"/F2 100 0 R", extra=[font, _mapped(letters)])


def _blocks(text: str) -> bytes:
    """A font that paints the same block for every letter."""
    codes = range(33, 127)
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 600 800] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 33 "
        b"/LastChar 126 /Widths [%s] /Encoding << /Differences [33 %s] >> /CharProcs << %s >> /Resources << >> "
        b"/ToUnicode 102 0 R >>"
        % (b"600 " * 94, b" ".join(b"/c%d" % c for c in codes), b" ".join(b"/c%d 101 0 R" % c for c in codes))
    )
    block = _streamed(b"600 0 0 0 600 800 d1 0 0 500 700 re f")
    said = _spelled(text, (40, 600), lambda line: _literal(line) + b" Tj")
    content = shown(TALK) + said.replace(b"/F1 11 Tf", b"/F2 9 Tf")
    return raw([content], fonts=b"/F2 100 0 R", extra=[font, block, _mapped({c: chr(c) for c in codes})])


def typed_on(*, flags: int = 4, under: bytes = b"") -> bytes:
    """A report whose text was typed on an empty page with a PDF viewer, as boxes of text."""
    said = shown(
        " ".join(text for title, texts in essay("en", numbered=False, each=1) for text in [f"{title}.", *texts])
    )
    box = b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
    note = b"<< /Type /Annot /Subtype /FreeText /Rect [0 0 595 842] /F %d /DA (/F1 11 Tf 0 g) /AP << /N 101 0 R >> >>"
    return raw([under], page=b"/Annots [100 0 R]", extra=[note % flags, _streamed(said, box)])


def _hidden(kind: str) -> bytes:
    """A report whose four introductions nobody sees, each kind in its own way."""
    secret = " ".join(text for title, texts in essay("en", numbered=False) for text in [f"{title}.", *texts])
    talk = shown(TALK)
    low: dict[str, Any] = {"at": (60.0, 600.0)}
    dots = (
        b"<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8 "
        b"/Length 4 >> stream\n\xe0\xd0\xf0\xe8\nendstream"
    )
    picture: dict[str, Any] = {"resources": b"/XObject << /I 100 0 R >>", "extra": [dots]}
    alpha: dict[str, Any] = {
        "resources": b"/ExtGState << /G 100 0 R >>",
        "extra": [b"<< /Type /ExtGState /ca 0 /CA 0 >>"],
    }
    layer: dict[str, Any] = {
        "resources": b"/Properties << /L 100 0 R >>",
        "extra": [b"<< /Type /OCG /Name (notes) >>"],
        "catalog": b"/OCProperties << /OCGs [100 0 R] /D << /OFF [100 0 R] /Order [100 0 R] >> >>",
    }
    strips = b" ".join(b"0 %d 595 0.8 re" % y for y in range(0, 620, 5))
    made: dict[str, Callable[[], bytes]] = {
        "white": lambda: raw([talk + b"1 g\n" + shown(secret, **low)]),
        "near-white": lambda: raw([talk + b"0.985 g\n" + shown(secret, **low)]),
        "same-as-box": lambda: raw([talk + b"0 0.2 0.6 rg 40 60 520 570 re f\n" + shown(secret, **low)]),
        "mode-3": lambda: raw([talk + shown(secret, state=b"3 Tr", **low)]),
        "transparent": lambda: raw([talk + b"/G gs\n" + shown(secret, **low)], **alpha),
        "clipped": lambda: raw([talk + b"q 0 0 1 1 re W n\n" + shown(secret, **low) + b"Q\n"]),
        "under-box": lambda: raw([talk + shown(secret, **low) + b"0.9 g 40 40 520 590 re f\n"]),
        "under-picture": lambda: raw([talk + shown(secret, **low) + b"q 520 0 0 590 40 40 cm /I Do Q\n"], **picture),
        "off-page": lambda: raw([talk + shown(secret, at=(60, -200))]),
        "cropped": lambda: raw([talk + shown(secret, at=(60, 500))], page=b"/CropBox [0 560 595 842]"),
        "layer-off": lambda: raw([talk + b"/OC /L BDC\n" + shown(secret, **low) + b"EMC\n"], **layer),
        "one-point": lambda: raw([talk + shown(secret, size=1, width=400, **low)]),
        "shrunk": lambda: raw([talk + b"q 0.08 0 0 0.08 60 600 cm\n" + shown(secret, at=(0, 0)) + b"Q\n"]),
        "behind-text": lambda: raw([talk + b"1 g\n" + shown(secret[: len(TALK)])]),
        "other-letters": lambda: _other_letters(secret),
        "blocks": lambda: _blocks(secret),
        "strips": lambda: raw([talk + b"q %s W n\n" % strips + shown(secret, **low) + b"Q\n"]),
        "under-dashes": lambda: raw([talk + b"1 g\n" + shown(secret, **low) + b"0 g\n" + shown("- " * 1500, **low)]),
        "every-second-letter": lambda: raw([talk + _every_second_letter(secret, (60.0, 600.0))]),
    }
    return made[kind]()


# -- other producers -------------------------------------------------------------------------------


def page_of(sections: Sequence[Section], *, style: str = "", language: str = "en", after: str = "") -> str:
    """The essay as a web page."""
    body = "".join(
        f"<h2>{html.escape(title)}</h2>" + "".join(f"<p>{html.escape(text)}</p>" for text in texts)
        for title, texts in sections
    )
    head = f'<meta charset="utf-8"><style>body{{font-size:12pt}}{style}</style>'
    return f'<!doctype html><html lang="{language}">{head}<body>{body}{after}'


METHODS_BY_ASPECT = [
    ("", "SGD", "Momentum", "Adagrad", "RMSprop"),
    (
        "How",
        "Takes one random sample and updates the weights with its gradient",
        "Adds a share of the step before to the gradient step",
        "Divides the learning rate of each weight by the root of its summed squared gradients",
        "Keeps a moving average of the squared gradients in place of their sum",
    ),
    (
        "Good for",
        "It is cheap on large data sets",
        "It damps the zig-zag in narrow valleys",
        "It suits sparse features",
        "The step size does not vanish",
    ),
    ("Bad", "The path is noisy", "It may overshoot", "The rate shrinks to zero", "It needs a decay rate"),
]


def _table(rows: Sequence[Sequence[str]]) -> str:
    cells = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    style = "<style>td{border:1px solid;vertical-align:top;padding:3px}</style>"
    return f"{style}<p>{TALK}</p><table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table><p>{TALK}</p>"


def chromium(source: str) -> bytes:
    """Print a page as a browser's "save as PDF" does."""
    with tempfile.TemporaryDirectory() as folder:
        page, pdf = Path(folder, "report.html"), Path(folder, "report.pdf")
        page.write_text(source, encoding="utf-8")
        subprocess.run(
            ["chromium", *CHROMIUM, f"--user-data-dir={folder}/profile", f"--print-to-pdf={pdf}", str(page)],
            check=True,
            capture_output=True,
            timeout=120,
        )
        return pdf.read_bytes()


def libreoffice(source: str) -> bytes:
    """Export a document as an office suite does."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        page.write_text(source, encoding="utf-8")
        subprocess.run(
            [
                "soffice",
                f"-env:UserInstallation=file://{folder}/profile",
                "--headless",
                "--infilter=HTML (StarWriter)",
                "--convert-to",
                "pdf:writer_pdf_Export",
                "--outdir",
                folder,
                str(page),
            ],
            check=True,
            capture_output=True,
            timeout=180,
        )
        return page.with_suffix(".pdf").read_bytes()


def latex(sections: Sequence[Section], *, options: str = "11pt", heads: str = "section") -> bytes:
    """Typeset with pdfLaTeX, formulas and all."""
    formulas = {
        "SGD": r"\theta_{t+1} = \theta_t - \eta \nabla L_i(\theta_t)",
        "Momentum": r"v_{t+1} = \gamma v_t + \eta g_t, \quad \theta_{t+1} = \theta_t - v_{t+1}",
        "Adagrad": r"\theta_{t+1} = \theta_t - \frac{\eta}{\sqrt{\sum_{i=0}^{t} g_i^2}} g_t",
        "RMSprop": r"E[g^2]_t = \rho E[g^2]_{t-1} + (1-\rho) g_t^2",
    }
    special = str.maketrans(
        {"_": r"\_", "^": r"\^{}", "&": r"\&", "%": r"\%", "#": r"\#", "<": "$<$", "{": r"\{", "}": r"\}"}
    )
    parts = []
    for title, texts in sections:
        head = rf"\{heads}{{{title}}}" if heads != "paragraph" else rf"\paragraph{{{title}.}}"
        parts.append("\n\n".join([head, *(text.translate(special) for text in texts), rf"\[ {formulas[title]} \]"]))
    source = (
        rf"\documentclass[a4paper,{options}]{{article}}\usepackage[T1]{{fontenc}}\begin{{document}}"
        + "\n\n".join(parts)
        + r"\end{document}"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "report.tex").write_text(source, encoding="utf-8")
        subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "report.tex"],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=120,
        )
        return Path(folder, "report.pdf").read_bytes()


def matplotlib(kind: int | None) -> bytes:
    """Text in figures: fonts of type 3 or 42, or outlines where no text is left."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath

    stream = BytesIO()
    with mpl.rc_context({"pdf.fonttype": kind or 3}), PdfPages(stream, metadata={"CreationDate": None}) as document:
        halves = essay("en", numbered=False)
        for half in (halves[:2], halves[2:]) if kind else (halves[:1],):
            figure = Figure(figsize=(8.27, 11.69))
            y = 0.95
            for title, texts in half:
                for line in [title, *textwrap.wrap(" ".join(texts), 84), ""][: None if kind else 5]:
                    said = line.replace("$", r"\$")
                    if kind:
                        figure.text(0.08, y, said, fontsize=14 if line == title else 10, parse_math=False)
                    elif said:
                        figure.add_artist(
                            PathPatch(TextPath((45, 800 * y), said, size=10), lw=0, fc="black", transform=None)
                        )
                    y -= 0.021
            document.savefig(figure)
    return stream.getvalue()


# -- the set ---------------------------------------------------------------------------------------


def _watermark(canvas: Any, page: int) -> None:
    canvas.saveState()
    canvas.setFont("Helvetica", 90)
    canvas.setFillGray(0.93)
    canvas.translate(120, 250)
    canvas.rotate(45)
    canvas.drawString(0, 0, f"DRAFT {page}")
    canvas.restoreState()


def _blue(canvas: Any, page: int) -> None:
    canvas.setFillColorRGB(0.05, 0.1, 0.4 + 0.01 * page)
    canvas.rect(0, 0, 600, 850, stroke=0, fill=1)


def _references(script: str) -> list[Section]:
    listed = [text for _, texts in essay("en", numbered=False) for text in texts]
    title = "References" if script == "en" else "參考文獻"
    return [("Homework 1", [TALK]), (title, listed)]


def _english(sections: Sequence[Section]) -> list[Section]:
    return [(title, [text.replace("←", "=") for text in texts]) for title, texts in sections]


def _scan() -> list[bytes]:
    return photographs(reportlab("scan", essay("en")))


def _reflowed() -> bytes:
    """Words broken at line ends by hand, wide letters, and a soft hyphen."""
    text = (
        PASSAGES["t-en-adagrad-2"]
        .replace("Adaptive Gradient", "Ada-\nptive Gra-\ndient")
        .replace("squared", "squa\u00adred")
    )
    lines = textwrap.wrap(text, 60)
    wide = " ".join(lines).replace("SGD", "ＳＧＤ")
    return reportlab("reflowed", [("Adagrad", [wide])], chinese=True)


def _encrypted(**passwords: str) -> Any:
    from reportlab.lib.pdfencrypt import StandardEncryption

    return StandardEncryption(passwords.get("user", ""), ownerPassword="owner", canCopy=0, strength=128)


def _unembedded() -> bytes:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont("MSung-Light"))
    return reportlab("unembedded", essay("tw"), chinese=True, font="MSung-Light")


NOTO = "body{font-family:'Noto Serif CJK TC'}"
SANS = "body{font-family:'Noto Sans CJK SC'}"
FILES: dict[str, Callable[[], bytes]] = {
    # honest work, many hands
    "reportlab-en": lambda: reportlab("en", essay("en")),
    "reportlab-tw": lambda: reportlab("tw", essay("tw"), chinese=True),
    "reportlab-cn": lambda: reportlab("cn", essay("cn"), chinese=True),
    "reportlab-mixed": lambda: reportlab("mixed", [*essay("en")[:2], *essay("tw")[2:]], chinese=True),
    "reportlab-two-columns": lambda: reportlab("columns", essay("en"), columns=2, size=10),
    "reportlab-tw-two-columns": lambda: reportlab("columns", essay("tw"), chinese=True, columns=2, size=10),
    "reportlab-rotated-90": lambda: reportlab("turned", essay("en"), turn=90),
    "reportlab-rotated-180": lambda: reportlab("turned", essay("en"), turn=180),
    "reportlab-rotated-270": lambda: reportlab("turned", essay("tw"), chinese=True, turn=270),
    "reportlab-white-on-blue": lambda: reportlab("blue", essay("en"), colour=1.0, decorate=_blue),
    "reportlab-grey": lambda: reportlab("grey", essay("en"), colour=0.45),
    "reportlab-watermark": lambda: reportlab("watermark", essay("en"), decorate=_watermark),
    "reportlab-owner-password": lambda: reportlab("owner", essay("en"), encrypt=_encrypted()),
    "reportlab-running-heads": lambda: reportlab("heads", essay("en"), furniture=True),
    "reportlab-junk-before": lambda: b"\r\nreceived by mail\r\n" + reportlab("junk", essay("en")),
    "reportlab-letter": lambda: reportlab("letter", essay("en"), sheet=(612, 792)),
    "reportlab-three-pages": lambda: reportlab("three", essay("en"), pages=3),
    "reportlab-reflowed": _reflowed,
    "reportlab-unembedded": _unembedded,
    "chromium-en": lambda: chromium(page_of(essay("en"))),
    "chromium-tw-serif": lambda: chromium(page_of(essay("tw"), style=NOTO, language="zh-TW")),
    "chromium-cn-sans": lambda: chromium(page_of(essay("cn"), style=SANS, language="zh-CN")),
    "chromium-tw-wenquanyi": lambda: chromium(
        page_of(essay("tw"), style="body{font-family:'WenQuanYi Zen Hei'}", language="zh-TW")
    ),
    "chromium-two-columns": lambda: chromium(page_of(essay("en"), style="body{columns:2;font-size:10pt}")),
    "chromium-tw-two-columns": lambda: chromium(page_of(essay("tw"), style=NOTO + "body{columns:2}", language="zh-TW")),
    "chromium-dark": lambda: chromium(
        page_of(essay("en"), style="html{background:#111;color:#eee;-webkit-print-color-adjust:exact}")
    ),
    "chromium-same-size-heads": lambda: chromium(page_of(essay("en", numbered=False), style="h2{font-size:12pt}")),
    "chromium-covered-by-accident": lambda: chromium(
        page_of(
            essay("en"),
            after="<div style='position:absolute;top:0;left:0;width:60mm;height:8mm;background:#fff'></div>",
        )
    ),
    "chromium-spaced-letters": lambda: chromium(
        page_of(essay("en"), style="p{letter-spacing:.25em}h2{letter-spacing:.15em}body{font-size:9pt}")
    ),
    "chromium-table-by-column": lambda: chromium(page_of([], after=_table(METHODS_BY_ASPECT))),
    "chromium-table-by-row": lambda: chromium(page_of([], after=_table(list(zip(*METHODS_BY_ASPECT, strict=True))))),
    "libreoffice-en": lambda: libreoffice(page_of(essay("en"))),
    "libreoffice-tw": lambda: libreoffice(page_of(essay("tw"), style=NOTO, language="zh-TW")),
    "libreoffice-cn": lambda: libreoffice(
        page_of(essay("cn"), style="body{font-family:'WenQuanYi Zen Hei'}", language="zh-CN")
    ),
    "latex-en": lambda: latex(_english(essay("en", numbered=False))),
    "latex-two-columns": lambda: latex(_english(essay("en", numbered=False)), options="10pt,twocolumn"),
    "latex-run-in-heads": lambda: latex(_english(essay("en", numbered=False)), heads="paragraph"),
    "matplotlib-type-3": lambda: matplotlib(3),
    "matplotlib-type-42": lambda: matplotlib(42),
    # topics left out, listed, thin
    "topics-no-rmsprop": lambda: reportlab("three topics", essay("en", without=["rmsprop"])),
    "topics-tw-no-adagrad": lambda: reportlab(
        "three topics", essay("tw", without=["adagrad", "rmsprop"]), chinese=True
    ),
    "topics-thin": lambda: reportlab(
        "thin",
        [
            (TITLES[t], [PASSAGES[f"t-tw-thin-{i}"]])
            for i, t in ((1, "sgd"), (3, "momentum"), (2, "adagrad"), (4, "rmsprop"))
        ],
        chinese=True,
    ),
    "topics-listed": lambda: reportlab(
        "listed", [("Report", [TALK, "The optimizers are SGD, Momentum, Adagrad and RMSprop."])]
    ),
    "topics-stuffed": lambda: reportlab(
        "stuffed", [("Report", [TALK, *(PASSAGES[f"t-en-stuffed-{i}"] for i in (1, 2, 3))])]
    ),
    "topics-only-in-references": lambda: reportlab("references", _references("en")),
    "topics-tw-only-in-references": lambda: reportlab("references", _references("tw"), chinese=True),
    "topics-none": lambda: reportlab("none", [("Report", [TALK])]),
    # pages
    "pages-four": lambda: reportlab("four", essay("en"), pages=4),
    "pages-blank": lambda: reportlab("blank", essay("en", each=1), blank=True),
    "pages-fourth-is-empty": lambda: raw([*[shown(" ".join(t)) for _, t in essay("en", each=1)[:3]], b""]),
    "xfa-form": lambda: raw(
        [shown("Please wait... If this message is not eventually replaced, your viewer cannot show this document.")],
        catalog=b"/AcroForm << /Fields [] /XFA (<xdp/>) >> /NeedsRendering true",
    ),
    "portfolio": lambda: raw([shown(TALK)], catalog=b"/Collection << /View /D >>"),
    "pages-six-up": six_up,
    "pages-poster": lambda: reportlab("poster", essay("en"), sheet=(2384, 3370), size=40),
    "pages-a3": lambda: reportlab("a3", essay("en"), sheet=(842, 1191), size=14),
    "pages-user-unit": lambda: raw([shown(" ".join(essay("en", each=1)[0][1]))], page=b"/UserUnit 3"),
    "pages-count-too-low": lambda: raw([shown(TALK)] * 5, count=1),
    "pages-count-too-high": lambda: raw([shown(TALK)], count=3),
    "pages-in-a-loop": lambda: raw([shown(TALK)], kids=[2]),
    "pages-same-page-often": lambda: raw([shown(TALK)], kids=[10] * 40, count=40),
    # unreadable
    "scan": lambda: pictures(_scan()),
    "scan-with-text-layer": lambda: pictures(_scan(), layer=[" ".join(t for _, ts in essay("en")[:2] for t in ts)] * 2),
    "outlines": lambda: matplotlib(None),
    "no-mapping-tw": lambda: without_mapping(reportlab("unmapped", essay("tw"), chinese=True)),
    "wrong-mapping-tw": lambda: wrong_mapping(reportlab("mapped", essay("tw"), chinese=True)),
    "password": lambda: reportlab("password", essay("en"), encrypt=_encrypted(user="secret")),
    "truncated": lambda: reportlab("truncated", essay("tw"), chinese=True)[:9000],
    "empty": lambda: b"",
    "word-renamed": lambda: b"PK\x03\x04" + bytes(200),
    "page-renamed": lambda: page_of(essay("en")).encode(),
    "picture-renamed": lambda: b"\x89PNG\r\n\x1a\n" + bytes(200),
    "typed-on": typed_on,
    "claimed-by-the-file": lambda: raw(
        [_claimed(" ".join(text for _, texts in essay("en") for text in texts), (60, 780))]
    ),
    "coloured-as-bright": lambda: raw(
        [b"1 0.2 0.2 rg 0 0 595 842 re f 0 0.5 0.1 rg\n" + shown(" ".join(essay("en", each=1)[0][1]))]
    ),
    "hidden-beside-letters": beside_letters,
    "typed-on-and-not-shown": lambda: typed_on(flags=32, under=shown(TALK, at=(60, 200))),
} | {
    f"hidden-{kind}": (lambda kind=kind: _hidden(kind))
    for kind in (
        "white",
        "near-white",
        "same-as-box",
        "mode-3",
        "transparent",
        "clipped",
        "under-box",
        "under-picture",
        "off-page",
        "cropped",
        "layer-off",
        "one-point",
        "shrunk",
        "behind-text",
        "other-letters",
        "blocks",
        "strips",
        "under-dashes",
        "every-second-letter",
    )
}


def main(names: Sequence[str]) -> None:
    """Make the named files, or all."""
    missing = [tool for tool in ("chromium", "soffice", "pdflatex") if not shutil.which(tool)]
    if missing:
        sys.stderr.write(f"not installed: {', '.join(missing)}\n")
    for name in names or FILES:
        (HERE / f"{name}.pdf").write_bytes(FILES[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
