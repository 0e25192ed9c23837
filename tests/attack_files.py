"""Makes the files of attacks that are no cells: bombs stay small in the repository, since they are made when needed."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from make_reports import TALK, raw, written

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp\u2066\x1b[31m{{7*7}}"
Targets = dict[str, Any]


def make(name: str, place: Path, targets: Targets) -> tuple[str, Path]:
    """Make the file of an attack in a new folder; say what kind of job it is, and where it lies."""
    place.mkdir()
    if name in _REPORTS:
        path = place / "report.pdf"
        path.write_bytes(_REPORTS[name](targets))
        return "pdf", path
    student = place / "b10900009"
    student.mkdir()
    _FOLDERS[name](student, targets)
    return "submission", place


# -- notebooks -------------------------------------------------------------------------------------


def _notebook(*sources: str, metadata: Any = None, outputs: Any = ()) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "source": source,
            "metadata": {},
            "execution_count": None,
            "outputs": list(outputs),
        }
        for source in sources
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata or {}, "cells": cells}


def _write(folder: Path, content: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "homework.ipynb").write_text(text, encoding="utf-8")


def _too_deep(folder: Path, _: Targets) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    _write(folder, json.dumps(_notebook("x = 1")).replace('"metadata": {}', f'"metadata": {{"a": {deep}}}', 1))


def _too_large(folder: Path, _: Targets) -> None:
    with (folder / "homework.ipynb").open("wb") as file:
        file.truncate(1 << 40)


def _million_cells(folder: Path, _: Targets) -> None:
    cell = '{"cell_type":"raw","source":""}'
    _write(folder, f'{{"nbformat":4,"nbformat_minor":5,"metadata":{{}},"cells":[{",".join([cell] * 1_000_000)}]}}')


def _odd_numbers(folder: Path, _: Targets) -> None:
    digits = "9" * 1_000_000
    numbers = f"[{digits}, NaN, Infinity, -Infinity, 1e999, -0, {digits}.{digits}]"
    _write(folder, f'{{"nbformat": 4, "nbformat_minor": {digits}, "metadata": {numbers}, "cells": {numbers}}}')


def _deep_code(folder: Path, _: Targets) -> None:
    count = 20_000
    sources = (
        "x = " + "(" * count + "1" + ")" * count,
        "x = " + "-" * count + "1",
        "x = " + "+".join(["1"] * count),
        "x = " + "[" * 150 + "1" + "]" * 150,
        "lr = " + "2 ** " * 500 + "2",
        "if x:\n" + "".join(" " * depth + "if x:\n" for depth in range(1, 150)) + " " * 150 + "pass",
        "x = lambda: " * 500 + "1",
        "x" + ".a" * count,
        "f(" * 500 + ")" * 500,
    )
    _write(folder, _notebook(*sources))


def _odd_text(folder: Path, _: Targets) -> None:
    sources = (
        "x = 'a\x00b'",
        "y = '\ud800'",
        "\u202ex = 1",
        "\x0c\x0b\x1b[2J",
        "z\u200b = 1",
        "ﬁ = 1\n𝐱 = 2",
        "'" * 7,
        "\\",
    )
    _write(folder, _notebook(*sources))


def _powers(folder: Path, _: Targets) -> None:
    towers = (
        "lr = 9 ** 9 ** 9 ** 9",
        "lr = (((2 ** 1000) ** 1000) ** 1000) ** 1000",
        "lr = 'x' * 9 ** 12",
        "lr = 1 << 10 ** 15",
    )
    _write(folder, _notebook(*(f"if False:\n    {tower}" for tower in towers), towers[0]))


def _markup(folder: Path, _: Targets) -> None:
    outputs = [
        {"output_type": "display_data", "metadata": {EVIL: EVIL}, "data": {"text/html": EVIL, "text/plain": EVIL}},
        {"output_type": "stream", "name": "stdout", "text": EVIL},
    ]
    notebook = _notebook(f"# {EVIL}\nlr = 1e-6", f"print({EVIL!r})", metadata={"title": EVIL}, outputs=outputs)
    notebook["metadata"]["kernelspec"] = {"name": EVIL, "display_name": EVIL, "language": "python"}
    text = {"cell_type": "markdown", "metadata": {}, "source": f"# {EVIL}\n[x](javascript:alert(3)) ![x]({EVIL})"}
    notebook["cells"] += [text, {**text, "cell_type": "raw"}]
    _write(folder, notebook)


def _foreign_kernel(folder: Path, targets: Targets) -> None:
    spec = {"name": "evil", "display_name": "evil", "language": "python", "argv": ["/bin/touch", targets["open"]]}
    _write(folder, _notebook("x = 1", metadata={"kernelspec": spec}))
    kernel = folder / "kernels" / "evil" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps(spec), encoding="utf-8")
    for name in ("sitecustomize.py", "grader.py", "nbclient.py", "jupyter_config.py", "reference/__init__.py"):
        module = folder / name
        module.parent.mkdir(exist_ok=True)
        module.write_text(f"open({targets['open']!r}, 'w').write('owned')\n", encoding="utf-8")


def _as_link(folder: Path, targets: Targets) -> None:
    (folder / "homework.ipynb").symlink_to(targets["submission"])
    (folder / "report.pdf").symlink_to(targets["secret"])


def _as_pipe(folder: Path, _: Targets) -> None:
    os.mkfifo(folder / "homework.ipynb")
    os.mkfifo(folder / "report.pdf")


def _folder_as_link(folder: Path, targets: Targets) -> None:
    (folder / "inner").symlink_to(targets["class"])
    (folder / "again").symlink_to(folder)
    (folder.parent / "b10900010").symlink_to(targets["class"])


def _names(folder: Path, _: Targets) -> None:
    moved = folder.rename(folder.with_name("<img src=x onerror=alert(1)>\u202eresu"))
    _write(moved, _notebook("x = 1"))
    (moved / "homework.ipynb").rename(moved / "<script>alert(2)<script>\x1b[2J\n.ipynb")
    (moved / "{{7*7}}.docx").write_bytes(b"")


_FOLDERS: dict[str, Callable[[Path, Targets], None]] = {
    "folder-as-link": _folder_as_link,
    "names-of-markup": _names,
    "notebook-as-link": _as_link,
    "notebook-as-pipe": _as_pipe,
    "notebook-of-deep-code": _deep_code,
    "notebook-of-markup": _markup,
    "notebook-of-million-cells": _million_cells,
    "notebook-of-odd-numbers": _odd_numbers,
    "notebook-of-odd-text": _odd_text,
    "notebook-of-powers": _powers,
    "notebook-too-deep": _too_deep,
    "notebook-too-large": _too_large,
    "notebook-with-foreign-kernel": _foreign_kernel,
}


# -- reports ---------------------------------------------------------------------------------------

_TALK = b"BT /F1 11 Tf 50 700 Td (%s) Tj ET" % TALK.encode()


def _stream(words: bytes, data: bytes) -> bytes:
    return b"<< %s /Length %d >> stream\n%s\nendstream" % (words, len(data), data)


def _with_content(content: bytes) -> bytes:
    """A page whose content is this stream."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
    return written(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Count 1 /Kids [4 0 R] >>",
            3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            4: page + b" /Resources << /Font << /F1 3 0 R >> >> >>",
            5: content,
        }
    )


def _nested_flate(_: Targets) -> bytes:
    """Two gigabytes of zeros, packed twice; the packed blocks are alike, so that one is made and repeated."""
    megabytes, packer = 2048, zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    sum_of_zeros = ((megabytes << 20) % 65521 << 16 | 1).to_bytes(4, "big")
    inner = b"\x78\xda" + block * megabytes + packer.flush() + sum_of_zeros
    return _with_content(_stream(b"/Filter [/FlateDecode /FlateDecode]", zlib.compress(inner, 9)))


def _large_picture(_: Targets) -> bytes:
    words = b"/Type /XObject /Subtype /Image /Width 100000 /Height 100000 /ColorSpace /DeviceGray /BitsPerComponent 8"
    picture = _stream(words + b" /Filter /FlateDecode", zlib.compress(bytes(10_000_000), 9))
    return raw([_TALK + b" q 500 0 0 500 0 0 cm /P Do Q"], resources=b"/XObject << /P 100 0 R >>", extra=[picture])


def _laughing_forms(_: Targets) -> bytes:
    forms = []
    for depth in range(9):
        inner = b"/F Do " * 10 if depth < 8 else b"0 0 1 1 re f "
        words = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9]"
        resources = b"/Resources << /XObject << /F %d 0 R >> >>" % (101 + depth) if depth < 8 else b""
        forms.append(_stream(words + resources, inner))
    return raw([_TALK + b" /F Do"], resources=b"/XObject << /F 100 0 R >>", extra=forms)


def _pages_in_a_loop(_: Targets) -> bytes:
    return raw([_TALK], kids=[10, 2, 100], count=3, extra=[b"<< /Type /Pages /Count 9 /Kids [2 0 R 100 0 R 10 0 R] >>"])


def _deep_objects(_: Targets) -> bytes:
    deep = b"[" * 100_000 + b"]" * 100_000
    return raw([_TALK, deep + b" TJ"], page=b"/Deep " + deep, extra=[deep, b"<< /A " * 50_000 + b">> " * 50_000])


def _endless_text(_: Targets) -> bytes:
    words = b"".join(b"1 0 0 1 %d %d Tm (word) Tj " % (n % 500, n // 500 % 800) for n in range(20_000))
    packed = zlib.compress(b"BT /F1 1 Tf " + words * 50 + b"ET", 1)
    return _with_content(_stream(b"/Filter /FlateDecode", packed))


def _with_actions(targets: Targets) -> bytes:
    url = f"http://127.0.0.1:{targets['tcp']}/".encode()
    actions = (
        b"<< /S /JavaScript /JS (app.launchURL\\('%s'\\);) >>" % url,
        b"<< /S /Launch /F (/bin/sh) /Win << /F (cmd.exe) >> >>",
        b"<< /S /URI /URI (%s) >>" % url,
        b"<< /S /SubmitForm /F (%s) >>" % url,
        b"<< /Type /Filespec /F (%s) /FS /URL >>" % url,
        b"<< /F (%s) /Length 0 >> stream\n\nendstream" % targets["secret"].encode(),
    )
    names = b"/OpenAction 100 0 R /AA << /WC 101 0 R /O 102 0 R >> /Names << /JavaScript << /Names [(a) 100 0 R] >> >>"
    picture = b"/XObject << /P 105 0 R >>"
    return raw([_TALK + b" /P Do"], catalog=names, page=b"/AA << /O 103 0 R >>", resources=picture, extra=actions)


def _million_pages(_: Targets) -> bytes:
    return raw([_TALK], count=1_000_000, kids=[10] * 100_000)


_REPORTS: dict[str, Callable[[Targets], bytes]] = {
    "pdf-deep-objects": _deep_objects,
    "pdf-endless-text": _endless_text,
    "pdf-large-picture": _large_picture,
    "pdf-laughing-forms": _laughing_forms,
    "pdf-nested-flate": _nested_flate,
    "pdf-of-million-pages": _million_pages,
    "pdf-pages-in-a-loop": _pages_in_a_loop,
    "pdf-with-actions": _with_actions,
}
