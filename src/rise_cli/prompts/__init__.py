"""Protocols: every word that is sent to a model, read from a folder.

A protocol is a folder with a `protocol.toml` and Markdown templates in (strict, sandboxed) Jinja2:

    protocol.toml    shape, description; optional: window, samples, draw, opening
    system.md        the system message; optional but for the shape `single`
    question.md      the user's message that asks the question
    revise.md        the user's message after an attempt (shapes `revise` and `refine`)
    attempt.md       what an attempt is shown as; its whole reply unless it is there (`revise` and `refine`)
    critique.md      the user's message that asks what is wrong with one (`refine`)
    aggregate.md     the user's message that asks it again and shows attempts of several chains (`aggregate`)
    decide.md        the user's message that asks it again and shows two answers that differ (`decide`)
    rate.md          asks how sure an answer is (`--confidence asked`); shared unless it is there
    select.md        asks which reply the others agree with (`--vote consistent`); shared likewise

`NAME.zh.md` is what is used instead of `NAME.md` in Chinese. `opening` lists files whose messages stand
before the question, each named `NAME.user.md` or `NAME.assistant.md`. The system message, the opening
and the question may use only what does not change between turns, so that their bytes are the same in
every turn and provider caches hit.

What templates are given: `question`, `context`, `kind`, `choices`, `turns`, `threshold`; about an attempt
`reply`, `answer`, `rejected`, `feedback`, `judge` (check or person) and `critique`, which `aggregate.md`
and `decide.md` find in each of `attempts`; `answer` in `rate.md` and `replies` in `select.md`.
"""

from rise_cli.prompts.folder import find, home, names, read_text, roles
from rise_cli.prompts.judging import Judging, load_judging
from rise_cli.prompts.protocol import Protocol, Role, languages, load, load_role, shared
from rise_cli.prompts.rendering import messages

__all__ = [
    "Judging",
    "Protocol",
    "Role",
    "find",
    "home",
    "languages",
    "load",
    "load_judging",
    "load_role",
    "messages",
    "names",
    "read_text",
    "roles",
    "shared",
]
