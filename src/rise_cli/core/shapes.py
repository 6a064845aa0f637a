"""What a turn takes: the calls of each shape, and what each of them sees.

revise        turn t sees the last `window` attempts of its own chain, with their verdicts
refine        as revise, but from turn 2 on a critique of what is seen comes first, in a call of its own
independent   every chain answers once and sees nothing (self-consistency, 2203.11171)
aggregate     turn 1 as independent; turn t sees `draw` attempts of turn t-1, drawn from all chains
              (recursive self-aggregation, 2509.26626)
decide        a turn solves the question anew and sees nothing, unless two answers are in question: then it
              sees both and decides between them (the decision stage of 2402.12563; see `_in_question`)
single        one call a chain; the model runs all its turns in one reply

What a person said about an attempt stays in sight: it is seen by all later turns of its chain, or where
turns see those of all chains by these, whatever the window. A window of one would have the next turn
but one undo what the person asked for.

A reply that was cut off, refused or lost is never shown: there is nothing in it to reconsider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from rise_cli.core.domain import Call, Completion, Done, Place, Policy, Problem, Purpose, Shape, Verdict
from rise_cli.core.voting import accepted


def missing_calls(policy: Policy, problem: Problem, done: tuple[Done, ...], turn: int) -> tuple[Call, ...]:
    """The calls of `turn` that can be made now and are not done yet, by chain. Empty: it is whole."""
    attempts = _attempts(policy, problem, done, turn)
    if policy.shape is Shape.REFINE:
        # The critiques of all chains first, so that their attempts are read side by side, resumed or not.
        attempts = [call for call in attempts if call.purpose is Purpose.CRITIQUE] or attempts
    if not attempts and policy.rates:
        return tuple(_ratings(policy, done, turn))
    return tuple(attempts)


def most_seen(policy: Policy, turn: int) -> int:
    """How many attempts an attempt of `turn` sees at most."""
    if turn == 1 or not looks_back(policy.shape):
        return 0
    if policy.shape is Shape.AGGREGATE:
        return min(policy.draw, policy.samples)
    if policy.shape is Shape.DECIDE:
        return min(2, turn - 1)
    return turn - 1 if policy.window is None else min(policy.window, turn - 1)


def whole(done: Done) -> bool:
    """Whether the call brought a reply that ended by itself."""
    return isinstance(done.result, Completion) and done.result.finish_reason == "stop"


def looks_back(shape: Shape) -> bool:
    """Whether turns of this shape see earlier ones."""
    return shape not in _BLIND


_BLIND = frozenset({Shape.INDEPENDENT, Shape.SINGLE})


def heard(done: Iterable[Done]) -> list[Place]:
    """The attempts that a person said something about, earliest first."""
    return sorted([d.call.place for d in done if d.verdict and _by_a_person(d.verdict) and whole(d)])


def _by_a_person(verdict: Verdict) -> bool:
    return verdict.source == "person" and verdict.feedback is not None


def _attempts(policy: Policy, problem: Problem, done: tuple[Done, ...], turn: int) -> list[Call]:
    of_turn = [d for d in done if d.call.turn == turn]
    made = {(d.call.chain, d.call.purpose): d for d in of_turn} if of_turn else {}
    calls: list[Call] = []
    for chain in range(1, policy.samples + 1):
        if (chain, Purpose.ATTEMPT) in made:
            continue
        sees = _seen(policy, problem, done, Place(turn, chain))
        if policy.shape is not Shape.REFINE or not sees:
            calls.append(Call(chain, turn, Purpose.ATTEMPT, sees))
        elif (critique := made.get((chain, Purpose.CRITIQUE))) is None:
            calls.append(Call(chain, turn, Purpose.CRITIQUE, sees))
        else:  # without a usable critique the attempt is made all the same
            usable = critique.call.place if whole(critique) else None
            calls.append(Call(chain, turn, Purpose.ATTEMPT, sees, usable))
    if calls and any(d.given for d in of_turn):
        return []  # it stands for the turn of all chains
    return calls


def _ratings(policy: Policy, done: tuple[Done, ...], turn: int) -> Iterator[Call]:
    """A rating for every answer of the turn; none once an answer is accepted, for it is the last."""
    known = [d for d in done if d.call.turn <= turn and d.call.chain <= policy.samples]
    if accepted(known):
        return
    there = {d.call.place for d in done if d.call.purpose is Purpose.RATE}
    for d in sorted(known, key=lambda d: d.call.place):
        if d.call.turn == turn and d.call.purpose is Purpose.ATTEMPT and not d.given:
            for attempt in d.attempts:
                if attempt.answer is not None and attempt.place not in there:
                    yield Call(attempt.chain, attempt.turn, Purpose.RATE, (attempt.place,))


def _seen(policy: Policy, problem: Problem, done: tuple[Done, ...], place: Place) -> tuple[Place, ...]:
    """Which attempts the call at `place` sees."""
    if place.turn == 1 or not looks_back(policy.shape):
        return ()
    shown, mine = [], []
    for d in done:
        if d.call.purpose is Purpose.ATTEMPT and d.call.turn < place.turn and whole(d):
            shown.append(d)
            if d.call.chain == place.chain or d.given:
                mine.append(d)
    if policy.shape is Shape.AGGREGATE:
        kept = heard(shown)
        drawn = _drawn(policy, problem, sorted(d.call.place for d in shown), place)
        return (*(p for p in kept if p not in drawn), *drawn)
    own, kept = sorted([d.call.place for d in mine]), heard(mine)
    if policy.shape is Shape.DECIDE:
        open_ones = _in_question(mine)
        return tuple(p for p in own if p in open_ones or p in kept)
    seen = own if policy.window is None else own[-policy.window :] if policy.window else []
    return tuple(p for p in own if p in seen or p in kept) if kept else tuple(seen)


def _in_question(done: list[Done]) -> tuple[Place, ...]:
    """What the next turn of a chain is shown, given the chain's attempts: nothing while its answers agree.

    The first answer stands. One that differs from it puts both in question; the next turn decides, and
    its answer stands, whichever that is. A rejected answer neither stands nor is decided about: the next
    turn sees it alone, to hear why. A reply without an answer changes nothing, so what was asked before
    it is asked again.
    """
    standing: Done | None = None
    question: tuple[Done, ...] = ()
    for d in sorted(done, key=lambda d: d.call.place):
        if d.call.purpose is not Purpose.ATTEMPT or not d.attempts or d.attempts[-1].answer is None:
            continue
        if d.verdict and d.verdict.reward == 0:
            standing, question = None, (d,)
        elif standing is None or question:
            standing, question = d, ()
        elif standing.attempts[-1].candidate != d.attempts[-1].candidate:
            question = (standing, d)
    return tuple(d.call.place for d in question)


def _drawn(policy: Policy, problem: Problem, shown: list[Place], place: Place) -> tuple[Place, ...]:
    """`draw` of the attempts of the last turn that brought any, in random order.

    The draw depends on the seed, the problem and the place alone, so that a resumed run and a replay
    see the same.
    """
    there = [p for p in shown if p.chain <= policy.samples]
    pool = [p for p in there if p.turn == there[-1].turn]
    random = Random(f"{policy.seed}/{problem.key}/{place.turn}/{place.chain}")  # noqa: S311
    return tuple(random.sample(pool, min(policy.draw, len(pool))))
