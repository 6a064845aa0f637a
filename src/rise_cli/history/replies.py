"""A finished call as the journal has it: one line of JSON."""

from __future__ import annotations

import json

from rise_cli.core.domain import Completion, Usage

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def written(completion: Completion) -> str:
    """All of it; lone surrogates are escaped."""
    usage = completion.usage
    return _encode(
        {
            "reply": completion.reply,
            "finish_reason": completion.finish_reason,
            "reasoning": completion.reasoning,
            "usage": usage
            and {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cached_input_tokens": usage.cached_input_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
                "reasoning_tokens": usage.reasoning_tokens,
            },
            "cost_usd": completion.cost_usd,
            "latency_s": completion.latency_s,
            "logprob": completion.logprob,
            "entropy": completion.entropy,
        }
    )


def read(text: str) -> Completion:
    """What `written` was given. Raises LookupError, TypeError or ValueError for anything else."""
    known = json.loads(text)
    usage = known.pop("usage")
    return Completion(**known, usage=usage and Usage(**usage))
