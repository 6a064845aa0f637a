"""What came of a batch, as a plain table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rise_cli.render.amounts import counted, duration, money, percent, tokens


def table(summary: Mapping[str, Any]) -> str:
    """Return the lines of `Totals.summary`, two columns wide. What nobody knows says so."""
    rows = [("problems", f"{summary['problems']:,} ({summary['ok']:,} ok, {summary['failed']:,} failed)")]
    if summary["failures"]:
        rows.append(("failed", _listed(summary["failures"])))
    if summary["accuracy"] is not None:
        right = f"{summary['correct']:,} of {summary['scored']:,} right"
        rows.append(("accuracy", f"{percent(summary['accuracy'])} ({right})"))
    each = summary["turns"] / summary["problems"] if summary["problems"] else 0.0
    rows.append(("turns", f"{summary['turns']:,} ({each:.1f} a problem)"))
    rows.append(("ended", _listed(summary["stops"]) or "none"))
    rows.append(("tokens", _tokens(summary)))
    cost = summary["cost_usd"]
    rows.append(("cost", "not known; give the price with --price IN,OUT" if cost is None else money(cost)))
    rows.append(("time", _time(summary)))
    return "".join(f"{name:<10}{text}\n" for name, text in rows)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _tokens(summary: Mapping[str, Any]) -> str:
    sent, cached, received = (
        summary[name] for name in ("input_tokens", "cached_input_tokens", "output_tokens")
    )
    if sent is None or received is None:
        return "not known"
    share = f", {percent(summary['cached_share'])} of the input cached" if cached else ""
    return tokens(sent, cached or 0, received) + share


def _time(summary: Mapping[str, Any]) -> str:
    solved, rate = summary["solved_now"], summary["problems_per_second"]
    speed = f", {rate:,.1f} a second" if rate and solved else ""
    return f"{duration(summary['seconds'])} for {counted(solved, 'problem')}{speed}"
