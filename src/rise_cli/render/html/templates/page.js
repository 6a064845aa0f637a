// The list of problems: search, filters, pages, and the dialog with a transcript.

const ROWS = 100; // a page
const PAUSE_MS = 150; // of typing, before the list is searched
const KEPT = 8; // elements whose transcripts stay unpacked

const at = (id) => document.getElementById(id);
const bit = (name) => 1 << SETTINGS.flags.indexOf(name);
const [FILE, ID, FLAGS, QUESTION, ANSWER, TURNS, TOKENS, CONFIDENCE, CHUNK, PLACE] = Array(10).keys();

const entries = [];
const texts = []; // of each entry, what a search looks in
let shown = []; // positions in `entries` of what the search and the filters leave
let page = 0;
let opened = -1; // the position in `shown` of the problem in the dialog
let record = null;
const unpacked = new Map();

async function unpack(element) {
  const bytes = Uint8Array.from(atob(element.textContent), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

async function transcript(entry) {
  const name = `t${entry[CHUNK]}`;
  if (!unpacked.has(name)) {
    unpacked.set(name, unpack(at(name)));
    if (unpacked.size > KEPT) unpacked.delete(unpacked.keys().next().value);
  }
  return (await unpacked.get(name))[entry[PLACE]];
}

// --- the list

function state(entry) {
  const flags = entry[FLAGS];
  if (flags & bit("failed")) return ["failed", "failed"];
  if (flags & bit("fixed")) return ["right", "✓ fixed"];
  if (flags & bit("broken")) return ["wrong", "✗ broken"];
  if (flags & bit("right")) return ["right", "✓ right"];
  if (flags & bit("wrong")) return ["wrong", "✗ wrong"];
  return ["unknown", "not judged"];
}

function row(position) {
  const entry = entries[shown[position]];
  const [kind, word] = state(entry);
  const facts = [counted(entry[TURNS], "turn")];
  if (entry[TOKENS] !== null) facts.push(counted(entry[TOKENS], "token"));
  if (entry[CONFIDENCE] !== null) facts.push(`${percent(entry[CONFIDENCE])} sure`);
  if (entry[FLAGS] & bit("unresolved")) facts.push("unresolved");
  if (SETTINGS.files.length > 1) facts.push(SETTINGS.files[entry[FILE]]);
  const button = make("button", { type: "button", class: "row" },
    badge(kind, word),
    make("span", { class: "id", dir: "auto" }, short(entry[ID], 60)),
    make("span", { class: "asked", dir: "auto" }, short(entry[QUESTION], 160)),
    make("span", { class: "answer", dir: "auto" }, short(entry[ANSWER] ?? "no answer", 60)),
    make("span", { class: "soft" }, facts.join(" · ")),
  );
  button.addEventListener("click", () => open(position));
  return make("li", {}, button);
}

function draw() {
  const first = page * ROWS;
  const last = Math.min(shown.length, first + ROWS);
  const rows = [];
  for (let position = first; position < last; position += 1) rows.push(row(position));
  at("rows").replaceChildren(...rows);
  at("count").textContent = shown.length
    ? `${number(first + 1)} to ${number(last)} of ${counted(shown.length, "problem")}`
    : "No problem fits.";
  const pages = Math.max(1, Math.ceil(shown.length / ROWS));
  at("pages").textContent = `page ${number(page + 1)} of ${number(pages)}`;
  at("pager").hidden = pages === 1;
  for (const id of ["first", "previous"]) at(id).disabled = page === 0;
  for (const id of ["next", "last"]) at(id).disabled = page === pages - 1;
}

function turn(to) {
  const pages = Math.ceil(shown.length / ROWS);
  page = Math.min(Math.max(0, to), pages - 1);
  draw();
  at("problems").scrollIntoView();
}

function select() {
  const wanted = at("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const flag = document.querySelector("input[name=state]:checked").value;
  const mask = flag === "all" ? 0 : bit(flag);
  const file = at("file") ? Number(at("file").value) : -1;
  const counts = SETTINGS.flags.map(() => 0);
  let all = 0;
  shown = [];
  entries.forEach((entry, position) => {
    if (file >= 0 && entry[FILE] !== file) return;
    if (!wanted.every((word) => texts[position].includes(word))) return;
    all += 1;
    for (let one = 0; one < counts.length; one += 1) counts[one] += (entry[FLAGS] >> one) & 1;
    if (!mask || entry[FLAGS] & mask) shown.push(position);
  });
  SETTINGS.flags.forEach((name, one) => {
    if (at(`count-${name}`)) at(`count-${name}`).textContent = number(counts[one]);
  });
  at("count-all").textContent = number(all);
  page = 0;
  draw();
}

function soon(act) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, PAUSE_MS);
  };
}

// --- the dialog

async function open(position) {
  opened = position;
  const entry = entries[shown[position]];
  const [kind, word] = state(entry);
  at("name").replaceChildren(make("bdi", {}, short(entry[ID], 120)));
  const unresolved = entry[FLAGS] & bit("unresolved") ? [badge("unknown", "unresolved")] : [];
  at("badges").replaceChildren(badge(kind, word), ...unresolved);
  const file = SETTINGS.files[entry[FILE]];
  at("where").textContent = `${number(position + 1)} of ${number(shown.length)} · ${file}`;
  at("earlier").disabled = position === 0;
  at("later").disabled = position === shown.length - 1;
  if (!at("problem").open) at("problem").showModal();
  try {
    record = await transcript(entry);
  } catch {
    record = null;
  }
  if (opened !== position) return; // somebody has gone on meanwhile
  others(entry);
  write();
  at("transcript").scrollTop = 0;
}

function write() {
  let parts;
  try {
    parts = transcriptOf(record, at("marking").checked);
  } catch {
    parts = [make("p", {}, "This problem cannot be shown: what the file holds of it is damaged.")];
  }
  at("transcript").replaceChildren(...parts);
}

// The same problem in the other files.
function others(entry) {
  const links = [];
  if (SETTINGS.files.length > 1) {
    entries.forEach((other, position) => {
      if (other[ID] !== entry[ID] || other[FILE] === entry[FILE] || links.length > 20) return;
      const [kind, word] = state(other);
      const button = make("button", { type: "button" }, badge(kind, word), ` ${SETTINGS.files[other[FILE]]}`);
      button.addEventListener("click", () => {
        let place = shown.indexOf(position);
        if (place < 0) place = shown.push(position) - 1;
        open(place);
      });
      links.push(button);
    });
  }
  at("others").replaceChildren(...(links.length ? ["Elsewhere: ", ...links] : []));
}

function step(by) {
  if (shown[opened + by] !== undefined) open(opened + by);
}

// On paper the dialog, which no browser breaks into pages, gives its content away.
function toPaper() {
  if (!at("problem").open) return;
  at("paper").append(make("h2", {}, at("name").textContent), ...at("transcript").childNodes);
}

function fromPaper() {
  at("paper").firstChild?.remove();
  at("transcript").append(...at("paper").childNodes);
}

function close() {
  opened = -1;
  record = null;
  at("transcript").replaceChildren();
}

// --- at the start

function keys(event) {
  const typing = event.target.matches("input[type=search], select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (at("problem").open) {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  } else if (event.key === "/" && !typing) {
    event.preventDefault();
    at("search").focus();
  } else if (event.key === "Escape" && event.target === at("search")) {
    at("search").value = "";
    select();
  }
}

async function start() {
  at("search").addEventListener("input", soon(select));
  for (const input of document.querySelectorAll("input[name=state]")) {
    input.addEventListener("change", select);
  }
  at("file")?.addEventListener("change", select);
  at("first").addEventListener("click", () => turn(0));
  at("previous").addEventListener("click", () => turn(page - 1));
  at("next").addEventListener("click", () => turn(page + 1));
  at("last").addEventListener("click", () => turn(Infinity));
  at("earlier").addEventListener("click", () => step(-1));
  at("later").addEventListener("click", () => step(1));
  at("shut").addEventListener("click", () => at("problem").close());
  at("problem").addEventListener("close", close);
  at("marking").addEventListener("change", write);
  document.addEventListener("keydown", keys);
  if (!window.DecompressionStream) {
    at("count").textContent = "This browser is too old to unpack the problems.";
    return;
  }
  window.addEventListener("beforeprint", toPaper);
  window.addEventListener("afterprint", fromPaper);
  for (let part = 0; at(`i${part}`); part += 1) {
    for (const entry of await unpack(at(`i${part}`))) {
      entries.push(entry);
      texts.push(`${entry[ID]}\n${entry[QUESTION]}\n${entry[ANSWER] ?? ""}`.toLowerCase());
    }
    at(`i${part}`).remove();
    if (part === 0) select(); // the first rows are there at once
  }
  select();
  document.documentElement.dataset.ready = "yes";
}

start();
