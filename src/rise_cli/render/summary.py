"""What came of a batch, as a plain table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rise_cli.render.amounts import counted, duration, money, percent, tokens

_UNKNOWN = "not known"
_UNPRICED = f"{_UNKNOWN}; give the price with --price IN,OUT"


def table(summary: Mapping[str, Any], *, priced: bool) -> str:
    """Return the lines of `Totals.summary`, two columns wide. What nobody knows says so; `priced` whether
    somebody has given a price."""
    rows = [("problems", f"{summary['problems']:,} ({summary['ok']:,} ok, {summary['failed']:,} failed)")]
    if summary["failures"]:
        rows.append(("failed", _listed(summary["failures"])))
    if summary["accuracy"] is not None:
        right = f"{summary['correct']:,} of {summary['scored']:,} right"
        rows.append(("accuracy", f"{percent(summary['accuracy'])} ({right})"))
    each = summary["turns"] / summary["problems"] if summary["problems"] else 0.0
    rows.append(("turns", f"{summary['turns']:,} ({each:.1f} a problem)"))
    if summary["stops"]:
        rows.append(("ended", _listed(summary["stops"])))
    rows.append(("tokens", _tokens(summary)))
    rows.append(("cost", _cost(summary, _UNKNOWN if priced else _UNPRICED)))
    if now := _now(summary):
        rows.append(("this run", now))
    rows.append(("time", _time(summary)))
    return "".join(f"{name:<10}{text}\n" for name, text in rows)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _tokens(summary: Mapping[str, Any]) -> str:
    sent, cached, received = (
        summary[name] for name in ("input_tokens", "cached_input_tokens", "output_tokens")
    )
    if sent is None or received is None:
        return "not known"
    share = f", {percent(summary['cached_share'])} of the input cached" if cached else ""
    return tokens(sent, cached or 0, received) + share


def _cost(summary: Mapping[str, Any], unknown: str) -> str:
    if not summary["problems"] and summary["spent_now"]["cost_usd"] is None:
        # No row says what the calls cost that were made; of lost ones no price would tell.
        return _UNKNOWN if summary["spent_now"]["lost_requests"] else unknown
    if summary["cost_usd"] is not None:
        return money(summary["cost_usd"])
    if summary["known_cost_usd"]:
        unpriced = counted(summary["unpriced"], "problem")
        return f"over {money(summary['known_cost_usd'])}, that of {unpriced} is not known"
    return unknown


def _now(summary: Mapping[str, Any]) -> str:
    """What this run took, where that is not what the rows say: it had help from the journal, added to
    earlier rows, made calls that are in no row, or lost some."""
    spent, recalled = summary["spent_now"], summary["recalled"]
    same = all(spent[name] == summary[name] for name in ("input_tokens", "output_tokens"))
    if same and not recalled and not spent["lost_requests"]:
        return ""
    parts = [counted(spent["requests"], "request")]
    if spent["refused_requests"]:
        parts[0] += f" ({spent['refused_requests']:,} refused)"
    if spent["lost_requests"]:
        parts.append(f"{spent['lost_requests']:,} lost that may be charged for")
    if spent["requests"] and spent["output_tokens"] is not None:
        parts.append(tokens(spent["input_tokens"], spent["cached_input_tokens"] or 0, spent["output_tokens"]))
    if spent["known_cost_usd"]:
        over = "" if spent["cost_usd"] is not None else "over "
        parts.append(f"{over}{money(spent['known_cost_usd'])}")
    if recalled:
        parts.append(f"{counted(recalled, 'reply', 'replies')} from the journal")
    return ", ".join(parts)


def _time(summary: Mapping[str, Any]) -> str:
    solved, rate = summary["solved_now"], summary["problems_per_second"]
    speed = f", {rate:,.1f} a second" if rate and solved else ""
    return f"{duration(summary['seconds'])} for {counted(solved, 'problem')}{speed}"
