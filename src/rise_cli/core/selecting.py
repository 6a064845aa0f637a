"""Universal self-consistency (Chen et al., 2311.17311): the model picks the reply that the others
agree with most. It is the vote for questions whose answers cannot be compared word for word.

One call sees all replies. Where they are too many or too long for that, they are picked from in
groups of about the same size, and the groups' winners in a next round, until one is left. Replies that
give one and the same answer need nobody to pick among them: the earliest stands for it.
"""

from __future__ import annotations

import re
from bisect import bisect

from rise_cli.core.domain import Attempt, Call, Done, Failure, Place, Purpose, StopReason
from rise_cli.core.extract import after_thinking
from rise_cli.core.unicode import half_width

GROUP_REPLIES = 10
GROUP_CHARACTERS = 40_000
"""What one call sees at most, two replies aside, which it always may."""

_CUTS = (StopReason.BUDGET, StopReason.DEADLINE, StopReason.UNRECORDED)

_WORD = r"(?:response|reply|answer|option|number|回复|回答|答复|答案)"
_LABELLED = rf"{_WORD}[ \t]{{0,3}}[#№*_`\[(\"']{{0,4}}[ \t]{{0,3}}(\d{{1,4}})(?![\d%]|\.\d)"
# Said to be the choice, in the words that are asked for or others.
_NAMED = re.compile(
    rf"(?:most[ \t]{{1,3}}consistent(?:[ \t]{{1,3}}{_WORD})?[ \t]{{1,3}}(?:is|:)"
    r"|(?:choice|select(?:ed|ion)?|pick|choose|best)(?:[ \t]{1,3}(?:is|was))?"
    r"|最一致的(?:回复|回答|答复|答案)?[是为:]|选择的?|选)"
    rf"[\s:*_`\[(\"'是为]{{0,8}}(?:{_WORD}\s{{0,3}})?[#№第*_`\[(]{{0,4}}(\d{{1,4}})(?![\d%]|\.\d|[ \t]of\b)",
    re.IGNORECASE,
)
_MENTIONED = re.compile(rf"{_LABELLED}|第[ \t]?(\d{{1,4}})[ \t]?[个号份条]", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\d.])(\d{1,4})(?![\d%]|\.\d)")

_ONE = (
    rf"(?:the[ \t])?(?:{_WORD}s?\s{{0,3}})?[#№第*_`\[(\"']{{0,4}}\d{{1,4}}(?![\d%]|\.\d)"
    r"[)\]*_`\"'个号份条]{0,4}"
)
_SOME = rf"(?>{_ONE}(?:\s{{0,3}}(?:,|、|/|&|and|or|nor|和|或|也不是?){{1,2}}\s{{0,3}}{_ONE}){{0,9}})"
_TURNED_DOWN = (
    r"reject\w{0,3}|rul(?:e|ed|ing) out|exclud\w{1,3}|eliminat\w{1,3}|discard\w{0,3}|dismiss\w{0,3}"
)
# Said of some to be none of the choice, before their numbers or after them.
_REFUSED = (
    re.compile(
        rf"(?:\b(?:not|never|neither|nor|{_TURNED_DOWN}|instead of|(?:rather|better) than|unlike|over|"
        r"except)|n['’]t)(?:\s{1,3}(?:be|is|as|by|for|to|with|go|say|choose|pick|select|prefer)){0,4}"
        rf"\s{{1,3}}{_SOME}|(?:不|非|排除|拒绝|除了?)(?:会|要)?(?:选[择取]?|是)?\s{{0,3}}{_SOME}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"{_SOME}\s{{0,3}}(?:(?:is|are|was|were|do|does|did|has|can|could|would|should)(?:n['’]t"
        r"|\s{1,3}(?:not|never|wrong|incorrect|worse|rejected|ruled out|(?:the\s)?(?:worst|least)))\b"
        r"|是?(?:不(?!错)|错|有误|被排除))",
        re.IGNORECASE,
    ),
)
# Whatever else says no, or speaks ill: no number in the same clause is a choice.
_DENIAL = re.compile(
    rf"\b(?:not(?! only)|never|neither|nor|cannot|no good|{_TURNED_DOWN}|(?<!at )least|worst|worse|wrong|"
    r"incorrect|inconsistent|disagree\w{0,3}|differ\w{0,3}|contradict\w{0,3}|outlier)\b|n['’]t\b"
    r"|不(?![错同仅论管])|(?<!不)错|非(?!常)|没|排除|拒绝|有误",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    rf"[.;!?。]|(?<![:\n])\n|[,、](?!\s{{0,3}}{_ONE})"
    r"|\b(?:but|however|so|because|since|while|whereas|although|though)\b|而是|但|所以|因此|因为",
    re.IGNORECASE,
)


def next_selection(
    attempts: list[Attempt], selections: tuple[Done, ...]
) -> tuple[tuple[Call, ...], StopReason | None]:
    """Return the selections to ask for now, none if it is decided, and what cut them off, if anything.

    `attempts` are the eligible ones, earliest first; `selections` the finished calls.
    """
    calls, _, cut = _play(attempts, selections)
    return calls, cut


def selected(attempts: list[Attempt], selections: tuple[Done, ...]) -> Attempt | None:
    """The attempt that was selected, or None where that was not settled."""
    calls, left, cut = _play(attempts, selections)
    return left[0] if left and not calls and cut is None else None


def read_selection(reply: str, count: int) -> int | None:
    """The position, from 0, of the reply out of `count` that was picked; None if that is not clear.

    The last one that is said to be the choice; else the only one that is mentioned ("Response 2"); else
    the only number that there is. One that is turned down ("not 1 but 2") is not picked, and neither is
    one of which it is not clear whether it is: who denies something in a clause picks nothing there.
    """
    text = half_width(after_thinking(reply))
    for refused in _REFUSED:
        text = refused.sub(" ", text)
    clauses = _Clauses(text)
    named = [int(found[1]) for found in _NAMED.finditer(text) if not clauses.denied_before(found.start())]
    mentioned = {int(found[1] or found[2]) for found in clauses.affirmed(_MENTIONED)}
    loose = {int(found[1]) for found in clauses.affirmed(_NUMBER)}
    only = mentioned if len(mentioned) == 1 else loose if len(loose) == 1 else {0}
    number = named[-1] if named else only.pop()
    return number - 1 if 1 <= number <= count else None


def most_selections(attempts: int, characters: int) -> list[int]:
    """How many calls each round of the selection takes at most, if no reply has more `characters`."""
    fit = max(2, GROUP_CHARACTERS // max(characters, 1))
    rounds = []
    while attempts > 1:
        groups, rest = divmod(attempts, min(_most(attempts), fit))
        rounds.append(groups + (rest > 1))
        attempts = groups + (rest > 0)
    return rounds


class _Clauses:
    """Where in a text something is denied."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(found.end() for found in _CLAUSE.finditer(text))]
        self._denials: dict[int, int] = {}  # the first of each clause
        for found in _DENIAL.finditer(text):
            self._denials.setdefault(self._clause(found.start()), found.start())

    def denied_before(self, position: int) -> bool:
        """Whether the clause of `position` denies something before it comes to that."""
        denial = self._denials.get(self._clause(position))
        return denial is not None and denial < position

    def affirmed(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """What matches in clauses that deny nothing."""
        return [m for m in pattern.finditer(self._text) if self._clause(m.start()) not in self._denials]

    def _clause(self, position: int) -> int:
        return bisect(self._starts, position)


def _play(
    attempts: list[Attempt], selections: tuple[Done, ...]
) -> tuple[tuple[Call, ...], list[Attempt], StopReason | None]:
    """Go through the rounds as far as they are done: calls to make now, attempts left, the cut."""
    made = {d.call.place: d for d in selections}
    left, number = attempts, 1
    while _differ(left):
        groups = _groups(left)
        calls = [
            Call(position, number, Purpose.SELECT, tuple(a.place for a in group))
            for position, group in enumerate(groups, 1)
            if _differ(group)
        ]
        missing = tuple(call for call in calls if call.place not in made)
        cut = _cut([made[call.place] for call in calls if call.place in made])
        if missing or cut:
            return missing, left, cut
        left = [_winner(group, made.get(Place(number, at))) for at, group in enumerate(groups, 1)]
        number += 1
    return (), left, None


def _differ(attempts: list[Attempt]) -> bool:
    return len({a.candidate for a in attempts}) > 1


def _most(attempts: int) -> int:
    """How many a group has at most, so that all have about the same number."""
    return -(-attempts // -(-attempts // GROUP_REPLIES))


def _groups(attempts: list[Attempt]) -> list[list[Attempt]]:
    """In their order, as many in each as go together."""
    most = _most(len(attempts))
    groups: list[list[Attempt]] = [[]]
    size = 0
    for attempt in attempts:
        size += len(attempt.reply)
        full = len(groups[-1]) >= most or size > GROUP_CHARACTERS
        if full and len(groups[-1]) > 1:
            groups.append([])
            size = len(attempt.reply)
        groups[-1].append(attempt)
    return groups


def _winner(group: list[Attempt], done: Done | None) -> Attempt:
    """What was selected; the earliest where the selection failed or cannot be read."""
    chosen = done.selected if done else None
    return group[chosen] if chosen is not None and 0 <= chosen < len(group) else group[0]


def _cut(done: list[Done]) -> StopReason | None:
    kinds = {d.result.kind for d in done if isinstance(d.result, Failure)}
    return next((reason for reason in _CUTS if reason.value in kinds), None)
