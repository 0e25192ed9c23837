"""Reads the pages of a scanned PDF by text recognition and prints their lines as JSON; runs inside the jail.

Started as `python -I /job/recognise.py /job/report.pdf PAGES` by `grader.report.read` where a report has no text and
the extra `ocr` is installed. It imports nothing of the grader and nothing that it prints is trusted.

Each page is one line of output, printed as soon as it is read, so that a time limit keeps the pages before it.
Boxes are `left, top, right, bottom` in points from the top left corner of the page as it is shown.
"""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any

SCALE = 100 / 72  # more dots an inch took longer and read no better
PIXELS = 2_000_000
LINES_KEPT = 400
LETTERS_KEPT = 200


def main(argv: list[str]) -> int:
    """Print one line of JSON for each page."""
    path, pages = argv[1], int(argv[2])
    printed = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # nothing but the answer may reach the grader, whatever a library prints
    import pypdfium2

    read = _reader()
    document = pypdfium2.PdfDocument(path)
    for number in range(min(len(document), pages)):
        printed.write(json.dumps(_page(document[number], number + 1, read), allow_nan=False) + "\n")
        printed.flush()
    return 0


def _reader() -> Any:
    """The engine, on one processor: others are at work on the next student."""
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _page(page: Any, number: int, read: Any) -> dict[str, Any]:
    width, height = page.get_size()
    scale = min(SCALE, math.sqrt(PIXELS / max(width * height, 1.0)))
    found = read(page.render(scale=scale).to_numpy())
    texts, boxes = (() if part is None else part for part in (found.txts, found.boxes))
    lines = [_line(text, box, scale) for text, box in zip(texts, boxes, strict=True)]
    return {"number": number, "width": round(width, 2), "height": round(height, 2), "lines": lines[:LINES_KEPT]}


def _line(text: str, corners: Any, scale: float) -> tuple[str, float, float, float, float]:
    across, down = ([round(float(corner[axis]) / scale, 1) for corner in corners] for axis in (0, 1))
    return text[:LETTERS_KEPT], min(across), min(down), max(across), max(down)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
