// --------------------------------------------------------- one state after another

const missing = (text) => tell(`This page has no ${text}.`);
// "suite::case@6.1": a kernel's id has no "@".
const split = (text) => {
  const at = text.lastIndexOf("@");
  return [text.slice(0, at), kernelOfId.get(text.slice(at + 1))];
};
const openWhat = () => {
  if (state.case) {
    const [name, kernel] = split(state.case);
    const row = rowOfName.get(name);
    if (row && kernel !== undefined && outcomeOf(row, kernel) >= 0) return showCase(row, kernel);
    missing(`result of ${state.case}`);
  } else if (state.cell) {
    const [name, kernel] = split(state.cell);
    const suite = data.suites.indexOf(name);
    if (suite >= 0 && kernel !== undefined) return showSuite(suite, kernel);
    missing(`suite and kernel ${state.cell}`);
  } else if (state.kernel) {
    const kernel = kernelOfId.get(state.kernel);
    if (kernel !== undefined) return showKernel(kernel);
    missing(`kernel ${state.kernel}`);
  }
  if (dialog.open) dialog.close();
  return undefined;
};
const FIELDS = { q: "q", suite: "suite", class: "class", kernels: "kernels", rows: "rows" };
const fill = () => {
  for (const [name, field] of Object.entries(FIELDS)) {
    const element = form.elements[field];
    if (element.value !== state[name]) element.value = state[name];
  }
  const outcomes = state.outcome ? state.outcome.split(",") : null;
  for (const box of form.querySelectorAll("[name=outcome]")) box.checked = !outcomes || outcomes.includes(box.value);
  form.elements.fold.checked = state.fold !== "off";
  form.elements.merge.checked = merges();
};
const MATRIX = ["q", "outcome", "suite", "class", "kernels", "rows", "fold", "merge"];
const show = (next, isFirst = false) => {
  const last = state;
  state = next;
  if (isFirst || MATRIX.some((name) => last[name] !== next[name])) {
    filter();
    arrange();
    fill();
  }
  if (OPEN.some((name) => last[name] !== next[name])) openWhat();
};
addEventListener("popstate", () => show(stateOf(location.hash)));
addEventListener("hashchange", () => show(stateOf(location.hash)));

byId("drill-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  visit({ case: "" });
  grid.focus({ preventScroll: true });
});
for (const it of document.querySelectorAll("dialog")) {
  it.addEventListener("click", (event) => {
    if (event.target === it) it.close();
  });
}

let pending = 0;
const readForm = () => {
  const fields = new FormData(form);
  const outcomes = fields.getAll("outcome");
  const change = Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => [name, fields.get(field)]));
  change.outcome = outcomes.length === data.looks.length ? "" : outcomes.join(",") || "none";
  change.fold = fields.has("fold") ? "" : "off";
  const wanted = fields.has("merge") ? "on" : "off";
  change.merge = state.merge || wanted !== (merges() ? "on" : "off") ? wanted : "";
  visit(change, true);
};
form.addEventListener("input", () => {
  clearTimeout(pending);
  pending = setTimeout(readForm, 60);
});
form.addEventListener("reset", (event) => {
  event.preventDefault();
  clearTimeout(pending);
  unfolded.clear();
  closed.clear();
  visit({ ...EMPTY, case: state.case, cell: state.cell, kernel: state.kernel }, true);
});
form.addEventListener("submit", (event) => event.preventDefault());

// ------------------------------------------------------------ the failures' list

// Filled when they are opened: a hundred of them take a browser longer than the matrix.
const completeFailure = ({ element, numbers }) => {
  const found = failuresOf(element);
  const [row] = found[0];
  const bar = make("p", "bar-of-buttons",
    button("Copy as Markdown", () => copy(markdownOf(row, found.map(([, kernel]) => kernel)), "the failure as Markdown")),
    button("Copy the command", () => copy(commandOf(row, found.map(([, kernel]) => kernels[kernel].id)), "the command")));
  for (const place of numbers.slice(0, 12)) {
    const kernel = place % kernels.length;
    const link = make("a", "", `on ${kernels[kernel].id}`);
    link.href = fragmentOf({ ...EMPTY, case: caseName(row, kernel) });
    bar.append(link);
  }
  element.lastElementChild.prepend(bar);
};
const whenOpened = (details, action) => {
  if (details.open) action();
  else details.addEventListener("toggle", action, { once: true });
};
for (const it of listed) whenOpened(it.element, () => completeFailure(it));
const unfoldAll = (isOpen) => {
  for (const it of document.querySelectorAll("#failures details.case")) it.open = isOpen;
};
byId("unfold")?.append(button("Unfold all", () => unfoldAll(true)), button("Fold all", () => unfoldAll(false)));
for (const details of document.querySelectorAll("main details.case")) {
  whenOpened(details, () => atEnd(details));
}
for (const line of document.querySelectorAll("main .command")) {
  line.append(button("Copy", () => copy(line.firstElementChild.textContent, "the command")));
}
byId("copy-table").addEventListener("click", () => copy(markdownTable(), "the table as Markdown"));

// -------------------------------------------------------------- keys of the page

const help = byId("help");
byId("help-close").addEventListener("click", () => help.close());
byId("help-open").addEventListener("click", () => help.showModal());
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea")) return;
  if (event.key === "?" && !help.open) help.showModal();
  else if (event.key === "/" && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    form.elements.q.focus();
    form.elements.q.select();
  }
});

// --------------------------------------------------------------- colours and paper

byId("theme").addEventListener("change", (event) => {
  const theme = event.target.value;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
});
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("main details.case:not([open])")];
  for (const details of folded) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of folded) details.open = false;
});

// They fill half of a phone.
byId("more-filters").open = innerWidth > 640;

// What needs a script is there now; what stands in for it goes.
for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;
document.documentElement.classList.add("runs");
show(stateOf(location.hash), true);
