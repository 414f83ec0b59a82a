"""Makes a contact sheet and an animation of rendered frames. Runs on the head node, with Debian's Python and Pillow:
`python3 - FRAMES-FOLDER OUTPUT-FOLDER < pictures.py`, which is why it imports nothing of ours."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw  # type: ignore[import-not-found]

COLUMNS = 6
THUMB = (240, 135)
GAP = 8
FRAME_TIME = 100  # milliseconds


def contact_sheet(frames: list[Image.Image]) -> Image.Image:
    """All frames on one sheet, each with its number."""
    rows = -(-len(frames) // COLUMNS)
    size = (COLUMNS * (THUMB[0] + GAP) + GAP, rows * (THUMB[1] + GAP) + GAP)
    sheet = Image.new("RGB", size, (24, 24, 28))
    draw = ImageDraw.Draw(sheet)
    for number, frame in enumerate(frames):
        row, column = divmod(number, COLUMNS)
        corner = (GAP + column * (THUMB[0] + GAP), GAP + row * (THUMB[1] + GAP))
        sheet.paste(frame.resize(THUMB, Image.LANCZOS), corner)
        draw.text((corner[0] + 5, corner[1] + 4), f"{number}", fill=(255, 255, 255))
    return sheet


def animation(frames: list[Image.Image], file: Path) -> None:
    """An endless GIF; one palette for all frames, or the sky would flicker."""
    palette = contact_sheet(frames).quantize(256, Image.MEDIANCUT)
    flat = [frame.quantize(palette=palette, dither=Image.FLOYDSTEINBERG) for frame in frames]
    flat[0].save(file, save_all=True, append_images=flat[1:], duration=FRAME_TIME, loop=0, optimize=False)


def main() -> None:
    """Read the frames in the order of their names, write the two files."""
    source, target = map(Path, sys.argv[1:3])
    frames = [Image.open(file).convert("RGB") for file in sorted(source.glob("frame-*.png"))]
    contact_sheet(frames).save(target / "contact-sheet.png", optimize=True)
    animation(frames, target / "animation.gif")
    print(len(frames))


if __name__ == "__main__":
    main()
