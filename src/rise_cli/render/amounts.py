"""Numbers as people write them: money, times, tokens, fractions. No rich in here."""

from __future__ import annotations


def money(usd: float) -> str:
    """`$0.0031`; two decimals from a dollar up; `<$0.0001` for what would round to nothing."""
    if usd <= 0:
        return "$0"
    if usd < 0.0001:
        return "<$0.0001"
    return f"${usd:.4f}" if usd < 1 else f"${usd:,.2f}"


def duration(seconds: float) -> str:
    """`1.2 s`, `3 min 04 s`, `2 h 05 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def percent(fraction: float) -> str:
    """`86%`. Only what is all or nothing is shown as 100% or 0%."""
    nearest = round(fraction * 100)
    if 0 < fraction < 1:
        nearest = min(99, max(1, nearest))
    return f"{nearest}%"


def tokens(sent: int, cached: int, received: int) -> str:
    """`512 in (300 cached), 480 out`."""
    hit = f" ({cached:,} cached)" if cached else ""
    return f"{sent:,} in{hit}, {received:,} out"


def counted(number: int, noun: str, many: str | None = None) -> str:
    """`1 turn`, `2 turns`; `many` is the plural where another letter does not make it."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"
