"""Runs inside the jail: lists a ZIP that a student handed in, and gives out its notebooks and PDFs.

`unpack.py ARCHIVE BYTES` writes to standard output the length of a list, the list as JSON, and then the content of
each listed file, no more than so many bytes in all. It imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
import zipfile

MAX_LISTED = 2000
MAX_GIVEN = 20
CHUNK = 2**20
ENDS = (".ipynb", ".pdf")


def main(path: str, budget: int) -> None:
    """Write the list and the files."""
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist()[:MAX_LISTED] if not info.is_dir() and not info.flag_bits & 1]
        given = [info for info in infos if info.orig_filename.lower().endswith(ENDS)][:MAX_GIVEN]
        contents = []
        for info in given:
            content = _content(archive, info, budget)
            budget -= len(content)
            contents.append(content)
    listed = [_listed(info, None) for info in infos if info not in given]
    listed += [_listed(info, len(content)) for info, content in zip(given, contents, strict=True)]
    head = json.dumps(listed).encode()
    out = sys.stdout.buffer
    out.write(len(head).to_bytes(8, "big") + head)
    for content in contents:
        out.write(content)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: int) -> bytes:
    """A file whole, within the budget; half of one would be judged as if it were all."""
    found = bytearray()
    with archive.open(info) as file:
        while chunk := file.read(CHUNK):
            found += chunk
            if len(found) > budget:
                raise SystemExit(3)
    return bytes(found)


def _listed(info: zipfile.ZipInfo, size: int | None) -> dict[str, object]:
    """A file's name as its own bytes in hexadecimal, whether they are UTF-8 by their flag, and the bytes given out."""
    is_utf8 = bool(info.flag_bits & 0x800)
    raw = info.orig_filename.encode("utf-8" if is_utf8 else "cp437", "replace")
    return {"name": raw.hex(), "utf8": is_utf8, "size": size}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
