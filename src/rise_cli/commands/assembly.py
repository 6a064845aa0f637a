"""Puts the parts of a run together from its settings, the same way for every command.

`wiring` does so for the way to the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from rise_cli.chat import Notice
from rise_cli.commands.wiring import Room, slots
from rise_cli.core.domain import Ask, Call, Done, Kind, Message, Policy, Problem, Shape, Vote
from rise_cli.core.loop import next_step
from rise_cli.core.selecting import GROUP_REPLIES
from rise_cli.core.shapes import most_seen
from rise_cli.errors import UsageError
from rise_cli.history.calibrations import Calibration, read_calibration
from rise_cli.prompts import Protocol, load, load_role, messages, names
from rise_cli.settings import Resolved, Settings, find_key

if TYPE_CHECKING:
    from rise_cli.chat.providers import Provider
    from rise_cli.check import Check


_USUAL_REPLY = 512  # tokens; what the embedded model is held to


@dataclass(frozen=True)
class Endpoint:
    """Which model at which provider, and how to get there. `base_url` is None for what is not remote."""

    provider: Provider
    model: str
    base_url: str | None
    key: str | None

    @property
    def name(self) -> str:
        return f"{self.provider.name}:{self.model}"


@dataclass(frozen=True)
class Method:
    """What is asked and by which rules: the protocol with its words, and the policy. `called` is what a
    record calls the protocol. `kind` is that of the answers, as far as it is known without the question.
    `calibration` is where the policy's breakpoints come from, if there are any."""

    protocol: Protocol
    called: str
    role: str | None
    policy: Policy
    kind: Kind
    calibration: Calibration | None = None

    def render(self, problem: Problem, call: Call, done: tuple[Done, ...]) -> tuple[Message, ...]:
        return messages(self.protocol, self.policy, problem, call, done, self.role)

    def first(self, problem: Problem, given: tuple[Done, ...] = ()) -> tuple[Message, ...]:
        """The messages of the first call that is to be made after what is given."""
        step = next_step(self.policy, problem, given)
        return self.render(problem, step.calls[0], given) if isinstance(step, Ask) else ()


def method(resolved: Resolved) -> Method:
    """The protocol, the role and the policy that the settings ask for.

    Raises UsageError for a protocol or role that does not exist or is broken, and for options that
    contradict each other.
    """
    settings = resolved.settings
    protocol = load(settings.prompt, settings.language)
    role = load_role(settings.role) if settings.role else None
    kind = settings.kind
    if kind is Kind.AUTO and role is not None and role.kind is not None:
        kind = role.kind
    single = protocol.shape is Shape.INDEPENDENT
    if single and settings.turns > 1 and resolved.origin["turns"] == "flag":
        raise UsageError(
            f"--prompt {settings.prompt} asks every chain once, so --turns {settings.turns} does nothing; "
            f"use --samples {settings.turns}"
        )
    calibration = _calibration(settings)
    window = protocol.window if settings.window is None else settings.window
    policy = Policy(
        shape=protocol.shape,
        turns=1 if single else settings.turns,
        samples=settings.samples or protocol.samples,
        window=None if window == "all" else window,
        draw=settings.draw or protocol.draw,
        seed=settings.seed or 0,
        rates=settings.confidence == "asked",
        vote=settings.vote or (Vote.CONSISTENT if kind is Kind.TEXT else Vote.MAJORITY),
        vote_temperature=settings.vote_temperature,
        tie=settings.tie,
        threshold=settings.threshold,
        patience=settings.patience,
        early_stop=settings.early_stop,
        strict=settings.strict,
        breakpoints=calibration.breakpoints if calibration else (),
    )
    _check_rules(policy, settings)
    called = _called(protocol, settings)
    return Method(protocol, called, role.text if role else None, policy, kind, calibration)


def _calibration(settings: Settings) -> Calibration | None:
    if settings.calibration is None:
        return None
    if settings.confidence == "none":
        raise UsageError("--calibration is for confidences, and --confidence none has none; leave one out")
    try:
        return read_calibration(Path(settings.calibration).expanduser())
    except RuntimeError:
        raise UsageError(
            f"the ~ in {settings.calibration!r} names nobody's home; write the path out"
        ) from None


def doubt_about(calibration: Calibration | None, model: str, settings: Settings) -> str | None:
    """What is to be said of a calibration that was made from other confidences than those of this run."""
    if calibration is None:
        return None
    now = {"model": model, "confidence": settings.confidence}
    was = {"model": calibration.model, "confidence": calibration.confidence}
    other = [f"{name} {was[name]!r} (now {now[name]!r})" for name in was if was[name] != now[name]]
    if not other:
        return None
    return (
        f"the calibration {settings.calibration!r} was made with the {' and the '.join(other)}; what another "
        "states may be worth more or less"
    )


def _check_rules(policy: Policy, settings: Settings) -> None:
    if policy.strict and policy.vote is Vote.CONSISTENT:
        raise UsageError(
            "--strict wants more than half of the votes, and --vote consistent counts none; leave one out, "
            "or name another --vote"
        )
    if policy.vote is Vote.WEIGHTED and settings.confidence == "none":
        raise UsageError("--vote weighted counts confidences, and --confidence none has none; leave one out")


def endpoint(resolved: Resolved, env: Mapping[str, str], notice: Notice) -> Endpoint:
    """The model that is named, else the first provider whose key is set, else the embedded one."""
    from rise_cli.chat.providers import PROVIDERS, find_base_url, parse_model

    settings = resolved.settings
    name = settings.model

    def key_of(provider: Provider) -> str | None:
        return find_key(provider.key_vars, provider.name, env, resolved.key_cmds)

    if name is None:
        if settings.base_url:
            raise UsageError(
                f"name the model that {settings.base_url!r} shall run, such as --model openai:NAME"
            )
        keyed = (p for p in PROVIDERS.values() if p.needs_key and key_of(p))
        chosen = next(keyed, PROVIDERS["local"])
        name = f"{chosen.name}:"
        notice(_chosen_for(chosen))
    provider, model = parse_model(name)
    if not provider.remote:
        return Endpoint(provider, model, None, None)
    base_url = find_base_url(provider, settings.base_url, env, resolved.base_urls.get(provider.name))
    return Endpoint(provider, model, base_url, key_of(provider))


def _chosen_for(provider: Provider) -> str:
    if provider.needs_key:
        return f"no model was named; using {provider.name}:{provider.default_model}, whose key is set"
    return "no model was named and no key is set; using the embedded one (--model names another)"


def check(settings: Settings, env: Mapping[str, str], keys: frozenset[str]) -> Check | None:
    """The check command, ready to run. Raises where it cannot be."""
    if settings.check is None:
        return None
    from rise_cli.chat.providers import PROVIDERS
    from rise_cli.check import Check

    variables = frozenset(v for p in PROVIDERS.values() for v in p.key_vars)
    return Check.parse(
        settings.check, settings.check_timeout, environ=env, key_variables=variables, keys=keys
    )


def reply_limit(method: Method, at: Endpoint, settings: Settings) -> int | None:
    """The most tokens of one reply; None leaves it to the provider.

    The embedded model is held to a usual reply, and one that holds all rounds to as many of them.
    """
    if settings.max_tokens is None and at.name == "local:" and method.policy.shape is Shape.SINGLE:
        return _USUAL_REPLY * method.policy.turns
    return settings.max_tokens


def room(method: Method, problem: Problem, settings: Settings, given: tuple[Done, ...] = ()) -> Room:
    """The room that this problem takes, after what is given.

    Two bytes a token is more than English text needs; every attempt that a turn sees brings a reply
    and what is said about it, a critique included. Where the winner is selected, a call sees as many
    replies as it may.
    """
    policy = method.policy
    reply = settings.max_tokens or _USUAL_REPLY
    seen = most_seen(policy, policy.turns) * (2 if policy.shape is Shape.REFINE else 1)
    if policy.vote is Vote.CONSISTENT:
        seen = max(seen, min(policy.turns * policy.samples, GROUP_REPLIES))
    rounds = policy.turns if policy.shape is Shape.SINGLE and settings.max_tokens is None else 1
    head = method.first(problem, given)
    tokens = sum(len(m.text.encode()) for m in head) // 2 + seen * (reply + 256) + rounds * reply + 512
    return Room(min(policy.samples, slots(settings)), tokens)


def recorded_settings(resolved: Resolved, method: Method, model: str, key: str | None) -> dict[str, object]:
    """The settings as they worked out, as JSON for a record: the protocol's own numbers filled in."""
    from rise_cli.history.record import as_json

    policy = method.policy
    public = resolved.settings.public(frozenset({key} if key else ()))
    del public["prompt"]
    if resolved.settings.role and "/" in resolved.settings.role:
        # Another folder may have another file of that name.
        public["role"] = str(Path(resolved.settings.role).expanduser().absolute())
    recorded: dict[str, object] = {
        "protocol": method.called,
        **public,
        "model": model,
        "turns": policy.turns,
        "samples": policy.samples,
        "window": "all" if policy.window is None else policy.window,
        "draw": policy.draw,
        "vote": policy.vote.value,
        "kind": method.kind.value,
        "calibration": method.calibration.digest if method.calibration else None,
    }
    return as_json(recorded)  # type: ignore[no-any-return]


def _called(protocol: Protocol, settings: Settings) -> str:
    """The name of a shipped protocol; of a folder of one's own, its name and which version it was.

    To be asked when it has just been loaded: the folder may change, or go away, before a record is made.
    """
    shipped = settings.prompt in names()
    return protocol.name if shipped else f"{protocol.name}@{_digest_of(protocol.folder)}"


def _digest_of(folder: Path) -> str:
    """Of the files beside each other: templates have no others. One that cannot be read is none of them,
    or the protocol would not have loaded."""
    digest = sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode(errors="surrogatepass"))
        digest.update(content)
    return digest.hexdigest()[:12]
