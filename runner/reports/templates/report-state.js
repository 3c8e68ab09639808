// --------------------------------------------- what is shown, as the address has it

// What the fragment of the address holds; what is empty is left out of it.
const EMPTY = { q: "", outcome: "", suite: "", class: "", kernels: "", rows: "", fold: "", merge: "",
  case: "", cell: "", kernel: "" };
// One of them is open at most.
const OPEN = ["case", "cell", "kernel"];
let state = { ...EMPTY };

const escaped = (text) => encodeURIComponent(text).replaceAll("%3A", ":").replaceAll("%2F", "/")
  .replaceAll("%40", "@").replaceAll("%2C", ",");
const fragmentOf = (wanted) => {
  const parts = Object.keys(EMPTY).filter((name) => wanted[name]).map((name) => `${name}=${escaped(wanted[name])}`);
  return `#${parts.join("&")}`;
};
const unescaped = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
const stateOf = (fragment) => {
  const found = { ...EMPTY };
  for (const part of fragment.replace(/^#/, "").split("&")) {
    const at = part.indexOf("=");
    const name = part.slice(0, at);
    if (at > 0 && Object.hasOwn(EMPTY, name)) found[name] = unescaped(part.slice(at + 1));
  }
  return found;
};

// Goes where a change leads, as a new place for the Back button or in place of this one.
const visit = (change, inPlace = false) => {
  const closes = OPEN.some((name) => name in change);
  const next = { ...state, ...(closes ? { case: "", cell: "", kernel: "" } : {}), ...change };
  const fragment = fragmentOf(next);
  if (fragment === fragmentOf(state)) return;
  try {
    // "#" alone scrolls to the top in some browsers.
    const address = fragment === "#" ? location.href.replace(/#.*$/, "") : fragment;
    if (inPlace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    show(next);
  } catch {
    // A frame without an origin may have no history; its address can be set all the same.
    if (inPlace) location.replace(fragment);
    else location.hash = fragment;
  }
};

// ---------------------------------------------------------------------- filters

const form = byId("filter");
const chosen = {
  // Results that match, by row and kernel.
  shown: new Uint8Array(rows.length * kernels.length), rows: [], kernels: [], count: 0, isAll: true,
};
const families = [...new Set(kernels.map((it) => it.family))];
const kernelChoice = (kernel, choice) => !choice ||
  (choice.startsWith("@") ? kernel.tags.includes(choice.slice(1)) : kernel.family === choice);

let haystacks = null;
const lower = (text) => text.toLowerCase();
const search = (word) => {
  // Each text is looked at once, not once for each of its results.
  haystacks ??= {
    rows: rows.map((it) => lower(`${it.full}\n${it.description}`)),
    kernels: kernels.map((it) => lower(`${it.id}\n${it.release}\n${it.family}\n${it.tags.join("\n")}`)),
    details: data.details.map((it) => lower([it.class, it.change, string(it.message), string(it.where)].join("\n"))),
    looks: data.looks.map((it) => lower(it.word)),
  };
  const has = (text) => text.includes(word);
  return { rows: haystacks.rows.map(has), kernels: haystacks.kernels.map(has),
    details: haystacks.details.map(has), looks: haystacks.looks.map(has) };
};

const filter = () => {
  const words = lower(state.q).split(/\s+/).filter(Boolean).map(search);
  const outcomes = new Set(state.outcome ? state.outcome.split(",") : data.looks.map((it) => it.class));
  const wanted = data.looks.map((it) => outcomes.has(it.class));
  const inFamily = kernels.map((it) => kernelChoice(it, state.kernels));
  const counts = data.looks.map(() => 0);
  const seen = new Set();
  chosen.rows = [];
  chosen.count = 0;
  let total = 0;
  for (const row of rows) {
    let any = false;
    const isSuite = !state.suite || data.suites[row.suite] === state.suite;
    const inRow = words.map((it) => it.rows[row.number]);
    for (let kernel = 0; kernel < kernels.length; kernel++) {
      const outcome = outcomeOf(row, kernel);
      const place = row.number * kernels.length + kernel;
      chosen.shown[place] = 0;
      if (outcome < 0) continue;
      total += 1;
      if (!isSuite || !inFamily[kernel] || (state.class && classOf(row, kernel) !== state.class)) continue;
      const detail = row.details[kernel];
      if (!words.every((it, at) => inRow[at] || it.kernels[kernel] || it.looks[outcome] ||
        (detail !== undefined && it.details[detail]))) continue;
      counts[outcome] += 1;
      if (!wanted[outcome]) continue;
      chosen.shown[place] = 1;
      chosen.count += 1;
      any = true;
      seen.add(kernel);
    }
    if (any) chosen.rows.push(row);
  }
  chosen.isAll = chosen.count === total;
  chosen.kernels = kernels.map((_, at) => at).filter((at) => seen.has(at) || (chosen.isAll && inFamily[at]));
  data.looks.forEach((it, at) => {
    byId(`count-${it.class}`).textContent = String(counts[at]);
  });
  byId("count").textContent = `${chosen.count} of ${total} results match, ` +
    `of ${plural(chosen.rows.length, "case")} on ${plural(chosen.kernels.length, "kernel")}`;
  for (const { element, numbers } of listed) {
    element.hidden = !chosen.isAll && !numbers.some((place) => chosen.shown[place]);
  }
};

// The failures below the matrix, by the places of their results.
const rowOfName = new Map(rows.map((row) => [row.full, row]));
const kernelOfId = new Map(kernels.map((it, at) => [it.id, at]));
const failuresOf = (element) => element.dataset.cases.split(" ").map(Number).map((place) =>
  [rows[Math.floor(place / kernels.length)], place % kernels.length]);
const listed = [...document.querySelectorAll("details[data-cases]")].map((element) => ({
  element, numbers: element.dataset.cases.split(" ").map(Number),
}));
