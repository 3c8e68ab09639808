// ------------------------------------------- the matrix of cases and kernels

// Only what is in sight has elements: browsers lay 50,000 of them out in seconds.
const grid = byId("grid");
const sheet = byId("sheet");
const head = byId("grid-head");
const ROW = 24;
const NARROWEST = 9;
const WIDEST = 140;
// Of that many cases and more, those that pass everywhere are one row; of that many kernels
// and more, neighbours that agree are one column.
const MANY_CASES = 40;
const MANY_KERNELS = 12;
// Cases that the user has unfolded, and suites that are folded.
const unfolded = new Set();
const closed = new Set();
const shape = { columns: [], items: [], nameWidth: 0, width: 0, headHeight: 0 };
// Where the arrow keys are; row -1 is the head, column -1 the names.
const active = { row: -1, column: 0 };
const drawn = new Map();
let window_ = "";

const agree = (one, other) => kernels[one].family === kernels[other].family &&
  kernels[one].lost === kernels[other].lost &&
  chosen.rows.every((row) => endOf(row, one) === endOf(row, other));
const merges = () => (state.merge ? state.merge === "on" : chosen.kernels.length >= MANY_KERNELS);
const columnsOf = () => {
  const columns = [];
  for (const kernel of chosen.kernels) {
    const last = columns.at(-1);
    if (last && merges() && agree(last.kernels[0], kernel)) last.kernels.push(kernel);
    else columns.push({ kernels: [kernel], family: kernels[kernel].family });
  }
  for (const it of columns) {
    const [first, last] = [kernels[it.kernels[0]].id, kernels[it.kernels.at(-1)].id];
    it.parts = first === last ? [first] : [first, `– ${last}`, `(${it.kernels.length})`];
    it.label = first === last ? first : `${first} – ${last}`;
  }
  return columns;
};
const passesEverywhere = (row) => chosen.kernels.every((kernel) => {
  const outcome = outcomeOf(row, kernel);
  return outcome < 0 || outcome === data.passed;
});
// A gap, or an error of the infrastructure, says nothing of how a case ends.
const hasVerdict = (row, kernel) => ["passed", "failed"].includes(data.looks[outcomeOf(row, kernel)]?.class);
const differs = (row) => new Set(chosen.kernels.filter((kernel) => hasVerdict(row, kernel))
  .map((kernel) => endOf(row, kernel))).size > 1;
const hasTrouble = (row) => chosen.kernels.some((kernel) => {
  const outcome = outcomeOf(row, kernel);
  return outcome >= 0 && outcome < data.passed;
});
const ROWS = { "": () => true, trouble: hasTrouble, differ: differs };
const itemsOf = () => {
  const wanted = chosen.rows.filter(ROWS[state.rows] ?? ROWS[""]);
  const folds = state.fold !== "off" && wanted.length >= MANY_CASES;
  const items = [];
  data.suites.forEach((_, suite) => {
    const own = wanted.filter((row) => row.suite === suite);
    if (!own.length) return;
    const quiet = folds && !unfolded.has(suite) ? own.filter(passesEverywhere) : [];
    // A suite that passes everywhere is one row.
    const isQuiet = quiet.length === own.length;
    items.push({ kind: "suite", suite, rows: own, isQuiet, isClosed: isQuiet || closed.has(suite) });
    if (items.at(-1).isClosed) return;
    const hidden = new Set(quiet.length > 1 ? quiet : []);
    for (const row of own) if (!hidden.has(row)) items.push({ kind: "case", suite, row });
    if (hidden.size) items.push({ kind: "quiet", suite, rows: quiet });
  });
  return items;
};

// Whether a case ends otherwise than on the last kernel of the family that has a verdict.
const changesAt = (row, number) => {
  const { family, kernels: own } = shape.columns[number];
  if (!hasVerdict(row, own[0])) return false;
  for (let at = number - 1; at >= 0 && shape.columns[at].family === family; at--) {
    const before = shape.columns[at].kernels.at(-1);
    if (hasVerdict(row, before)) return endOf(row, before) !== endOf(row, own[0]);
  }
  return false;
};
const summary = (found, column) => {
  const outcomes = found.map((row) => outcomeOf(row, column.kernels[0])).filter((it) => it >= 0);
  if (!outcomes.length) return null;
  const passed = outcomes.filter((it) => it === data.passed).length;
  const gaps = outcomes.filter((it) => data.looks[it].class === "skipped").length;
  const alone = found.filter((row) => isUncompared(row, column.kernels[0])).length;
  return { outcome: Math.min(...outcomes), passed, run: outcomes.length - gaps, gaps, alone };
};
const SKIPPED = data.looks.findIndex((it) => it.class === "skipped");
// Whether it was skipped only because no other kernel gave anything: nothing was declared.
const isUncompared = (row, kernel) => outcomeOf(row, kernel) === SKIPPED && classOf(row, kernel) === "nothing_to_agree_with";
const wordOf = (row, kernel) => (isUncompared(row, kernel) ? "not compared" : data.looks[outcomeOf(row, kernel)].word);
const skippedWords = ({ gaps, alone }) => [gaps > alone ? plural(gaps - alone, "declared gap") : "",
  alone ? `${alone} not compared` : ""].filter(Boolean).join(", ");

// What stands in a cell: its outcome, letters and words for those who can't see them.
const cellOf = (item, number) => {
  const column = shape.columns[number];
  const isWide = shape.width >= 52;
  if (item.kind === "case") {
    const kernel = column.kernels[0];
    const outcome = outcomeOf(item.row, kernel);
    if (outcome < 0) return null;
    const look = data.looks[outcome];
    const isShown = column.kernels.some((it) => chosen.shown[item.row.number * kernels.length + it]);
    const class_ = classOf(item.row, kernel);
    return { outcome, text: outcome === data.passed && shape.width < 14 ? "" : look.sign, isDim: !isShown,
      changes: changesAt(item.row, number), words: `${wordOf(item.row, kernel)}${class_ && !isUncompared(item.row, kernel) ? ` ${class_}` : ""}` };
  }
  const found = summary(item.rows, column);
  if (!found) return null;
  const { outcome, passed, run, gaps } = found;
  const sign = data.looks[outcome].sign;
  const text = !isWide ? (outcome === data.passed && shape.width < 14 ? "" : sign)
    : run ? `${sign} ${passed}/${run}${gaps && shape.width >= 72 ? ` ${data.looks[SKIPPED].sign}${gaps}` : ""}` : `${sign} ${gaps}`;
  const words = run ? `${data.looks[outcome].word}: ${passed} of ${run} passed${gaps ? `, ${skippedWords(found)}` : ""}`
    : skippedWords(found);
  return { outcome, text, words, isDim: false, changes: false };
};

const placed = (element, left, width) => {
  element.style.left = `${left}px`;
  element.style.width = `${width}px`;
  return element;
};
const idOf = (row, column) => `at-${row}-${column}`;
const role = (element, name, row, column) => {
  element.setAttribute("role", name);
  element.id = idOf(row, column);
  element.dataset.row = String(row);
  element.dataset.column = String(column);
  element.setAttribute("aria-colindex", String(column + 2));
  if (row === active.row && column === active.column) element.classList.add("active");
  return element;
};
const NAMES = {
  suite: (item) => `${item.isClosed ? "▸" : "▾"} ${data.suites[item.suite]}`,
  case: (item) => item.row.name,
  quiet: (item) => `▸ ${plural(item.rows.length, "case")} that pass everywhere`,
};
const drawRow = (number, from, to) => {
  const item = shape.items[number];
  const element = make("div", `row ${item.kind}`);
  element.setAttribute("role", "row");
  element.setAttribute("aria-rowindex", String(number + 2));
  element.style.top = `${number * ROW}px`;
  const name = role(make("div", "name", make("span", "", NAMES[item.kind](item))), "rowheader", number, -1);
  if (item.kind !== "case") {
    name.setAttribute("aria-expanded", String(item.kind === "suite" && !item.isClosed));
  }
  name.style.width = `${shape.nameWidth}px`;
  element.append(name);
  for (let column = from; column < to; column++) {
    const found = cellOf(item, column);
    const look = found ? data.looks[found.outcome].class : "none";
    const cell = role(make("div", `cell ${look}${found?.isDim ? " dim" : ""}${found?.changes ? " change" : ""}`,
      found?.text ?? ""), "gridcell", number, column);
    if (found) cell.setAttribute("aria-label", `${found.words}${found.changes ? ", differs from the kernel before" : ""}`);
    element.append(placed(cell, shape.nameWidth + column * shape.width, shape.width));
  }
  return element;
};
const drawHead = (from, to) => {
  const families_ = make("div", "families");
  families_.setAttribute("aria-hidden", "true");
  const cells = make("div", "kernels");
  cells.setAttribute("role", "row");
  cells.setAttribute("aria-rowindex", "1");
  const corner = role(make("div", "name", make("span", "", "case")), "columnheader", -1, -1);
  corner.style.width = `${shape.nameWidth}px`;
  cells.append(corner);
  shape.columns.forEach((column, at) => {
    if (at < from || at >= to) return;
    const more = column.kernels.length > 1;
    const cell = role(make("div", `kernel${column.kernels.some((it) => kernels[it].lost) ? " error" : ""}`,
      make("span", "", column.parts.join(shape.width >= 40 ? "\n" : " "))), "columnheader", -1, at);
    cell.setAttribute("aria-label", `${column.label}, ${column.family}${
      more ? `, ${column.kernels.length} kernels that agree` : ""}`);
    cells.append(placed(cell, shape.nameWidth + at * shape.width, shape.width));
  });
  if (families.length > 1) {
    let start = 0;
    for (let at = 1; at <= shape.columns.length; at++) {
      if (at < shape.columns.length && shape.columns[at].family === shape.columns[start].family) continue;
      families_.append(placed(make("div", "family", shape.columns[start].family),
        shape.nameWidth + start * shape.width, (at - start) * shape.width));
      start = at;
    }
  }
  head.classList.toggle("has-families", families.length > 1);
  head.replaceChildren(families_, cells);
};
const draw = () => {
  const height = grid.clientHeight;
  const top = Math.max(0, Math.floor(grid.scrollTop / ROW) - 6);
  const bottom = Math.min(shape.items.length, Math.ceil((grid.scrollTop + height) / ROW) + 6);
  const from = Math.max(0, Math.floor((grid.scrollLeft) / shape.width) - 4);
  const to = Math.min(shape.columns.length, Math.ceil((grid.scrollLeft + grid.clientWidth) / shape.width) + 4);
  if (window_ !== `${from} ${to}`) {
    window_ = `${from} ${to}`;
    for (const it of drawn.values()) it.remove();
    drawn.clear();
    drawHead(from, to);
  }
  for (const [number, element] of drawn) {
    if (number >= top && number < bottom) continue;
    element.remove();
    drawn.delete(number);
  }
  const added = document.createDocumentFragment();
  for (let number = top; number < bottom; number++) {
    if (drawn.has(number)) continue;
    const element = drawRow(number, from, to);
    drawn.set(number, element);
    added.append(element);
  }
  sheet.append(added);
  point();
};
// Says where the arrow keys are to those who can't see it.
const point = () => {
  const found = document.getElementById(idOf(active.row, active.column));
  for (const it of grid.querySelectorAll(".active")) it.classList.remove("active");
  if (found) {
    found.classList.add("active");
    grid.setAttribute("aria-activedescendant", found.id);
  } else {
    grid.removeAttribute("aria-activedescendant");
  }
};
const measure = () => {
  const all = grid.parentElement.clientWidth - 2;
  const longest = Math.max(8, ...shape.items.map((it) => NAMES[it.kind](it).length + (it.kind === "case" ? 2 : 0)));
  shape.nameWidth = Math.round(Math.min(longest * 7.6 + 24, all < 600 ? 148 : 300));
  const space = Math.floor((all - shape.nameWidth) / Math.max(1, shape.columns.length));
  shape.width = Math.max(all < 600 ? 22 : NARROWEST, Math.min(WIDEST, space));
  const longestOf = (textsOf) => Math.max(4, ...shape.columns.flatMap(textsOf).map((it) => it.length));
  const longestPart = longestOf((it) => it.parts);
  const lines = Math.max(1, ...shape.columns.map((it) => it.parts.length));
  shape.isUpright = shape.width >= longestPart * 7.6 + 8;
  const longestLine = shape.width >= 40 ? longestPart : longestOf((it) => [it.parts.join(" ")]);
  grid.classList.toggle("turned", !shape.isUpright);
  grid.classList.toggle("tiny", shape.width < 14);
  shape.headHeight = (shape.isUpright ? lines * 18 + 10 : Math.min(210, longestLine * 7.2 + 16)) +
    (families.length > 1 ? 22 : 0);
  head.style.height = `${shape.headHeight}px`;
  const wide = shape.nameWidth + shape.columns.length * shape.width;
  // With the scroll bar.
  grid.style.maxWidth = `${wide + 20}px`;
  for (const it of [sheet, head]) it.style.width = `${wide}px`;
  sheet.style.height = `${shape.items.length * ROW}px`;
};
const arrange = () => {
  shape.columns = columnsOf();
  shape.items = itemsOf();
  active.row = Math.min(active.row, shape.items.length - 1);
  active.column = Math.min(active.column, shape.columns.length - 1);
  grid.setAttribute("aria-rowcount", String(shape.items.length + 1));
  grid.setAttribute("aria-colcount", String(shape.columns.length + 1));
  byId("nothing").hidden = shape.items.length > 0;
  const merged = chosen.kernels.length - shape.columns.length;
  byId("merged").textContent = merged ? `${plural(chosen.kernels.length, "kernel")} in ${plural(shape.columns.length, "column")}: ` +
    "neighbours on which all these cases end alike share one." : "";
  measure();
  window_ = "";
  draw();
};

// ------------------------------------------------------------ mouse and keys

const worstKernel = (row) => chosen.kernels.filter((it) => outcomeOf(row, it) >= 0)
  .sort((a, b) => outcomeOf(row, a) - outcomeOf(row, b) || a - b)[0];
const toggle = (set, value) => {
  if (!set.delete(value)) set.add(value);
  arrange();
};
const openAt = (row, column) => {
  if (row < 0) {
    if (column >= 0) visit({ kernel: kernels[shape.columns[column].kernels[0]].id });
    return;
  }
  const item = shape.items[row];
  const kernel = column < 0 ? -1 : shape.columns[column].kernels[0];
  if (item.kind === "quiet" || (item.isQuiet && kernel < 0)) toggle(unfolded, item.suite);
  else if (item.kind === "suite" && kernel < 0) toggle(closed, item.suite);
  else if (item.kind === "suite") visit({ cell: `${data.suites[item.suite]}@${kernels[kernel].id}` });
  else {
    const on = kernel < 0 ? worstKernel(item.row) : kernel;
    if (on !== undefined && outcomeOf(item.row, on) >= 0) visit({ case: caseName(item.row, on) });
  }
};
const moveTo = (row, column) => {
  active.row = Math.max(-1, Math.min(shape.items.length - 1, row));
  active.column = Math.max(-1, Math.min(shape.columns.length - 1, column));
  if (active.row >= 0) {
    const top = active.row * ROW;
    const height = grid.clientHeight - shape.headHeight;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + ROW > grid.scrollTop + height) grid.scrollTop = top + ROW - height;
  }
  if (active.column >= 0) {
    const left = active.column * shape.width;
    const width = grid.clientWidth - shape.nameWidth;
    if (left < grid.scrollLeft) grid.scrollLeft = left;
    else if (left + shape.width > grid.scrollLeft + width) grid.scrollLeft = left + shape.width - width;
  }
  draw();
};
const KEYS = {
  ArrowLeft: () => moveTo(active.row, active.column - 1),
  ArrowRight: () => moveTo(active.row, active.column + 1),
  ArrowUp: () => moveTo(active.row - 1, active.column),
  ArrowDown: () => moveTo(active.row + 1, active.column),
  Home: () => moveTo(active.row, -1),
  End: () => moveTo(active.row, shape.columns.length - 1),
  PageUp: () => moveTo(active.row - 15, active.column),
  PageDown: () => moveTo(active.row + 15, active.column),
  Enter: () => openAt(active.row, active.column),
  " ": () => openAt(active.row, active.column),
};
grid.addEventListener("keydown", (event) => {
  if (!KEYS[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  KEYS[event.key]();
});
const placeOf = (event) => event.target.closest("[data-row]");
grid.addEventListener("click", (event) => {
  const found = placeOf(event);
  if (!found) return;
  const [row, column] = [Number(found.dataset.row), Number(found.dataset.column)];
  active.row = row;
  active.column = column;
  point();
  openAt(row, column);
});
// Made when they are needed: there are thousands of them.
grid.addEventListener("mouseover", (event) => {
  const found = placeOf(event);
  if (!found || found.title) return;
  const [row, column] = [Number(found.dataset.row), Number(found.dataset.column)];
  const item = shape.items[row];
  const name = !item ? "" : item.kind === "case" ? item.row.full : NAMES[item.kind](item);
  const on = shape.columns[column];
  found.title = [name, on ? `${on.label} (${on.family})` : "", found.getAttribute("aria-label") ?? ""].filter(Boolean).join("\n");
});
let pendingFrame = 0;
grid.addEventListener("scroll", () => {
  pendingFrame ||= requestAnimationFrame(() => {
    pendingFrame = 0;
    draw();
  });
});
new ResizeObserver(() => {
  if (shape.items.length) {
    measure();
    window_ = "";
    draw();
  }
}).observe(grid.parentElement);

const markdownTable = () => {
  const head_ = ["case", ...shape.columns.map((it) => it.label)];
  const body = shape.items.filter((it) => it.kind !== "suite").slice(0, 2000).map((item) => [
    item.kind === "case" ? code(item.row.full) : `${data.suites[item.suite]}: ${plural(item.rows.length, "case")} that pass everywhere`,
    ...shape.columns.map((column, at) => {
      const found = cellOf(item, at);
      if (!found) return "";
      const class_ = item.kind === "case" && found.outcome < data.passed ? classOf(item.row, column.kernels[0]) : "";
      return `${data.looks[found.outcome].sign}${class_ ? ` ${code(class_)}` : ""}`;
    }),
  ]);
  return table(head_, body);
};
