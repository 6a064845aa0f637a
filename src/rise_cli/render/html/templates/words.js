// What changed from one reply to the next, word by word.

const MOST_CELLS = 4e6; // of the table; a longer pair would hold up the page
const ALIKE = 0.5; // of all characters stand in both; below that, marks would bury the reply
const ISLAND = 3; // characters between two changes that are not worth a stop

// Scripts without spaces are compared sign by sign, all else word by word: a number or a word keeps the
// points, dashes and apostrophes within it.
const SIGN = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}";
const WORD = `(?:(?![${SIGN}])[\\p{L}\\p{M}\\p{N}])+`;
const TOKEN = new RegExp(`${WORD}(?:[.,'’/_-]${WORD})*|\\s+|.`, "gsu");

// Returns `later` with what came and what went as [mark, text], in reading order, where the mark is " " for
// both, "-" for the earlier one alone and "+" for the later one; null where that says nothing.
function changes(earlier, later) {
  const a = earlier.trim().match(TOKEN) ?? [];
  const b = later.trim().match(TOKEN) ?? [];
  const same = (i, j) => a[i] === b[j] || (!a[i].trim() && !b[j].trim());
  let start = 0;
  while (start < a.length && start < b.length && same(start, start)) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && same(a.length - 1 - end, b.length - 1 - end)) end += 1;
  const rows = a.length - start - end;
  const columns = b.length - start - end;
  if (rows * columns > MOST_CELLS || Math.max(rows, columns) > 65000) return null;
  const pieces = [];
  add(pieces, " ", b.slice(0, start).join(""));
  walk(pieces, a, b, start, rows, columns, same);
  add(pieces, " ", b.slice(b.length - end).join(""));
  const kept = pieces.filter(([mark]) => mark === " ").reduce((sum, [, text]) => sum + text.length, 0);
  return 2 * kept < ALIKE * (earlier.length + later.length) ? null : joined(pieces);
}

// The longest common run of words, by the textbook's table.
function walk(pieces, a, b, start, rows, columns, same) {
  const width = columns + 1;
  const length = new Uint16Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i -= 1) {
    for (let j = columns - 1; j >= 0; j -= 1) {
      const at = i * width + j;
      length[at] = same(start + i, start + j)
        ? length[at + width + 1] + 1
        : Math.max(length[at + width], length[at + 1]);
    }
  }
  let i = 0;
  let j = 0;
  while (i < rows || j < columns) {
    const at = i * width + j;
    if (i < rows && j < columns && same(start + i, start + j)) {
      add(pieces, " ", b[start + j]);
      i += 1;
      j += 1;
    } else if (j >= columns || (i < rows && length[at + width] >= length[at + 1])) {
      add(pieces, "-", a[start + i]);
      i += 1;
    } else {
      add(pieces, "+", b[start + j]);
      j += 1;
    }
  }
}

function add(pieces, mark, text) {
  const last = pieces.at(-1);
  if (!text) return;
  if (last?.[0] === mark) last[1] += text;
  else pieces.push([mark, text]);
}

// Changes that are apart by next to nothing are one: first what went, then what came.
function joined(pieces) {
  const result = [];
  let went = "";
  let came = "";
  const flush = () => {
    add(result, "-", went);
    add(result, "+", came);
    went = came = "";
  };
  pieces.forEach(([mark, text], at) => {
    const island = at > 0 && at < pieces.length - 1 && text.length <= ISLAND && (went || came);
    if (mark === " " && !island) {
      flush();
      add(result, " ", text);
      return;
    }
    if (mark !== "+") went += text;
    if (mark !== "-") came += text;
  });
  flush();
  return result;
}
