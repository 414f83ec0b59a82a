"""Hostlists as Slurm writes them: `expand` and `fold`.

The oracle is Slurm itself (`scontrol show hostnames`, `scontrol show hostlistsorted`); the tests hold its answers. Where
an answer of Slurm is a slip of its number parser (`n[1-]`, `n[ 1]`, `n[+1]`, numbers beyond 64 bits) or of its bracket
counting (`n[1`, `n1]`) we refuse instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from math import prod

from slurm_azure.errors import HostlistError

MAX_RANGE = 65_536
"""Most names one range may stand for (Slurm's MAX_RANGE, 64 K)."""

MAX_NAMES = 4 * 65_536
"""Most names one hostlist may stand for. Slurm has at most 65,536 nodes a cluster; this leaves room for repetitions."""

_DIGITS = "0123456789"
_MOST_DIGITS = 18  # what fits into 64 bits whatever the digits are
_SEPARATORS = re.compile(r"[ \t\n,]*")
_TOKEN = re.compile(r"(?:[^\[\], \t\n]+|\[[^\[\]]*\])+")
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_RANGE = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)
_NOT_IN_NAME = re.compile(r"[\[\],\s\x00]")
_NUMBERS = re.compile(r"(\d+)", re.ASCII)


def expand(text: str) -> list[str]:
    """The names that `text` stands for, in Slurm's order and as often as it says them; an empty text is no name.

    A text after the last bracket (`n[1-2]-ib`) is understood, as newer Slurm releases do.
    Raises HostlistError, which quotes the place that cannot be read.
    """
    names: list[str] = []
    at = _end(_SEPARATORS, text, 0)
    while at < len(text):
        end = _end(_TOKEN, text, at)
        if end == at or (end < len(text) and _end(_SEPARATORS, text, end) == end):
            raise HostlistError(f"hostlist {_short(text)!r}: at character {end + 1}, {text[end]!r} has no counterpart")
        _expand_token(text[at:end], names)
        at = _end(_SEPARATORS, text, end)
    return names


def fold(names: Iterable[str]) -> str:
    """One hostlist for `names`: naturally sorted, a repeated name once, such as `n[1-3,10,010],n-a`.

    The last number of a name is folded and its padding kept, as Slurm does; no text follows a bracket, so every Slurm
    release can read it. Raises HostlistError for a name that is empty or holds a bracket, a comma or white space.
    """
    numbered: dict[str, set[str]] = {}
    parts: list[tuple[list[str | int], str]] = []
    for name in set(names):
        if not name or _NOT_IN_NAME.search(name):
            raise HostlistError(f"{_short(name)!r} is no node name: it is empty or holds a bracket, a comma or white space")
        cut = max(len(name.rstrip(_DIGITS)), len(name) - _MOST_DIGITS)
        if cut == len(name):
            parts.append((_natural(name), name))
        else:
            numbered.setdefault(name[:cut], set()).add(name[cut:])
    parts += [(_natural(prefix), prefix + _fold_numbers(numbers)) for prefix, numbers in numbered.items()]
    return ",".join(part for _, part in sorted(parts))


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _expand_token(token: str, names: list[str]) -> None:
    """Append what one comma-free piece, such as `rack[1-2]node[01-03]`, stands for."""
    first, *pieces = _BRACKETS.split(token)
    if not pieces:
        names.append(first)
        return
    brackets, literals = pieces[0::2], pieces[1::2]
    *outer, last = (_ranges(bracket, token) for bracket in brackets)
    count = len(names) + prod(_count(ranges) for ranges in (*outer, last))
    if count > MAX_NAMES:
        raise HostlistError(f"hostlist {_short(token)!r} stands for more than {MAX_NAMES:,} names")
    if not outer:
        names += _numbers(last, first, literals[0])
        return
    suffix = literals.pop()
    # Slurm counts the last bracket fastest, then the first, the second, ... : a[1-2][3-4][5-6] is a135 a136 a235 ...
    for values in product(*(_numbers(ranges) for ranges in reversed(outer))):
        prefix = first + "".join(map("".join, zip(reversed(values), literals, strict=True)))
        names += _numbers(last, prefix, suffix)


_Range = tuple[int, int, int]  # from, to, digits


def _ranges(bracket: str, token: str) -> list[_Range]:
    ranges = []
    for piece in bracket.split(","):
        match = _RANGE.fullmatch(piece)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if match is None or low > high:
            raise HostlistError(f"hostlist {_short(token)!r}: {_short(piece)!r} is no range; write for instance [1-4,7]")
        if high - low >= MAX_RANGE:
            raise HostlistError(f"hostlist {_short(token)!r}: {piece!r} is more than {MAX_RANGE:,} names, Slurm's limit")
        ranges.append((low, high, len(match[1])))
    return ranges


def _count(ranges: Sequence[_Range]) -> int:
    return sum(high - low + 1 for low, high, _ in ranges)


def _numbers(ranges: Sequence[_Range], prefix: str = "", suffix: str = "") -> list[str]:
    names: list[str] = []
    for low, high, digits in ranges:
        natural = min(max(low, 10 ** (digits - 1)), high + 1)  # from here on no zero need be put in front (that is slower)
        names += [f"{prefix}{number:0{digits}d}{suffix}" for number in range(low, natural)]
        names += [f"{prefix}{number}{suffix}" for number in range(natural, high + 1)]
    return names


def _fold_numbers(numbers: set[str]) -> str:
    """`{'9', '10', '010'}` -> `[9-10,010]`; a single number stands without a bracket."""
    if len(numbers) == 1:
        return next(iter(numbers))
    widths = sorted({len(number) for number in numbers if number[0] == "0" and len(number) > 1}, reverse=True)
    by_width: dict[int, list[int]] = {}
    for number in numbers:
        width = next((width for width in widths if width <= len(number)), 1)
        by_width.setdefault(width, []).append(int(number))
    return "[" + ",".join(run for width in sorted(by_width) for run in _runs(sorted(by_width[width]), width)) + "]"


def _runs(numbers: list[int], width: int) -> Iterable[str]:
    low = previous = numbers[0]
    for number in [*numbers[1:], -1]:
        if number != previous + 1:
            yield f"{low:0{width}d}" if low == previous else f"{low:0{width}d}-{previous:0{width}d}"
            low = number
        previous = number


def _natural(text: str) -> list[str | int]:
    """A sort key by which n2 stands before n10; texts and numbers alternate, so that like meets like."""
    return [int(piece) if index % 2 else piece for index, piece in enumerate(_NUMBERS.split(text))]


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text):,} characters)"
