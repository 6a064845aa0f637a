"""Settings: who wins, what is refused and in which words, hostile files, and where keys come from."""

from __future__ import annotations

import math
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from rise_cli.core.domain import Kind, Tie, Vote
from rise_cli.errors import ConfigurationError, CredentialsError, RiseError, UsageError
from rise_cli.settings import Provider, Resolved, Settings, config_paths, describe, find_key, resolve
from rise_cli.settings.files import METHOD
from rise_cli.settings.options import expectation

KEY = "sk-proj-0123456789abcdefghij"


@dataclass
class Place:
    """A home with the user's file in it, a project in the home, and a folder in the project."""

    home: Path

    @property
    def user(self) -> Path:
        return self.home / "config.toml"

    @property
    def cwd(self) -> Path:
        return self.home / "project" / "inner"

    @property
    def project(self) -> Path:
        return self.home / "project" / "rise.toml"

    def resolve(self, flags: dict[str, object] | None = None, **env: str) -> Resolved:
        return resolve(flags or {}, env={"HOME": str(self.home)} | env, cwd=self.cwd, user_config=self.user)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path / "home")
    found.cwd.mkdir(parents=True)
    return found


def test_without_anything_everything_is_a_default(place: Place) -> None:
    resolved = place.resolve()
    assert resolved.settings == Settings()
    assert set(resolved.origin.values()) == {"default"}
    assert resolved.origin.keys() == Settings.model_fields.keys()


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("turns", [(2, 2), (3, 3), ("4", 4), (6, 6)]),
        ("threshold", [(0.1, 0.1), (0.2, 0.2), ("0.3", 0.3), (0.4, 0.4)]),
        ("early_stop", [("false", False), ("true", True), ("off", False), (True, True)]),
        ("prompt", [("'/my/own'", "/my/own"), ("'paper'", "paper"), ("sample", "sample"), ("x", "x")]),
        ("window", [("'all'", "all"), (0, 0), ("all", "all"), ("2", 2)]),
        ("kind", [("'math'", "math"), ("'text'", "text"), ("choice", "choice"), ("number", "number")]),
        ("vote", [("'last'", "last"), ("'first'", "first"), ("last", "last"), (Vote.FIRST, "first")]),
    ],
)
def test_precedence_over_all_five_levels(
    place: Place, name: str, levels: list[tuple[object, object]]
) -> None:
    (in_user, user), (in_project, project), (in_env, env), (in_flag, flag) = levels
    variable = f"RISE_{name.upper()}"

    def found(flags: dict[str, object], **environ: str) -> tuple[object, str]:
        resolved = place.resolve(flags, **environ)
        return getattr(resolved.settings, name), resolved.origin[name]

    assert found({name: None}) == (Settings.model_fields[name].default, "default")
    place.user.write_text(f"{name} = {in_user}\n")
    assert found({name: None}) == (user, str(place.user))
    place.project.write_text(f"{name} = {in_project}\n")
    assert found({}) == (project, str(place.project))
    assert found({}, **{variable: ""}) == (project, str(place.project))
    assert found({}, **{variable: str(in_env)}) == (env, f"environment {variable}")
    assert found({name: in_flag}, **{variable: str(in_env)}) == (flag, "flag")


EXAMPLES: dict[str, tuple[str, object]] = {
    "model": ("openai:x", "openai:x"),
    "base_url": ("http://localhost:1/v1", "http://localhost:1/v1"),
    "turns": ("50", 50),
    "samples": ("100", 100),
    "prompt": ("paper", "paper"),
    "role": ("judge", "judge"),
    "calibration": ("cal.json", "cal.json"),
    "window": ("0", 0),
    "kind": ("math", Kind.MATH),
    "vote": ("last", Vote.LAST),
    "tie": ("latest", Tie.LATEST),
    "threshold": ("1", 1.0),
    "patience": ("51", 51),
    "early_stop": ("no", False),
    "confidence": ("none", "none"),
    "check": ("python 'my verify.py'", "python 'my verify.py'"),
    "check_timeout": ("0.5", 0.5),
    "max_cost": ("0.01", 0.01),
    "max_tokens_total": ("1000", 1000),
    "draw": ("3", 3),
    "language": ("zh", "zh"),
    "vote_temperature": ("0.1", 0.1),
    "price": ("0.25, 2", (0.25, 2.0)),
    "max_retries": ("0", 0),
    "max_wait": ("0", 0.0),
    "timeout": ("10", 10.0),
    "deadline": ("1e3", 1000.0),
    "concurrency": ("1000", 1000),
    "rpm": ("500", 500),
    "tpm": ("30000", 30000),
    "stream": ("0", False),
    "seed": ("-1", -1),
    "temperature": ("2", 2.0),
    "top_p": ("0.5", 0.5),
    "max_tokens": ("1", 1),
    "reasoning_effort": ("low", "low"),
    "option": ("n=1\nstop=END", {"n": 1, "stop": "END"}),
    "strict": ("YES", True),
    "log": ("false", False),
    "color": ("never", "never"),
}


def test_every_setting_has_a_variable(place: Place) -> None:
    assert EXAMPLES.keys() == Settings.model_fields.keys()
    resolved = place.resolve({}, **{f"RISE_{name.upper()}": text for name, (text, _) in EXAMPLES.items()})
    assert {name: getattr(resolved.settings, name) for name in EXAMPLES} == {
        name: value for name, (_, value) in EXAMPLES.items()
    }
    assert resolved.origin == {name: f"environment RISE_{name.upper()}" for name in EXAMPLES}


@pytest.mark.parametrize("word", ["1", "true", "yes", "on", "True", "ON"])
def test_words_for_true(place: Place, word: str) -> None:
    assert place.resolve(RISE_STRICT=word).settings.strict


@pytest.mark.parametrize("word", ["0", "false", "no", "off", "False"])
def test_words_for_false(place: Place, word: str) -> None:
    assert not place.resolve(RISE_EARLY_STOP=word).settings.early_stop


@pytest.mark.parametrize(
    ("given", "option"),
    [
        (["a=1", "b=[1, 2]", "c=x y", "a=2"], {"a": 2, "b": [1, 2], "c": "x y"}),
        (["d=", "e=k=v"], {"d": "", "e": "k=v"}),
        (["t=true", 'q="1"', "n=null", "o={}"], {"t": True, "q": "1", "n": None, "o": {}}),
        (["a=NaN", "b=Infinity", "c=1e999"], {"a": "NaN", "b": "Infinity", "c": "1e999"}),
        pytest.param(["a=" + "[" * 100_000], {"a": "[" * 100_000}, id="nested"),
        pytest.param(["a=" + "9" * 5000], {"a": "9" * 5000}, id="long"),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        ({"a": 1}, {"a": 1}),
        ((), {}),
        ([], {}),
    ],
)
def test_options_are_pairs(place: Place, given: object, option: dict[str, object]) -> None:
    assert place.resolve({"option": given}).settings.option == option


WRONG: list[tuple[str, object, str]] = [
    ("turns", 0, "a whole number between 1 and 50, not 0"),
    ("turns", 51, "a whole number between 1 and 50, not 51"),
    ("turns", "many", "a whole number between 1 and 50, not 'many'"),
    ("turns", 2.5, "a whole number between 1 and 50, not 2.5"),
    ("turns", True, "a whole number between 1 and 50, not true"),
    ("turns", 1 << 70, "a whole number between 1 and 50, not so large a number"),
    ("samples", 0, "a whole number between 1 and 100, not 0"),
    ("samples", 101, "a whole number between 1 and 100, not 101"),
    ("window", -1, "a whole number of at least 0, or 'all', not -1"),
    ("window", "none", "a whole number of at least 0, or 'all', not 'none'"),
    ("window", True, "a whole number of at least 0, or 'all', not true"),
    ("kind", "poem", "one of 'auto', 'number', 'choice', 'math' or 'text', not 'poem'"),
    ("vote", "most", "one of 'majority', 'last', 'first', 'weighted', 'entropy' or 'consistent', not 'most'"),
    ("tie", "none", "one of 'earliest' or 'latest', not 'none'"),
    ("threshold", 1.5, "a number between 0 and 1, not 1.5"),
    ("threshold", -0.1, "a number between 0 and 1, not -0.1"),
    ("threshold", math.nan, "a number between 0 and 1, not nan"),
    ("patience", 0, "a whole number of at least 1, not 0"),
    ("confidence", "sure", "one of 'stated', 'asked', 'logprob' or 'none', not 'sure'"),
    ("early_stop", "maybe", "true or false, not 'maybe'"),
    ("stream", 2, "true or false, not 2"),
    ("check", "", "a command, not ''"),
    ("check_timeout", 0, "a number above 0 and at most 1,000,000, not 0"),
    ("check_timeout", math.inf, "a number above 0 and at most 1,000,000, not inf"),
    ("timeout", -1, "a number above 0 and at most 1,000,000, not -1"),
    ("deadline", 0, "a number above 0 and at most 1,000,000, not 0"),
    ("max_wait", -1, "a number between 0 and 1,000,000, not -1"),
    ("max_cost", 0, "a number above 0, not 0"),
    ("max_cost", math.inf, "a number above 0, not inf"),
    ("max_cost", math.nan, "a number above 0, not nan"),
    ("max_tokens_total", 0, "a whole number of at least 1, not 0"),
    ("max_retries", -1, "a whole number between 0 and 100, not -1"),
    ("max_retries", 101, "a whole number between 0 and 100, not 101"),
    ("concurrency", 0, "a whole number between 1 and 1,000, or 'auto', not 0"),
    ("concurrency", "1001", "a whole number between 1 and 1,000, or 'auto', not '1001'"),
    ("concurrency", "automatic", "a whole number between 1 and 1,000, or 'auto', not 'automatic'"),
    ("concurrency", True, "a whole number between 1 and 1,000, or 'auto', not true"),
    ("rpm", 0, "a whole number of at least 1, not 0"),
    ("tpm", "many", "a whole number of at least 1, not 'many'"),
    ("temperature", 2.1, "a number between 0 and 2, not 2.1"),
    ("top_p", 1.1, "a number between 0 and 1, not 1.1"),
    ("max_tokens", 0, "a whole number of at least 1, not 0"),
    ("seed", 1.5, "a whole number, not 1.5"),
    ("model", "", "a model name such as 'openai:gpt-5-mini', not ''"),
    ("model", 3, "a model name such as 'openai:gpt-5-mini', not 3"),
    ("base_url", "localhost:8000", "an http:// or https:// address, not 'localhost:8000'"),
    ("base_url", "file:///etc/passwd", "an http:// or https:// address, not 'file:///etc/passwd'"),
    ("base_url", "http://[::1", "an http:// or https:// address, not 'http://[::1'"),
    ("price", "1", "two prices INPUT,OUTPUT in USD per million tokens, such as 0.25,2, not '1'"),
    ("price", "1,2,3", "two prices INPUT,OUTPUT in USD per million tokens, such as 0.25,2, not '1,2,3'"),
    ("price", "1,-2", "two prices INPUT,OUTPUT in USD per million tokens, such as 0.25,2, not '1,-2'"),
    ("price", "a,b", "two prices INPUT,OUTPUT in USD per million tokens, such as 0.25,2, not 'a,b'"),
    ("price", "inf,nan", "two prices INPUT,OUTPUT in USD per million tokens, such as 0.25,2, not 'inf,nan'"),
    ("color", "red", "one of 'auto', 'always' or 'never', not 'red'"),
    ("prompt", "x" * 100_000 + "\ud800", f"the name or the folder of a protocol, not '{'x' * 60}'..."),
    ("role", "a\x1b[31m\u202e\ud800", r"the name of a role, not 'a\x1b[31m\u202e\ud800'"),
    ("option", ["a=1", "b"], "NAME=VALUE, not 'b'"),
    ("option", ["=1"], "NAME=VALUE, not a list"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_a_wrong_flag_is_wrong_usage(place: Place, name: str, value: object, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        place.resolve({name: value})
    flag = "--no-early-stop" if name == "early_stop" else "--" + name.replace("_", "-")
    assert str(caught.value) == f"{flag} must be {words}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [row for row in WRONG if isinstance(row[1], str) and row[1] and row[1].isprintable()],
)
def test_a_wrong_variable_is_wrong_usage(place: Place, name: str, value: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        place.resolve({}, **{f"RISE_{name.upper()}": value})
    assert str(caught.value) == f"RISE_{name.upper()} must be {words}"


@pytest.mark.parametrize("text", ["{", '{"a": NaN}', '{"a": 1e999}', '{"a":' * 50_000, "[1]", "word"])
def test_a_wrong_option_variable(place: Place, text: str) -> None:
    with pytest.raises(UsageError, match=r"^RISE_OPTION must be NAME=VALUE, not "):
        place.resolve(RISE_OPTION=text)


@pytest.mark.parametrize("which", ["user", "project"])
@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("turns = 51", "'turns' must be a whole number between 1 and 50, not 51"),
        ("turns = true", "'turns' must be a whole number between 1 and 50, not true"),
        ("turns = [1]", "'turns' must be a whole number between 1 and 50, not a list"),
        ("turns.a.b = 1", "'turns' must be a whole number between 1 and 50, not a table"),
        ("turns = 2026-01-01", "'turns' must be a whole number between 1 and 50, not 2026-01-01"),
        (f"turns = 0x{'f' * 4000}", "'turns' must be a whole number between 1 and 50, not so large a number"),
        ("threshold = nan", "'threshold' must be a number between 0 and 1, not nan"),
        ('kind = "\\u001b[31m\\u202e"', r"not '\x1b[31m\u202e'"),
        ("trun = 3", "there is no setting 'trun'; did you mean 'turns'?"),
        ("max-retries = 3", "there is no setting 'max-retries'; did you mean 'max_retries'?"),
        ("zzz = 3", "there is no setting 'zzz'; `rise config show` lists all of them"),
        ('"\\u001b[2J\\n" = 1', r"there is no setting '\x1b[2J\n'"),
        ("[ask]\nturns = 1", "there is no setting 'ask'"),
        (f'api_key = "{KEY}"', "'api_key' would keep a key in a file; remove it, and export"),
        (f'openai_api_key = "{KEY}"', "'openai_api_key' would keep a key in a file"),
        (f'key = "{KEY}"', "'key' would keep a key in a file"),
        (f'token = "{KEY}"', "'token' would keep a key in a file"),
        ("turns = ", "is not TOML: Invalid value (at end of document); correct it"),
        ("turns = 1\nturns = 2", "is not TOML: Cannot overwrite a value (at "),
        ("a\x1b[31m = 1", "is not TOML"),
        ("turns = 1\0", "is not TOML"),
        ("a = " + "[" * 4000, "is not TOML that can be read"),
        ("a = " + "{a=" * 1300, "is not TOML that can be read"),
        ("a = 2026-02-31", "is not TOML"),
        ("#" * 5000, "has a line of more than 4096 characters"),
        ("#\n" * 40_000, "is larger than 64 KiB"),
        ("#\n" * 700_000, "is larger than 64 KiB"),
        ("\n".join(["a." * 2000 + "a = 1"] * 2), "is not TOML: Cannot overwrite a value"),
    ],
)
def test_a_wrong_file_is_a_clear_line(place: Place, which: str, toml: str, words: str) -> None:
    path: Path = getattr(place, which)
    path.write_text(toml, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        place.resolve({"turns": 3})
    said = str(caught.value)
    assert words in said
    assert str(path) in said
    assert said.isprintable()
    assert len(said) < 400 + 2 * len(str(path))
    assert KEY not in said
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("which", ["user", "project"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("latin-1", "is not UTF-8 text (at byte 10)"),
        ("folder", "cannot be read: Is a directory"),
        ("pipe", "is not a plain file"),
        ("device", "is not a plain file"),
        ("loop", "cannot be read: Too many levels of symbolic links"),
        ("dangling", "cannot be read: No such file"),
    ],
)
def test_a_path_that_is_no_text_file(place: Place, which: str, kind: str, words: str) -> None:
    path: Path = getattr(place, which)
    match kind:
        case "latin-1":
            path.write_bytes("prompt = 'é'".encode("latin-1"))
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case _:
            path.symlink_to({"device": "/dev/zero", "loop": str(path), "dangling": "nowhere"}[kind])
    with pytest.raises(ConfigurationError) as caught:
        place.resolve()
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(place: Place) -> None:
    place.project.write_text("turns = 1")
    place.project.chmod(0)
    with pytest.raises(ConfigurationError, match="cannot be read: Permission denied"):
        place.resolve()


def test_a_folder_with_a_hostile_name(tmp_path: Path) -> None:
    cwd = tmp_path / "a\x1b[31m\nb"
    cwd.mkdir()
    (cwd / "rise.toml").write_text("turns = 0")
    with pytest.raises(ConfigurationError) as caught:
        resolve({}, env={}, cwd=cwd, user_config=tmp_path / "none.toml")
    assert str(caught.value).isprintable()


def test_a_byte_order_mark_and_windows_lines_are_fine(place: Place) -> None:
    place.project.write_bytes(b"\xef\xbb\xbfturns = 2\r\nkind = 'math'\r\n")
    assert place.resolve().settings.turns == 2


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - METHOD))
def test_a_project_may_not_execute_redirect_or_spend(place: Place, name: str) -> None:
    place.project.write_text(f"{name} = {EXAMPLES[name][0]!r}\n")
    with pytest.raises(ConfigurationError) as caught:
        place.resolve({"turns": 1})
    assert str(caught.value) == (
        f"{place.project} sets {name!r}, which a folder's settings may not, since folders come from "
        f"strangers; remove it there and set it in {place.user} or on the command line"
    )


@pytest.mark.parametrize("toml", ['key_cmd = "id"', '[providers.openai]\nkey_cmd = "id"', "providers = 1"])
def test_a_project_may_not_name_a_key_command(place: Place, toml: str) -> None:
    place.project.write_text(toml)
    with pytest.raises(ConfigurationError, match=r"rise\.toml sets '(key_cmd|providers)', which a folder's"):
        place.resolve()


def test_what_executes_is_among_what_a_project_may_not_set() -> None:
    assert METHOD.isdisjoint({"check", "base_url", "model", "option", "price"})
    assert Settings.model_fields.keys() > METHOD


def test_a_project_sets_the_method(place: Place) -> None:
    lines = [f"{name} = {EXAMPLES[name][0]!r}" for name in sorted(METHOD)]
    place.project.write_text("\n".join(lines))
    resolved = place.resolve()
    for name in METHOD:
        assert getattr(resolved.settings, name) == EXAMPLES[name][1]
        assert resolved.origin[name] == str(place.project)


@pytest.mark.parametrize("name", ["prompt", "role"])
@pytest.mark.parametrize("value", ["/etc", "../x", "./x", "~/x", "a/b", ".hidden", "", "a\\b", "a b", "é"])
def test_a_project_names_prompts_and_roles_but_no_paths(place: Place, name: str, value: str) -> None:
    place.project.write_text(f"{name} = '{value}'\n")
    with pytest.raises(ConfigurationError, match=f"'{name}' in a folder's settings must be a name"):
        place.resolve()


@pytest.mark.parametrize(
    ("user", "project", "settled", "whose"),
    [
        ("1.5", "0.5", 0.5, "project"),
        ("1.5", "100", 1.5, "user"),
        ("1.5", "1.5", 1.5, "project"),
        (None, "100", 100.0, "project"),
    ],
)
def test_a_project_tightens_a_cap_and_never_loosens_it(
    place: Place, user: str | None, project: str, settled: float, whose: str
) -> None:
    if user:
        place.user.write_text(f"max_cost = {user}")
    place.project.write_text(f"max_cost = {project}")
    resolved = place.resolve()
    assert resolved.settings.max_cost == settled
    assert resolved.origin["max_cost"] == str(getattr(place, whose))


def test_the_nearest_project_file_counts_alone(place: Place) -> None:
    place.project.write_text("turns = 2\npatience = 9")
    (place.cwd / "rise.toml").write_text("turns = 3")
    resolved = place.resolve()
    assert (resolved.settings.turns, resolved.settings.patience) == (3, 2)


def test_the_search_ends_at_home(place: Place) -> None:
    above = place.home.parent / "rise.toml"
    above.write_text("turns = 2")
    env = {"HOME": str(place.home), "RISE_CONFIG": str(place.user)}
    assert config_paths(place.cwd, env).project is None
    assert config_paths(place.home, env).project is None
    assert config_paths(place.cwd, env | {"HOME": "/elsewhere"}).project == above
    at_home = place.home / "rise.toml"
    at_home.write_text("turns = 2")
    assert config_paths(place.cwd, env).project == at_home


def test_where_the_users_file_is(place: Place) -> None:
    assert config_paths(place.cwd, {"RISE_CONFIG": "/x/y.toml"}).user == Path("/x/y.toml")
    assert config_paths(place.cwd, {"RISE_CONFIG": ""}).user.parts[-2:] == ("rise", "config.toml")


def test_a_named_users_file_must_exist_and_dev_null_is_none(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        resolve({}, env={"RISE_CONFIG": str(place.home / "gone.toml")}, cwd=place.cwd)
    assert resolve({}, env={"RISE_CONFIG": os.devnull}, cwd=place.cwd).settings == Settings()


def test_a_file_that_the_user_names_is_the_users(place: Place) -> None:
    place.project.write_text("check = 'true'")
    env = {"HOME": str(place.home), "RISE_CONFIG": str(place.project)}
    assert resolve({}, env=env, cwd=place.cwd).settings.check == "true"


def test_providers_are_the_users_to_set_up(place: Place) -> None:
    place.user.write_text(
        "[providers.openai]\nkey_cmd = 'pass show openai'\n"
        "[providers.vllm]\nbase_url = 'http://gpu:8000/v1'\n[providers.xai]\n"
    )
    resolved = place.resolve()
    assert resolved.key_cmds == {"openai": "pass show openai"}
    assert resolved.base_urls == {"vllm": "http://gpu:8000/v1"}
    assert resolved.providers["xai"] == Provider()
    assert describe(resolved)[-2:] == [
        ("providers.openai.key_cmd", "pass show openai", str(place.user)),
        ("providers.vllm.base_url", "http://gpu:8000/v1", str(place.user)),
    ]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("providers = 3", "needs a table for each of its providers"),
        ("providers = [1]", "needs a table for each of its providers"),
        ("[providers]\nopenai = 3", "there is no setting 'openai' in [providers]"),
        (f"[providers]\napi_key = '{KEY}'", "'api_key' in [providers] would keep a key in a file"),
        (f"[providers.openai]\nkey = '{KEY}'", "'key' in [providers.openai] would keep a key in a file"),
        (f"[providers.openai]\napi_key = '{KEY}'", "'api_key' in [providers.openai] would keep a key"),
        ("[providers.openai]\nkeycmd = 'x'", "in [providers.openai]; did you mean 'key_cmd'?"),
        ("[providers.openai]\nkey_cmd = 3", "'key_cmd' of the provider 'openai' must be text"),
        ("[providers.openai]\nkey_cmd = ' '", "must be text that is not empty, not ' '"),
        ("[providers.openai]\nbase_url = 'gpu'", "must be an http:// or https:// address, not 'gpu'"),
        (f"[providers.openai]\nbase_url = 'ftp://{KEY}@x'", "not 'ftp://[hidden]@x'"),
        (f"key_cmd = 'echo {KEY}'", "'key_cmd' belongs to a provider; put it under [providers.NAME]"),
    ],
)
def test_wrong_providers(place: Place, toml: str, words: str) -> None:
    place.user.write_text(toml)
    with pytest.raises(ConfigurationError) as caught:
        place.resolve()
    assert words in str(caught.value)
    assert KEY not in str(caught.value)


def test_nothing_shows_a_key(place: Place) -> None:
    bare = "plainkey0123456789"
    place.user.write_text(
        f"[providers.openai]\nkey_cmd = 'echo {KEY}'\nbase_url = 'https://me:{bare}@host/'\n"
    )
    resolved = place.resolve(
        {
            "base_url": f"https://{KEY}@host/v1?api-key={bare}&key={bare}",
            "check": f"verify --token {bare} --api-key={bare} -H 'Authorization: Bearer {bare}' {KEY}",
            "option": [f"api_key={bare}", f'nested={{"authorization": "{bare}", "x": ["{KEY}"]}}', "user=me"],
        },
        RISE_ROLE=KEY,
    )
    shown = f"{resolved!r} {resolved.settings!r} {resolved.settings} {describe(resolved)}"
    assert KEY not in shown
    assert bare not in shown
    assert "'user': 'me'" in shown
    known = describe(place.resolve({"role": "a-bare-word"}), frozenset({"bare"}))
    assert ("role", "a-[hidden]-word", "flag") in known
    addressed = describe(place.resolve({"base_url": "http://host/v1?key=abcdef"}))
    assert ("base_url", "http://host/v1?key=[hidden]", "flag") in addressed
    assert KEY in resolved.key_cmds["openai"]


@pytest.mark.parametrize(
    "flags",
    [{"base_url": f"ftp://{KEY}@host"}, {"option": [KEY]}, {"kind": KEY}, {"price": f"{KEY}, api_key={KEY}"}],
)
def test_no_message_shows_a_key(place: Place, flags: dict[str, object]) -> None:
    with pytest.raises(RiseError) as caught:
        place.resolve(flags)
    assert KEY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_table_of_settings(place: Place) -> None:
    place.user.write_text("max_cost = 0.5")
    rows = describe(place.resolve({"window": "all", "price": "1,2", "role": "a\x1b"}, RISE_STRICT="1"))
    assert [row[0] for row in rows] == list(Settings.model_fields)
    found = {name: (value, origin) for name, value, origin in rows}
    assert found["max_cost"] == ("0.5", str(place.user))
    assert found["window"] == ("all", "flag")
    assert found["price"] == ("[1.0, 2.0]", "flag")
    assert found["strict"] == ("true", "environment RISE_STRICT")
    assert found["model"] == ("not set", "default")
    assert found["turns"] == ("5", "default")
    assert found["role"] == (r"'a\x1b'", "flag")


def test_settings_do_not_change_and_take_nothing_else(place: Place) -> None:
    settings = place.resolve().settings
    with pytest.raises(ValidationError, match="frozen"):
        settings.turns = 3
    with pytest.raises(ValidationError, match="not permitted"):
        Settings.model_validate({"trun": 3})
    with pytest.raises(TypeError, match="trun"):
        place.resolve({"trun": 3})


def test_every_setting_says_what_it_takes() -> None:
    assert all(expectation(name) for name in Settings.model_fields)


VARIABLES = ("FIRST_API_KEY", "SECOND_API_KEY")


@pytest.mark.parametrize(
    ("env", "key"),
    [
        ({}, None),
        ({"FIRST_API_KEY": ""}, None),
        ({"FIRST_API_KEY": " \n"}, None),
        ({"FIRST_API_KEY": KEY}, KEY),
        ({"FIRST_API_KEY": f" {KEY}\r\n"}, KEY),
        ({"FIRST_API_KEY": " ", "SECOND_API_KEY": "second"}, "second"),
        ({"FIRST_API_KEY": "first", "SECOND_API_KEY": "second"}, "first"),
        ({"THIRD_API_KEY": KEY}, None),
    ],
)
def test_keys_from_the_environment(env: dict[str, str], key: str | None) -> None:
    assert find_key(VARIABLES, "first", env, {"other": "no-such-program"}) == key


@pytest.mark.parametrize("bad", ["a b", "a\nb", "a\tb", "a\0b", "clé", "key\u200b", "a\x7f", "\ud800x"])
def test_a_key_that_no_header_could_carry(bad: str) -> None:
    with pytest.raises(CredentialsError, match=r"^FIRST_API_KEY gives a key with a space") as caught:
        find_key(VARIABLES, "first", {"FIRST_API_KEY": f"{KEY}{bad}{KEY}"}, {})
    assert KEY not in str(caught.value)
    assert caught.value.exit_code == 3


def python(source: str) -> str:
    return shlex.join([sys.executable, "-c", source])


@pytest.mark.parametrize(
    ("source", "key"),
    [
        (f"print({KEY!r})", KEY),
        (f"print('  {KEY}  ', end='\\r\\n'); print('login: me')", KEY),
        (f"import sys; assert sys.stdin.read() == ''; sys.stdout.write({KEY!r})", KEY),
        ("import os; print(os.environ['SAID'])", "by-the-environment"),
    ],
)
def test_keys_from_a_command(source: str, key: str) -> None:
    env = {"SAID": "by-the-environment"}
    assert find_key(VARIABLES, "first", env, {"first": python(source)}) == key


def test_the_environment_goes_before_the_command() -> None:
    assert find_key(VARIABLES, "first", {"FIRST_API_KEY": KEY}, {"first": "no-such-program"}) == KEY


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (python(f"import sys; print({KEY!r}); sys.exit({KEY!r})"), "failed with exit status 1; run it"),
        (python("raise SystemExit(7)"), "failed with exit status 7; run it by hand"),
        (python("pass"), "printed nothing; run it by hand"),
        (python(f"print({KEY!r}, {KEY!r})"), "gives a key with a space"),
        (python("import sys; sys.stdout.buffer.write(b'\\xff\\xfe')"), "gives a key with a space"),
        (python(f"import time; print({KEY!r}, flush=True); time.sleep(1000)"), "took longer than 0.5 s"),
        (f"sh -c 'echo {KEY}; sleep 1000 & exit 0'", "took longer than 0.5 s"),
        ("no-such-program-anywhere", "cannot be run: No such file"),
        ("pass 'show", "cannot be run: it is not a command"),
        ("", "cannot be run: it is not a command"),
        ("''", "cannot be run"),
        ("/", "cannot be run: Permission denied"),
    ],
)
def test_a_key_command_that_fails(command: str, words: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        find_key(VARIABLES, "first", dict(os.environ), {"first": command}, timeout_s=0.5)
    assert words in str(caught.value)
    assert str(caught.value).startswith("the key_cmd of 'first' ")
    assert KEY not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
