// One problem as nodes. Text becomes text and nothing else: no markup is ever parsed here.

const LONG = 6000; // characters of a text that are shown before somebody asks for all

// What could reorder or hide what is read is shown by its number instead. One rule for the whole program: the
// pattern comes with the page.
const UNSAFE = new RegExp(SETTINGS.unsafe, "gu");
const visible = (text) =>
  String(text).replace(UNSAFE, (sign) => {
    const number = sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return `⟨U+${number}⟩`;
  });

const number = (value) => (typeof value === "number" ? value.toLocaleString("en-US") : "?");
const percent = (value) => {
  const nearest = Math.round(value * 100);
  return `${value > 0 && value < 1 ? Math.min(99, Math.max(1, nearest)) : nearest}%`;
};
const money = (usd) => (usd <= 0 ? "$0" : usd < 0.0001 ? "<$0.0001" : `$${usd.toFixed(usd < 1 ? 4 : 2)}`);
const counted = (many, noun) => `${number(many)} ${noun}${many === 1 ? "" : "s"}`;

// Makes an element; strings among its children become text.
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// A text of any length, whole where it is short, else with a way to all of it.
function words(text, kind = "reply") {
  const whole = visible(text);
  const box = make("div", { class: `words ${kind}`, dir: "auto" });
  if (whole.length <= LONG) {
    box.textContent = whole;
    return box;
  }
  const label = `Show all ${number(whole.length)} characters`;
  const more = make("button", { type: "button", class: "more" }, label);
  more.addEventListener("click", () => {
    box.textContent = whole;
    box.tabIndex = -1;
    box.focus();
  });
  box.append(`${whole.slice(0, LONG)}… `, more);
  return box;
}

function fold(summary, ...content) {
  return make("details", {}, make("summary", {}, summary), ...content);
}

function badge(kind, text) {
  return make("span", { class: `badge ${kind}` }, text);
}

const judged = (right) =>
  right === true ? badge("right", "✓ right") : right === false ? badge("wrong", "✗ wrong") : null;

// The reply of a turn, with what changed since the one before where that says something.
function reply(turn, before, marking) {
  if (turn.reply === undefined) return make("p", { class: "soft" }, "No reply came.");
  if (!marking || before?.reply === undefined) return words(turn.reply);
  const plain = (why) => make("div", {}, make("p", { class: "soft" }, why), words(turn.reply));
  if (before.reply === turn.reply) return plain("Word for word as before.");
  const pieces = changes(visible(before.reply), visible(turn.reply));
  if (!pieces) return plain("Mostly new, so no changes are marked.");
  const parts = pieces.map(([mark, text]) => {
    if (mark === " ") return text;
    return make(mark === "-" ? "del" : "ins", {}, text);
  });
  const length = pieces.reduce((sum, [, text]) => sum + text.length, 0);
  if (length > LONG) return plain("Too long to mark changes in.");
  return make("div", { class: "words reply", dir: "auto" }, ...parts);
}

function turnFacts(turn) {
  const facts = [];
  if (typeof turn.confidence === "number") facts.push(`says ${percent(turn.confidence)} sure`);
  if (turn.usage) {
    facts.push(`${number(turn.usage.input_tokens)} tokens in, ${number(turn.usage.output_tokens)} out`);
  }
  if (typeof turn.latency_s === "number") facts.push(`${turn.latency_s.toFixed(1)} s`);
  if (typeof turn.cost_usd === "number") facts.push(money(turn.cost_usd));
  if (turn.given) facts.push("taken over from an earlier run");
  return facts.join(" · ");
}

function answerOf(turn, verdict) {
  if (turn.answer === undefined) {
    return make("p", { class: "soft" }, turn.reply === undefined ? "" : "No answer could be read.");
  }
  if (turn.answer.trim() === turn.reply?.trim()) {
    return make("p", { class: "soft" }, `The whole reply is the answer${verdict}.`);
  }
  const text = make("strong", { class: "answer", dir: "auto" }, short(turn.answer, 300));
  return make("p", {}, make("span", { class: "soft" }, `Answer${verdict}: `), text);
}

function turnOf(turn, before, chains, marking) {
  const name = chains > 1 ? `Turn ${turn.turn}, chain ${turn.chain}` : `Turn ${turn.turn}`;
  const verdict = turn.verdict && turn.verdict !== "reference" ? ` (judged by a ${turn.verdict})` : "";
  const failure = turn.failure ? badge("failed", visible(turn.failure)) : null;
  const head = make("header", {}, make("h3", {}, name), judged(turn.right), failure);
  const answer = answerOf(turn, verdict);
  const asides = [];
  if (turn.critique) asides.push(fold("The critique it worked from", words(turn.critique)));
  if (turn.reasoning) asides.push(fold("Hidden reasoning", words(turn.reasoning)));
  const said = [];
  if (turn.feedback) said.push(make("p", { class: "soft" }, "Feedback:"), words(turn.feedback, "aside"));
  const facts = make("p", { class: "soft facts" }, turnFacts(turn));
  return make("article", { class: "turn" }, head, answer, reply(turn, before, marking), ...said, ...asides, facts);
}

function short(text, most) {
  const all = visible(text);
  return all.length > most ? `${all.slice(0, most)}…` : all;
}

function votesOf(votes) {
  const rows = votes.map((vote) =>
    make("tr", {},
      make("th", { scope: "row", dir: "auto" }, short(vote.answer, 200)),
      make("td", {}, number(vote.count)),
      make("td", {}, typeof vote.share === "number" ? percent(vote.share) : "?"),
      make("td", {}, placesOf(vote.turns)),
    ));
  const heads = ["Answer", "Votes", "Share", "Turns"].map((text) => make("th", { scope: "col" }, text));
  return make("table", { class: "votes" },
    make("caption", {}, "Votes"),
    make("thead", {}, make("tr", {}, ...heads)),
    make("tbody", {}, ...rows),
  );
}

function placesOf(places) {
  if (!Array.isArray(places)) return "";
  const one = places.every((place) => place?.[0] === 1);
  const named = places.slice(0, 50).map((place) => (one ? `${place?.[1]}` : `${place?.[1]}/${place?.[0]}`));
  return named.join(", ") + (one ? "" : " (turn/chain)");
}

function factsOf(record) {
  const usage = record.usage ?? {};
  const sent = `${number(usage.input_tokens)} in (${number(usage.cached_input_tokens)} cached)`;
  const facts = [
    ["Answer", record.answer === null ? "none" : short(record.answer, 500)],
    ["Reference", record.reference === null ? "none" : short(record.reference, 500)],
    ["Confidence", typeof record.confidence === "number" ? percent(record.confidence) : "not stated"],
    ["Ended", visible(record.stop_reason) + (record.oracle ? " (steered by an oracle)" : "")],
    ["Tokens", `${sent}, ${number(usage.output_tokens)} out`],
    ["Requests", number(usage.requests)],
    ["Cost", typeof record.cost_usd === "number" ? money(record.cost_usd) : "not known"],
    ["Model", visible(record.model)],
    ...Object.entries(record.extra).map(([name, value]) => [short(name, 80), short(value, 500)]),
  ];
  if (record.error) facts.push(["Error", short(record.error, 1000)]);
  const pairs = facts.map(([name, value]) => {
    const size = value.length > 80 ? "long" : null;
    return make("div", { class: size }, make("dt", {}, name), make("dd", { dir: "auto" }, value));
  });
  return make("dl", { class: "facts" }, ...pairs);
}

// The whole of a problem, for the dialog. `marking`: changes from turn to turn are marked.
function transcriptOf(record, marking) {
  const chains = new Set(record.turns.map((turn) => turn.chain)).size;
  const parts = [];
  if (record.prior.length) {
    const said = record.prior.flatMap((message) => {
      return [make("p", { class: "soft" }, `${visible(message.role)}:`), words(message.text)];
    });
    parts.push(fold("The conversation before", ...said));
  }
  parts.push(words(record.question ?? "", "question"));
  if (record.context) parts.push(fold("Context", words(record.context)));
  parts.push(factsOf(record));
  if (record.votes.length) parts.push(votesOf(record.votes));
  if (!record.turns.length) {
    parts.push(make("p", { class: "soft" }, "The file has no turns of this problem."));
  }
  const latest = new Map();
  for (const turn of record.turns) {
    parts.push(turnOf(turn, latest.get(turn.chain), chains, marking));
    latest.set(turn.chain, turn);
  }
  return parts;
}
