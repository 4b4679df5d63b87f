#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of picture_fuzzer and regex_fuzzer: small files of every kind of picture that is read, and expressions with
every part of the syntax.

usage: tests/fuzz/make_text_and_picture_corpus.py [FOLDER]     default: tests/fuzz/corpus
Needs the `pillow` package.
"""
import io
import pathlib
import sys

from PIL import Image

EXPRESSIONS = {
    "literals": "a\\.b\\x41\\x{e9}\\101\\Q.*\\E\nab",
    "classes": "[a-c\\d[:^alpha:]\\]-]+[^\\s]\\W.\nabc 1",
    "repeats": "(a*)*b{2,3}(c|d)+?e?\naabbce",
    "flags": "(?i)straSSe(?-i:x)(?s:.)(?m)^$\nSTRASSEx",
    "places": "^\\Aa\\bb\\B$\\z\nab",
    "groups": "(?P<n>a)(?:b|(c))\nab",
}


def pictures():
    size = (19, 13)
    image = Image.new("RGB", size)
    image.putdata([((7 * x) % 256, (11 * y) % 256, (x * y) % 256) for y in range(size[1]) for x in range(size[0])])
    jpeg = {"jpeg": {}, "jpeg_444": {"subsampling": 0}, "jpeg_422": {"subsampling": 1}, "jpeg_progressive": {"progressive": True},
            "jpeg_restarts": {"restart_marker_blocks": 1}, "jpeg_rgb": {"keep_rgb": True}}
    for name, options in jpeg.items():
        yield name, image, "jpeg", options
    yield "jpeg_grey", image.convert("L"), "jpeg", {"progressive": True}
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1"):
        yield "png_" + mode.lower(), image.convert(mode), "png", {}
    for mode in ("RGB", "L", "P", "1"):
        yield "bmp_" + mode.lower(), image.convert(mode), "bmp", {}
    for mode in ("RGB", "L", "1"):
        yield "pnm_" + mode.lower(), image.convert(mode), "ppm", {}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "corpus"
    for kind in ("picture", "regex"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name, image, kind, options in pictures():
        out = io.BytesIO()
        image.save(out, kind, **options)
        (folder / "picture" / name).write_bytes(out.getvalue())
    (folder / "picture" / "pnm_text").write_bytes(b"P3 # red, black\n2 1 9\n9 0 0 0 0 0\n")
    for name, text in EXPRESSIONS.items():
        (folder / "regex" / name).write_text(text)


if __name__ == "__main__":
    main()
