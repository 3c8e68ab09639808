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
  const string = (number) => (number === undefined || number < 0 ? "" : data.strings[number]);
  const seconds = (value) => `${value.toFixed(2)} s`;

  // [kernel, suite, name, outcome, seconds, detail]
  const cases = data.cases.map(([kernel, suite, name, outcome, took, detail], number) => ({
    number, kernel, suite, name, outcome, took, detail: detail < 0 ? null : data.details[detail],
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
      body.append(make("tr", "", ...row.map((text) => make("td", "", make("code", "", text)))));
    }
    return make("div", "scroll", make("table", "", make("thead", "", head), body));
  };
  const explain = (it) => {
    const body = make("div", "");
    const list = make("dl", "");
    const detail = it.detail;
    entry(list, "took", `${seconds(it.took)}${detail ? ` (load ${seconds(detail.phases[0])}, ` +
      `trigger ${seconds(detail.phases[1])}, check ${seconds(detail.phases[2])})` : ""}`);
    if (detail) {
      entry(list, "why", string(detail.message));
      entry(list, "class", detail.class);
      entry(list, "what to do", string(detail.cure));
      entry(list, "where", detail.where);
      entry(list, "object", detail.object);
      entry(list, "flaky", string(detail.flaky));
      for (const number of detail.missing) entry(list, "not available", string(number));
    }
    body.append(list);
    if (detail) {
      body.append(...[
        mismatches(detail.mismatches),
        log("Log of libbpf and the verifier", string(detail.log)),
        log("The console's last lines", string(detail.console)),
      ].filter(Boolean));
    }
    return body;
  };
  const unfolding = (it) => {
    const look = data.looks[it.outcome];
    const sign = make("span", look.class, `${look.sign} `);
    sign.setAttribute("aria-hidden", "true");
    const details = make("details", "case", make("summary", "", sign,
      `${data.suites[it.suite]}::${it.name} `, make("span", "quiet", `${look.word}, ${seconds(it.took)}`)));
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) details.append(explain(it));
    });
    details.open = it.outcome !== data.passed;
    return details;
  };
  const dialog = byId("drill");
  const open = (title, ...content) => {
    byId("drill-title").textContent = title;
    byId("drill-body").replaceChildren(...content);
    dialog.showModal();
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
    open(kernel.id, ...[list, log("The console's last lines", kernel.console)].filter(Boolean));
  };
  byId("matrix").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const kernel = Number(button.closest("tr").dataset.kernel);
    if (button.dataset.suite === undefined) showKernel(kernel);
    else showCell(kernel, Number(button.dataset.suite));
  });
  byId("drill-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  // --------------------------------------------------------------- filters

  const form = byId("filter");
  const rows = [...byId("matrix").tBodies[0].rows];
  const groups = [...document.querySelectorAll("details[data-cases]")].map((element) => ({
    element, numbers: element.dataset.cases.split(" ").map(Number),
  }));
  let haystacks = null;
  const haystack = (it) => {
    const kernel = data.kernels[it.kernel];
    const detail = it.detail;
    return [kernel.id, kernel.release, `${data.suites[it.suite]}::${it.name}`, data.looks[it.outcome].word,
      detail ? `${detail.class} ${string(detail.message)} ${detail.where}` : ""].join("\n").toLowerCase();
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
    for (const row of rows) {
      const kernel = Number(row.dataset.kernel);
      row.hidden = !all && !shownKernels.has(kernel);
      count += !row.hidden;
      if (row.hidden) continue;
      for (const cell of row.cells) {
        if (cell.dataset.suite !== undefined) {
          cell.classList.toggle("dim", !all && !shownCells.has(`${kernel} ${cell.dataset.suite}`));
        }
      }
    }
    for (const { element, numbers } of groups) {
      element.hidden = !all && !numbers.some((number) => matching.has(number));
    }
    byId("count").textContent = `${matching.size} of ${cases.length} cases on ${count} of ${rows.length} kernels shown`;
  };
  let pending = 0;
  form.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(apply, 80);
  });
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();

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
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });
})();
