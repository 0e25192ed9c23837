"""Reads one PDF with one engine and prints what it saw as bounded JSON; runs inside the jail.

Started as `python -I /job/parse.py ENGINE /job/report.pdf` by `grader.report.read`, each engine in a process of its
own, since either may abort on a hostile file. It imports nothing of the grader and nothing that it prints is trusted.

ENGINE is `pdfium` (text, pictures and what is really painted), `pdfplumber` (text) or `pdfplumber-count` (pages only).
Boxes are `left, top, right, bottom` in points from the top left corner of the page as it is shown.
A word says whether its font is neither in the file nor on this machine, which therefore cannot draw it, and last where
each of its letters is: four numbers a letter, in tenths of a point from the word's top left corner.
"""

from __future__ import annotations

import base64
import ctypes
import json
import math
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

PAGES_READ = 5  # three are allowed; two more show a teacher what follows
GLYPHS_READ = 40_000  # a dense page of Chinese holds 2,000
WORDS_KEPT = 8_000
OUTPUT_BYTES = 3_500_000
INK_SCALE = 100 / 72
STAND_IN_BYTES = 1_000_000  # fonts that pdfium brings are smaller and hold no Chinese; those that hold it are larger
BEYOND_LATIN = 0x0250
LAID_ON = ("FREETEXT", "INK", "STAMP", "WIDGET")  # annotations that show text: typed or written on top, form fields
HAN = frozenset((*range(0x2E80, 0x2FE0), *range(0x3400, 0xA000)))
HAN_TOGETHER = 4  # in one word, since no letter may vouch for many others that they are seen
INK_PIXELS = 4_000_000  # a poster is rendered coarser, never larger
INK_CHANGE = 40  # of 255; below it is antialiasing
PICTURED = 3  # pages that a reader is shown small, with the evidence boxed
PICTURE_PIXELS = 520_000  # A4 at 72 dots an inch
PICTURE_BYTES = 56_000
PICTURE_LEVELS = (8, 4, 2)  # of grey; fewer where a page would be too large
LINE_JUMP = 3.0  # times the size of the letters
FORM_DEPTH = 8
OBJECTS_READ = 50_000
STROKES = (2.0, 40.0)  # points; a drawn letter, or a line of them, is as high as this
STROKE_SEGMENTS = 6  # of its outline; a box, a tick and a rule have fewer
SEGMENTS_DRAWN = 1000  # of shapes that differ, as letters do and the marks of a plot do not; two lines of text

Json = dict[str, Any]
Word = tuple[str, float, float, float, float, float, int, bool, list[int]]


def main(argv: list[str]) -> int:
    """Print the JSON of one engine; an exception becomes an answer, for the process may not stay silent."""
    engine, path = argv[1:3]
    try:
        answer = ENGINES[engine](path)
    except Exception as error:  # the border of this process: pdfplumber raises bare TypeErrors too
        answer = {"error": _kind(error), "detail": f"{type(error).__name__}: {error}"[:300]}
    sys.stdout.write(_bounded({"engine": engine, **answer}))
    return 0


def _kind(error: Exception) -> str:
    seen: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(seen) < 5:
        seen += [type(cause).__name__, str(cause), *(type(inner).__name__ for inner in cause.args)]
        cause = cause.__cause__ or cause.__context__
    text = " ".join(seen).lower()
    return "encrypted" if "password" in text or "encryption" in text else "failed"


def _bounded(answer: Json) -> str:
    """Encode within the size limit: first the pictures go, then the ink, then the words, never the page count."""
    for key in ("", "picture", "ink", "words"):
        for sheet in answer.get("sheets", ()) if key else ():
            sheet[key] = [] if key == "words" else None
            answer["cut"] = answer.get("cut", False) or key != "picture"
        text = json.dumps(answer, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
        if len(text) <= OUTPUT_BYTES:
            break
    return text


# -- pdfium --------------------------------------------------------------------------------------


def with_pdfium(path: str) -> Json:
    """Text with boxes, the share of pictures, and the pixels that only text paints."""
    import pypdfium2
    import pypdfium2.raw as raw

    document = pypdfium2.PdfDocument(path)
    answer: Json = {"pages": len(document), "sheets": [], "notices": []}
    if raw.FPDFDoc_GetJavaScriptActionCount(document.raw) > 0:
        answer["notices"].append("javascript")
    if raw.FPDFDoc_GetAttachmentCount(document.raw) > 0:
        answer["notices"].append("attachments")
    if document.get_formtype() in (raw.FORMTYPE_XFA_FULL, raw.FORMTYPE_XFA_FOREGROUND):
        answer["notices"].append("xfa-form")
    for number in range(min(len(document), PAGES_READ)):
        try:
            answer["sheets"].append(_pdfium_sheet(_as_shown(document, number, raw), number + 1, raw))
        except Exception as error:  # one broken page leaves the others readable
            answer["sheets"].append({"number": number + 1, "error": f"{type(error).__name__}: {error}"[:300]})
    return answer


def _as_shown(document: Any, number: int, raw: Any) -> Any:
    """A page with the text that annotations and form fields lay on it, and without what only claims to be its text."""
    page = document[number]
    if _laid_on(page, raw):
        raw.FPDFPage_Flatten(page.raw, raw.FLAT_NORMALDISPLAY)
        page = document[number]
    for thing, _ in _walk(page, raw):
        for index in reversed(range(raw.FPDFPageObj_CountMarks(thing))):
            mark = raw.FPDFPageObj_GetMark(thing, index)
            if raw.FPDFPageObjMark_GetParamValueType(mark, b"ActualText") == raw.FPDF_OBJECT_STRING:
                raw.FPDFPageObj_RemoveMark(thing, mark)
    return page


def _laid_on(page: Any, raw: Any) -> bool:
    """Say whether annotations lay text on a page; those that are not shown on a screen are taken away."""
    kinds = {getattr(raw, f"FPDF_ANNOT_{kind}") for kind in LAID_ON}
    unseen = raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW
    any_laid = False
    for index in reversed(range(min(raw.FPDFPage_GetAnnotCount(page.raw), OBJECTS_READ))):
        found = raw.FPDFPage_GetAnnot(page.raw, index)
        if not found:
            continue
        kind, hidden = raw.FPDFAnnot_GetSubtype(found), raw.FPDFAnnot_GetFlags(found) & unseen
        raw.FPDFPage_CloseAnnot(found)
        any_laid |= kind in kinds and not hidden
        if hidden:
            raw.FPDFPage_RemoveAnnot(page.raw, index)
    return any_laid


def _pdfium_sheet(page: Any, number: int, raw: Any) -> Json:
    place = _placer(page)
    words, cut = _pdfium_words(page, raw, place)
    pictures, modes, drawn = _objects(page, raw, place)
    width, height = page.get_size()
    return {
        "number": number,
        "width": round(width, 2),
        "height": round(height, 2),
        "words": words,
        "cut": cut,
        "pictures": pictures,
        "unpainted": modes,
        "drawn": drawn,
        **_pixels(page, raw, number),
    }


def _placer(page: Any) -> Callable[[float, float, float, float], tuple[float, float, float, float]]:
    """Make the map from the PDF's coordinates to points from the top left of the page as shown."""
    left, bottom, right, top = page.get_bbox()
    turn: dict[int, Callable[[float, float], tuple[float, float]]] = {
        0: lambda x, y: (x - left, top - y),
        90: lambda x, y: (y - bottom, x - left),
        180: lambda x, y: (right - x, y - bottom),
        270: lambda x, y: (top - y, right - x),
    }
    shown = turn[page.get_rotation()]

    def place(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        (a, b), (c, d) = shown(x0, y0), shown(x1, y1)
        return min(a, c), min(b, d), max(a, c), max(b, d)

    return place


def _pdfium_words(page: Any, raw: Any, place: Callable[..., Any]) -> tuple[list[Word], bool]:
    text_page = page.get_textpage()
    count = raw.FPDFText_CountChars(text_page.raw)
    words: list[Word] = []
    letters: list[str] = []
    boxes: list[tuple[float, float, float, float]] = []
    size, line, undrawn = 0.0, 0, False

    def close() -> None:
        if letters and boxes:
            words.append(_word("".join(letters), boxes, size, line, undrawn=undrawn))
        letters.clear()
        boxes.clear()

    for letter, box, glyph_size, unknown in _glyphs(text_page.raw, min(count, GLYPHS_READ), raw):
        if letter in "\r\n":
            close()
            line += letter == "\n"
        elif letter.isspace() or box is None:
            close()
        else:
            placed = place(*box)
            if boxes and _far(boxes[-1], placed, LINE_JUMP * max(size, glyph_size)):
                close()  # the engine joins a word that is hyphenated at a line's end
                line += 1
            if len(letters) >= HAN_TOGETHER and HAN.issuperset(map(ord, (*letters[-HAN_TOGETHER:], letter))):
                close()
            letters.append(letter)
            boxes.append(placed)
            size = glyph_size if len(letters) == 1 else max(size, glyph_size)
            undrawn = unknown or (undrawn and len(letters) > 1)
            if len(letters) >= 200:
                close()
    close()
    return words[:WORDS_KEPT], count > GLYPHS_READ or len(words) > WORDS_KEPT


def _glyphs(text_page: Any, count: int, raw: Any) -> Iterator[tuple[str, Any, float, bool]]:
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    matrix = raw.FS_MATRIX()
    fonts: dict[Any, bool] = {}
    high = 0
    for index in range(count):
        code = raw.FPDFText_GetUnicode(text_page, index)
        if 0xD800 <= code < 0xDC00:  # characters beyond the first plane come as two halves
            high = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0xFFFD
        high = 0
        letter = "-" if code in (0x02, 0xFFFE) else chr(code) if code < 0x110000 else "\ufffd"
        if letter == "\0":
            letter = "\ufffd"
        if not raw.FPDFText_GetCharBox(text_page, index, left, right, bottom, top):
            yield letter, None, 0.0, False
            continue
        box = (left.value, bottom.value, right.value, top.value)
        size = raw.FPDFText_GetFontSize(text_page, index)
        if raw.FPDFText_GetMatrix(text_page, index, matrix):
            size *= math.sqrt(abs(matrix.a * matrix.d - matrix.b * matrix.c))
        undrawn = code >= BEYOND_LATIN and _stands_in(text_page, index, raw, fonts)
        yield letter, box if all(map(math.isfinite, box)) else None, size, undrawn


def _stands_in(text_page: Any, index: int, raw: Any, known: dict[Any, bool]) -> bool:
    """Say whether a glyph's font is not in the file, and what stands in for it has no such glyphs."""
    thing = raw.FPDFText_GetTextObject(text_page, index)
    font = raw.FPDFTextObj_GetFont(thing) if thing else None
    if not font:
        return False
    place = ctypes.addressof(font.contents)
    if place not in known:
        size = ctypes.c_size_t()
        raw.FPDFFont_GetFontData(font, None, 0, size)
        known[place] = raw.FPDFFont_GetIsEmbedded(font) == 0 and size.value < STAND_IN_BYTES
    return known[place]


def _far(before: tuple[float, ...], after: tuple[float, ...], distance: float) -> bool:
    return abs(after[0] - before[2]) > distance or abs(after[1] - before[1]) > distance


def _word(
    text: str, boxes: list[tuple[float, float, float, float]], size: float, line: int, *, undrawn: bool = False
) -> Word:
    x0, top, x1, bottom = (round(max(-1e6, min(1e6, side)), 1) for side in _around(boxes))
    letters = [
        max(-99_999, min(99_999, round(10 * (side - start))))
        for box in (boxes if len(boxes) == len(text) else ())
        for side, start in zip(box, (x0, top, x0, top), strict=True)
    ]
    return (text, x0, top, x1, bottom, round(min(size, 1e4), 1), line, undrawn, letters)


def _around(boxes: list[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    x0, top, x1, bottom = zip(*boxes, strict=True)
    return min(x0), min(top), max(x1), max(bottom)


def _objects(page: Any, raw: Any, place: Callable[..., Any]) -> tuple[float, float, bool]:
    """The share of the page under its largest picture and of silent text objects, whether letters are drawn.

    Outlined and handwritten text is many small shapes that differ from each other.
    """
    width, height = page.get_size()
    largest, texts, silent = 0.0, 0, 0
    strokes: set[tuple[int, int, int]] = set()
    box = [ctypes.c_float() for _ in range(4)]
    for thing, depth in _walk(page, raw):
        kind = raw.FPDFPageObj_GetType(thing)
        if kind == raw.FPDF_PAGEOBJ_TEXT:
            texts += 1
            silent += raw.FPDFTextObj_GetTextRenderMode(thing) == raw.FPDF_TEXTRENDERMODE_INVISIBLE
        elif kind == raw.FPDF_PAGEOBJ_IMAGE and depth == 0 and raw.FPDFPageObj_GetBounds(thing, *box):
            x0, top, x1, bottom = place(*(side.value for side in box))
            wide, high = min(x1, width) - max(x0, 0), min(bottom, height) - max(top, 0)
            largest = max(largest, max(wide, 0) * max(high, 0))
        elif kind == raw.FPDF_PAGEOBJ_PATH and raw.FPDFPageObj_GetBounds(thing, *box):
            segments, tall = raw.FPDFPath_CountSegments(thing), box[3].value - box[1].value
            if segments >= STROKE_SEGMENTS and STROKES[0] <= tall <= STROKES[1]:
                strokes.add((segments, round(tall), round(box[2].value - box[0].value)))
    drawn = sum(segments for segments, _, _ in strokes) >= SEGMENTS_DRAWN
    return round(largest / max(width * height, 1.0), 3), round(silent / max(texts, 1), 3), drawn


def _walk(page: Any, raw: Any) -> Iterator[tuple[Any, int]]:
    """Every object of the page, also inside forms; bounded, since forms can nest without end."""
    pending = [
        (raw.FPDFPage_GetObject(page.raw, index), 0)
        for index in range(min(raw.FPDFPage_CountObjects(page.raw), OBJECTS_READ))
    ]
    pending.reverse()
    seen = 0
    while pending and seen < OBJECTS_READ:
        thing, depth = pending.pop()
        seen += 1
        yield thing, depth
        if depth < FORM_DEPTH and raw.FPDFPageObj_GetType(thing) == raw.FPDF_PAGEOBJ_FORM:
            inside = min(raw.FPDFFormObj_CountObjects(thing), OBJECTS_READ)
            pending += [(raw.FPDFFormObj_GetObject(thing, index), depth + 1) for index in range(inside)]


def _pixels(page: Any, raw: Any, number: int) -> Json:
    """Render the page with and without its text: the pixels that change are the text that a reader sees."""
    width, height = page.get_size()
    scale = min(INK_SCALE, math.sqrt(INK_PIXELS / max(width * height, 1.0)))
    whole = page.render(scale=scale).to_pil().convert("RGB")
    for thing, _ in _walk(page, raw):
        if raw.FPDFPageObj_GetType(thing) == raw.FPDF_PAGEOBJ_TEXT:
            raw.FPDFPageObj_Transform(thing, 1, 0, 0, 1, 1e5, 0)
    bare = page.render(scale=scale).to_pil().convert("RGB")
    grey = whole.convert("L")
    return {
        "blank": all(high - low < INK_CHANGE for low, high in whole.getextrema()),
        "ink": {"width": whole.width, "height": whole.height, "bits": _packed(_changed(whole, bare).tobytes())},
        "picture": _picture(grey, width, height) if number <= PICTURED else None,
    }


def _changed(whole: Any, bare: Any) -> Any:
    """One bit per pixel: whether it differs in any colour, as red letters on a grey as bright do."""
    from PIL import ImageChops

    red, green, blue = ImageChops.difference(whole, bare).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return most.point(lambda level: 255 if level > INK_CHANGE else 0).convert("1")


def _picture(whole: Any, width: float, height: float) -> Json | None:
    """Make the page small and of few greys, two pixels a byte; None where even that is too large."""
    from PIL import Image

    scale = min(1.0, math.sqrt(PICTURE_PIXELS / max(width * height, 1.0)))
    small = whole.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BILINEAR)
    for levels in PICTURE_LEVELS:
        few = small.point([grey * levels // 256 * 15 // (levels - 1) for grey in range(256)])
        bits = _packed(Image.frombytes("P", few.size, few.tobytes()).tobytes("raw", "P;4"))
        if len(bits) <= PICTURE_BYTES * 4 / 3:
            return {"width": few.width, "height": few.height, "bits": bits}
    return None


def _packed(pixels: bytes) -> str:
    return base64.b64encode(zlib.compress(pixels, 6)).decode("ascii")


# -- pdfplumber ----------------------------------------------------------------------------------


def with_pdfplumber(path: str) -> Json:
    """Pages and their text in the order in which it is written."""
    return _pdfplumber(path, text=True)


def with_pdfplumber_count(path: str) -> Json:
    """Pages only, for a report whose text the other engine reads well."""
    return _pdfplumber(path, text=False)


def _pdfplumber(path: str, *, text: bool) -> Json:
    import pdfplumber

    with pdfplumber.open(path) as document:
        answer: Json = {"pages": len(document.pages), "sheets": [], "notices": _elsewhere(document.doc.catalog)}
        for number, page in enumerate(document.pages[:PAGES_READ], start=1):
            try:
                answer["sheets"].append(_pdfplumber_sheet(page, number, text=text))
            except Exception as error:  # one broken page leaves the others readable
                answer["sheets"].append({"number": number, "error": f"{type(error).__name__}: {error}"[:300]})
        return answer


def _elsewhere(catalog: Json) -> list[str]:
    """What the catalog says of content that no page shows: a form that only a viewer can draw, a set of other files."""
    form = catalog.get("AcroForm")
    form = form.resolve() if form is not None and hasattr(form, "resolve") else form
    found = ["xfa-form"] if isinstance(form, dict) and "XFA" in form else []
    return [*found, *(["portfolio"] if "Collection" in catalog else [])]


def _pdfplumber_sheet(page: Any, number: int, *, text: bool) -> Json:
    left, top, right, bottom = (float(side) for side in page.bbox)
    unit = page.page_obj.attrs.get("UserUnit", 1)
    words: list[Word] = []
    line, previous = 0, None
    for found in page.extract_words(use_text_flow=True, extra_attrs=["size"]) if text else ():
        if previous is not None and _breaks(previous, found):
            line += 1
        previous = found
        box = (found["x0"] - left, found["top"] - top, found["x1"] - left, found["bottom"] - top)
        words.append((*_word(str(found["text"])[:200], [box], float(found["size"]), line)[:-1], []))
        if len(words) >= WORDS_KEPT:
            break
    return {
        "number": number,
        "width": round(right - left, 2),
        "height": round(bottom - top, 2),
        "unit": float(unit) if isinstance(unit, int | float) else 1.0,
        "words": words,
        "cut": len(words) >= WORDS_KEPT,
    }


def _breaks(before: Json, after: Json) -> bool:
    """A new line begins where the text jumps back, or moves down by more than a subscript does."""
    height = max(before["bottom"] - before["top"], after["bottom"] - after["top"], 1.0)
    middle = (after["top"] + after["bottom"] - before["top"] - before["bottom"]) / 2
    return bool(after["x0"] < before["x0"] - 1.0 or abs(middle) > 0.8 * height)


ENGINES: dict[str, Callable[[str], Json]] = {
    "pdfium": with_pdfium,
    "pdfplumber": with_pdfplumber,
    "pdfplumber-count": with_pdfplumber_count,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv))
