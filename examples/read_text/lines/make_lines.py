#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the pictures of text lines of this folder, and expected.txt with what they say.

usage: make_lines.py [--cjk-font FILE]     needs Pillow, NumPy and Debian's fonts-dejavu (and fonts-noto-cjk for the
Chinese line, which is left as it is without --cjk-font). The same versions of them draw the same pictures.
"""
import argparse
import pathlib

import numpy
from PIL import Image, ImageDraw, ImageFilter, ImageFont

DEJAVU = "/usr/share/fonts/truetype/dejavu/"
FOLDER = pathlib.Path(__file__).parent


def draw(text, font, size, ink=(20, 20, 20), paper=(255, 255, 255)):
    font = ImageFont.truetype(font, size)
    left, top, right, bottom = font.getbbox(text)
    margin = size // 4
    picture = Image.new("RGB", (right - left + 2 * margin, bottom - top + 2 * margin), paper)
    ImageDraw.Draw(picture).text((margin - left, margin - top), text, font=font, fill=ink)
    return picture


def degrade(picture, blur=0.0, noise=0.0, angle=0.0):
    """As a phone or a scanner would see it: turned by `angle` degrees, out of focus, with grains."""
    if angle:
        picture = picture.rotate(angle, Image.BICUBIC, fillcolor=picture.getpixel((0, 0)))
    if blur:
        picture = picture.filter(ImageFilter.GaussianBlur(blur))
    if noise:
        grains = numpy.random.default_rng(1).normal(0, noise, (picture.height, picture.width, 1))
        pixels = numpy.asarray(picture, dtype=numpy.float64) + grains
        # Few shades, so that the file stays small.
        picture = Image.fromarray((pixels.clip(0, 255) // 8 * 8).astype(numpy.uint8))
    return picture


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cjk-font", help="for example NotoSansCJK-Regular.ttc")
    cjk = arguments.parse_args().cjk_font
    lines = {
        "plain.png": "Reading text from pictures",
        "digits.png": "Invoice 2024-0731: 1,984.50 EUR",
        "serif.png": "The quick brown fox jumps over the lazy dog.",
        "scanned.png": "Total: 42 items (8% off)",
        "white_on_blue.png": "Gate B12, boarding 17:45",
        "chinese.png": "你好，世界！今天天气很好",
    }
    pictures = {
        "plain.png": draw(lines["plain.png"], DEJAVU + "DejaVuSans.ttf", 40),
        "digits.png": draw(lines["digits.png"], DEJAVU + "DejaVuSansMono.ttf", 28),
        "serif.png": draw(lines["serif.png"], DEJAVU + "DejaVuSerif.ttf", 30),
        "scanned.png": degrade(draw(lines["scanned.png"], DEJAVU + "DejaVuSans-Bold.ttf", 32, (60, 60, 60),
                                    (225, 222, 210)), blur=0.8, noise=8, angle=0.7),
        "white_on_blue.png": degrade(draw(lines["white_on_blue.png"], DEJAVU + "DejaVuSans.ttf", 30,
                                          (255, 255, 255), (20, 50, 120)), blur=0.6, angle=-0.4),
    }
    if cjk:
        pictures["chinese.png"] = draw(lines["chinese.png"], cjk, 36)
    for name, picture in pictures.items():
        picture.quantize(32).save(FOLDER / name, optimize=True)
    (FOLDER / "expected.txt").write_text("".join(f"{name}\t{text}\n" for name, text in lines.items()))


if __name__ == "__main__":
    main()
