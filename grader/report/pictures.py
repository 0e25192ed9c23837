"""Makes the small pictures of pages: grey pixels that the jailed parser sent become PNG files of our own."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

MOST_PIXELS = 600_000
MOST_BYTES = 64_000  # of one file
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _DEPTH = 0, 4


def picture(width: int, height: int, bits: str) -> bytes | None:
    """Encode rows of grey pixels, two a byte, as PNG; None where they are not what they claim to be, or too large.

    No byte of the file is the sender's: its pixels are unpacked within their bound and packed again.

    >>> picture(2, 1, base64.b64encode(zlib.compress(b"0")).decode())[1:4]
    b'PNG'
    """
    if not (width > 0 and height > 0 and width * height <= MOST_PIXELS):
        return None
    stride = (width + 1) // 2
    pixels = unpacked(bits, stride * height)
    if pixels is None:
        return None
    rows = b"".join(b"\0" + pixels[start : start + stride] for start in range(0, len(pixels), stride))
    header = struct.pack(">IIBBBBB", width, height, _DEPTH, _GREY, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
    made = _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)
    return made if len(made) <= MOST_BYTES else None


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def unpacked(bits: str, size: int) -> bytes | None:
    """Unpack base64 of a zlib stream that must hold exactly `size` bytes, without unpacking more than that."""
    try:
        found = zlib.decompressobj().decompress(base64.b64decode(bits, validate=True), size + 1)
    except (zlib.error, binascii.Error, ValueError):
        return None
    return found if len(found) == size else None
