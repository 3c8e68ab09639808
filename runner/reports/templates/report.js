"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);

  // Text only: names and logs come from objects and guests.
  const make = (tag, className, ...children) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  };
  const string = (number) => (number < 0 ? "" : data.strings[number]);
  const seconds = (value) => `${value.toFixed(2)} s`;

  // Names and details by their place in data.strings and data.details; -1 is none.
  const cases = data.cases.map(([kernel, suite, name, outcome, took, checked, detail, predicted], number) => ({
    number, kernel, suite, name: string(name), outcome, took, checked,
    detail: detail < 0 ? null : data.details[detail], predicted: string(predicted),
  }));
  const cells = new Map();
  for (const it of cases) {
    const key = `${it.kernel} ${it.suite}`;
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(it);
  }

  // ------------------------------------------------------------ drill-down

  const entry = (list, name, value) => {
    if (value !== "" && value !== null) list.append(make("dt", "", name), make("dd", "", value));
  };
  const log = (title, text) => {
    if (!text) return null;
    const pre = make("pre", "", text);
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", title);
    return make("div", "", make("h3", "", title), pre);
  };
  const mismatches = (rows) => {
    if (!rows.length) return null;
    const head = make("tr", "");
    for (const title of ["what", "expected", "observed"]) {
      const cell = make("th", "", title);
      cell.scope = "col";
      head.append(cell);
    }
    const body = make("tbody", "");
    for (const row of rows) {
      body.append(make("tr", "", ...row.map((number) => make("td", "", make("code", "", string(number))))));
    }
    const region = make("div", "scroll", make("table", "", make("thead", "", head), body));
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", "What differs");
    return region;
  };
  const explain = (it) => {
    const body = make("div", "");
    const list = make("dl", "");
    const detail = it.detail;
    if (detail) {
      entry(list, "why", string(detail.message));
      entry(list, "class", detail.class);
      entry(list, "since the baseline", detail.change);
      entry(list, "what to do", string(detail.cure));
      entry(list, "where", string(detail.where));
      entry(list, "object", string(detail.object));
      entry(list, "flaky", string(detail.flaky));
      for (const number of detail.missing) entry(list, "not available", string(number));
      for (const number of detail.programs) entry(list, "program", string(number));
      for (const number of detail.loaded) entry(list, "loaded", string(number));
    }
    entry(list, "checks", String(it.checked));
    entry(list, "predicted, without a boot", it.predicted);
    entry(list, "took", `${seconds(it.took)}${detail ? ` (load ${seconds(detail.phases[0])}, ` +
      `trigger ${seconds(detail.phases[1])}, check ${seconds(detail.phases[2])})` : ""}`);
    body.append(list);
    if (detail) {
      body.append(...[
        mismatches(detail.mismatches),
        detail.left ? make("p", "", `and ${detail.left} more, which results.json has`) : null,
        log("Log of libbpf and the verifier", string(detail.log)),
        ...detail.printed.map(([title, text]) => log(string(title), string(text))),
        log("The console's last lines", string(detail.console)),
      ].filter(Boolean));
    }
    return body;
  };
  // The end of a log says why.
  const atEnd = (element) => {
    for (const pre of element.querySelectorAll("pre")) pre.scrollTop = pre.scrollHeight;
  };
  const unfolding = (it) => {
    const look = data.looks[it.outcome];
    const sign = make("span", look.class, `${look.sign} `);
    sign.setAttribute("aria-hidden", "true");
    const details = make("details", "case", make("summary", "", sign,
      `${data.suites[it.suite]}::${it.name} `, make("span", "quiet", `${look.word}, ${seconds(it.took)}`)));
    details.addEventListener("toggle", () => {
      if (!details.open || details.childElementCount > 1) return;
      details.append(explain(it));
      atEnd(details);
    });
    details.open = it.outcome < data.passed;
    return details;
  };
  const dialog = byId("drill");
  const open = (title, ...content) => {
    byId("drill-title").textContent = title;
    byId("drill-body").replaceChildren(...content);
    dialog.showModal();
    atEnd(dialog);
    dialog.scrollTop = 0;
  };
  const showCell = (kernel, suite) => {
    const found = cells.get(`${kernel} ${suite}`) ?? [];
    const sorted = [...found].sort((a, b) => a.outcome - b.outcome || a.number - b.number);
    open(`${data.kernels[kernel].id}: ${data.suites[suite]}`, ...sorted.map(unfolding));
  };
  const showKernel = (number) => {
    const kernel = data.kernels[number];
    const list = make("dl", "");
    for (const [name, value] of kernel.evidence) entry(list, name, value);
    open(kernel.id, ...[list, log("The console's last lines", string(kernel.console))].filter(Boolean));
  };
  byId("matrix").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const kernel = Number(button.closest("tr").dataset.kernel);
    const suite = button.parentElement.dataset.suite;
    if (suite === undefined) showKernel(kernel);
    else showCell(kernel, Number(suite));
  });
  byId("drill-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  // ------------------------------------------------ arrow keys in the matrix

  // One stop of the Tab key instead of thousands, as in the grid pattern of ARIA.
  const matrix = byId("matrix");
  const rows = [...matrix.tBodies[0].rows];
  let stop = null;
  const settle = (button) => {
    if (stop) stop.tabIndex = -1;
    stop = button;
    if (stop) stop.tabIndex = 0;
  };
  settle(matrix.querySelector("tbody button"));
  matrix.setAttribute("role", "grid");
  byId("keys").hidden = false;
  const buttonAt = (row, column) => row?.cells[column]?.querySelector("button");
  const nextAcross = (row, column, step) => {
    for (let at = column + step; at >= 0 && at < row.cells.length; at += step) {
      if (buttonAt(row, at)) return buttonAt(row, at);
    }
    return null;
  };
  const nextDown = (row, column, step) => {
    for (let at = rows.indexOf(row) + step; at >= 0 && at < rows.length; at += step) {
      if (!rows[at].hidden && buttonAt(rows[at], column)) return buttonAt(rows[at], column);
    }
    return null;
  };
  const moves = {
    ArrowLeft: (row, column) => nextAcross(row, column, -1),
    ArrowRight: (row, column) => nextAcross(row, column, 1),
    ArrowUp: (row, column) => nextDown(row, column, -1),
    ArrowDown: (row, column) => nextDown(row, column, 1),
    Home: (row) => nextAcross(row, -1, 1),
    End: (row) => nextAcross(row, row.cells.length, -1),
  };
  matrix.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td, th");
    if (!moves[event.key] || !cell || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const button = moves[event.key](cell.parentElement, cell.cellIndex);
    if (button) {
      settle(button);
      button.focus();
    }
  });
  matrix.addEventListener("focusin", (event) => {
    if (event.target.matches("button")) settle(event.target);
  });

  // --------------------------------------------------------------- filters

  const form = byId("filter");
  form.hidden = false;
  byId("unscripted").hidden = true;
  const groups = [...document.querySelectorAll("details[data-cases]")].map((element) => ({
    element, numbers: element.dataset.cases.split(" ").map(Number),
  }));
  // Browsers lay a long table out slowly; the others come when they are asked for.
  let most = data.rows;
  let haystacks = null;
  const haystack = (it) => {
    const kernel = data.kernels[it.kernel];
    const detail = it.detail;
    return [kernel.id, kernel.release, `${data.suites[it.suite]}::${it.name}`, data.looks[it.outcome].word,
      detail ? `${detail.class} ${detail.change} ${string(detail.message)} ${string(detail.where)}` : ""].join("\n").toLowerCase();
  };
  const apply = () => {
    haystacks ??= cases.map(haystack);
    const fields = new FormData(form);
    const words = fields.get("text").toLowerCase().split(/\s+/).filter(Boolean);
    const outcomes = new Set(fields.getAll("outcome").map(Number));
    const suite = fields.get("suite") === "" ? -1 : Number(fields.get("suite"));
    const all = !words.length && suite < 0 && outcomes.size === data.looks.length;
    const matching = new Set();
    const shownCells = new Set();
    const shownKernels = new Set();
    for (const it of cases) {
      if (outcomes.has(it.outcome) && (suite < 0 || it.suite === suite) &&
          words.every((word) => haystacks[it.number].includes(word))) {
        matching.add(it.number);
        shownCells.add(`${it.kernel} ${it.suite}`);
        shownKernels.add(it.kernel);
      }
    }
    let count = 0;
    let shown = 0;
    for (const row of rows) {
      const kernel = Number(row.dataset.kernel);
      const matches = all || shownKernels.has(kernel);
      count += matches;
      row.hidden = !matches || shown >= most;
      if (row.hidden) continue;
      shown += 1;
      for (const cell of row.cells) {
        if (cell.dataset.suite !== undefined) {
          cell.classList.toggle("dim", !all && !shownCells.has(`${kernel} ${cell.dataset.suite}`));
        }
      }
    }
    byId("more").hidden = shown === count;
    byId("more").textContent = `Show ${count - shown} more kernels`;
    for (const { element, numbers } of groups) {
      element.hidden = !all && !numbers.some((number) => matching.has(number));
    }
    // The Tab key must find its stop among what is shown.
    if (stop?.closest("tr").hidden) {
      settle(rows.find((row) => !row.hidden)?.querySelector("button") ?? stop);
    }
    byId("count").textContent = `${matching.size} of ${cases.length} cases on ${count} of ${rows.length} kernels match`;
  };
  let pending = 0;
  form.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(apply, 80);
  });
  form.addEventListener("reset", () => setTimeout(apply));
  byId("more").addEventListener("click", () => {
    const first = rows.filter((row) => !row.hidden).length;
    most = Infinity;
    apply();
    rows.filter((row) => !row.hidden)[first].querySelector("button").focus();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
  document.documentElement.classList.remove("scripted");

  for (const details of document.querySelectorAll("main details.case")) {
    atEnd(details);
    details.addEventListener("toggle", () => atEnd(details), { once: true });
  }

  // ------------------------------------------------------ colours and paper

  byId("theme").addEventListener("change", (event) => {
    const chosen = event.target.value;
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
  });
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")];
    for (const details of folded) details.open = true;
    most = Infinity;
    apply();
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
    most = data.rows;
    apply();
  });
})();
