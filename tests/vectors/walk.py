"""Walks segments by nothing but the header and record rule of FORMAT.md, in a language that Coffer is not written in.

Finds every page of a segment that is not encrypted, and prints its number, commit and SHA-256. Knows codecs 0 (none) and
4 (gzip). Usage: python3 walk.py FILE...
"""
import gzip
import hashlib
import struct
import sys


def pages(segment):
    magic, page_size, data_start, dict_bytes, flags = struct.unpack_from("<8sIQII", segment)
    assert magic == b"SQLCEvfS" and data_start == 64 + dict_bytes and flags == 0, "not a segment in the clear"
    offset = data_start
    while offset < len(segment):
        page, size = struct.unpack_from("<QI", segment, offset)
        body = segment[offset + 12 : offset + 12 + size]
        offset += 12 + size
        if page >= 1 << 63:
            continue
        codec, body_flags, _, raw_bytes, commit = struct.unpack_from("<BBHIQ", body)
        payload = body[16:-4]
        if codec == 4:
            payload = gzip.decompress(payload)
        elif codec != 0:
            continue
        raw = payload or bytes(raw_bytes)
        assert len(raw) == raw_bytes == page_size and body_flags == 0
        yield page, commit, raw
    assert offset == len(segment), "the last record ends where the file does"


for path in sys.argv[1:]:
    with open(path, "rb") as file:
        for page, commit, raw in pages(file.read()):
            print(page, commit, hashlib.sha256(raw).hexdigest())
