"""Which encoding some bytes are in that do not say so: UTF-8, Big5 (cp950) or GBK (gb18030), by one verdict for all.

Text of one encoding often decodes as another, so names are not judged one by one: all that came together vote.
In each of the two, the characters that are common stand in one range of lead bytes, and strays fall outside of it.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Encoding = Literal["ascii", "utf-8", "cp950", "gb18030", "cp437"]

_COMMON: dict[Encoding, range] = {"cp950": range(0xA4, 0xC7), "gb18030": range(0xB0, 0xD8)}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def verdict(texts: Iterable[bytes]) -> Encoding:
    """The one encoding that all of these texts are in; `cp437` where none of the known ones fits.

    >>> verdict(["王小明".encode("cp950")]), verdict(["王小明".encode()]), verdict([b"plain"])
    ('cp950', 'utf-8', 'ascii')
    """
    given = [text for text in texts if not text.isascii()]
    if not given:
        return "ascii"
    if _decode(given, "utf-8"):
        return "utf-8"
    fitting = [encoding for encoding in _COMMON if _decode(given, encoding)]
    return max(fitting, key=lambda encoding: _share(given, _COMMON[encoding]), default="cp437")


def text_of(data: bytes) -> tuple[str, str]:
    """The text of a file and the name of its encoding, by which it can be written back; a mark of UTF-8 is no letter.

    Raises:
        UnicodeDecodeError: where it is none of the known encodings.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding), encoding
    encoding = verdict([data])
    name = "utf-8" if encoding in ("ascii", "cp437") else encoding
    return data.decode(name), name


def _decode(texts: Sequence[bytes], encoding: str) -> bool:
    try:
        for text in texts:
            text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _share(texts: Sequence[bytes], common: range) -> float:
    """How many of the two-byte characters begin with a byte of the common range."""
    leads = [lead for text in texts for lead in _leads(text)]
    return sum(lead in common for lead in leads) / len(leads) if leads else 0.0


def _leads(text: bytes) -> Iterable[int]:
    at = 0
    while at < len(text):
        if text[at] >= 0x81:
            yield text[at]
            at += 1
        at += 1
