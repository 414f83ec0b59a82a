"""Plain tables: aligned columns, nothing else, so that awk and people read them alike."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as their widest cell, two blanks apart; numbers to the right, the last column not padded.

    An empty cell is `-`. A line break or other control character in a cell becomes a blank.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    right = [bool(rows) and all(_is_number(row[index]) for row in rows) for index in range(len(header))]
    lines = [_line(row, widths, right) for row in (list(header), *cells)]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    places = zip(cells, widths, right, strict=True)
    return "  ".join(cell.rjust(width) if number else cell.ljust(width) for cell, width, number in places).rstrip()


def _is_number(cell: object) -> bool:
    return cell is None or isinstance(cell, (int, float))


def _text(cell: object) -> str:
    if cell is None or cell == "":
        return "-"
    if isinstance(cell, float):
        return f"{cell:.2f}"
    return "".join(character if character.isprintable() else " " for character in str(cell))
