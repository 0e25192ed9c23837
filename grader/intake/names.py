"""How files that came in an archive are called once they are written."""

from __future__ import annotations

import hashlib
import re


def own_name(name: str) -> str:
    """A name of a file as we write it: without what systems forbid, and short; different for different names.

    >>> own_name("報告.pdf"), own_name("a:b.pdf")
    ('報告.pdf', 'a_b-3bd62af9.pdf')
    """
    safe = re.sub(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff<>:"/\\|?*]', "_", name).strip(" ")
    if safe == name and len(name.encode()) < 200 and name.strip("."):
        return name
    stem, dot, end = safe.rpartition(".")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{(stem or safe)[:40]}-{digest}{dot}{end[:20]}" if dot and stem else f"{safe[:40].strip('.')}-{digest}"
