// ------------------------------------------------------------ a case in full

const entry = (list, name, value) => {
  if (value !== "" && value !== null && value !== undefined) list.append(make("dt", "", name), make("dd", "", value));
};
const region = (element, title) => {
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", title);
  return element;
};
const pre = (title, text) => region(make("pre", "", text), title);
const titled = (title, ...content) => make("div", "", make("h3", "", title), ...content);
const folding = (title, ...content) => make("details", "fold", make("summary", "", title), ...content);

// The end of a log says why.
const atEnd = (element) => {
  for (const it of element.querySelectorAll("pre.log")) it.scrollTop = it.scrollHeight;
};
const log = (title, text) => {
  if (!text) return null;
  const whole = pre(title, text);
  whole.classList.add("log");
  return titled(title, whole);
};
// The lines that say why, if any does, and all lines folded.
const foldedLog = (title, text, telling) => {
  if (!text) return null;
  const whole = pre(title, text);
  whole.classList.add("log");
  const all = folding(`The whole log, ${plural(text.split("\n").length, "line")}`, whole);
  all.addEventListener("toggle", () => atEnd(all));
  return titled(title, ...(telling ? [pre(`${title}: what matters`, telling)] : []), all);
};
const source = (found) => {
  if (!found) return null;
  const [first, counts, lines] = found;
  const body = make("pre", "source");
  string(lines).split("\n").forEach((line, at) => {
    const element = make(first + at === counts ? "mark" : "span", "", make("span", "number", String(first + at)),
      `${line}\n`);
    body.append(element);
  });
  return region(body, "Source");
};
const valueTable = (title, head, body) => {
  const headRow = make("tr", "");
  for (const text of head) {
    const cell = make("th", "", text);
    cell.scope = "col";
    headRow.append(cell);
  }
  const cellOfValue = (text, at) => {
    const cell = make("td", text ? "" : "empty", make("code", "", text));
    cell.dataset.name = head[at];
    return cell;
  };
  const rowsOf = body.map((texts) => make("tr", "", ...texts.map(cellOfValue)));
  return region(make("div", "scroll", make("table", "values", make("thead", "", headRow), make("tbody", "", ...rowsOf))), title);
};
const VALUES = ["what", "key", "field", "expected", "observed"];
const valueRows = (found) => found.map((texts) => texts.map(string));
const withCopy = (text, what) => {
  const line = make("div", "command", make("code", "", text));
  line.append(button("Copy", () => copy(text, what)));
  return line;
};
const files = (kernel) => {
  const links = make("span", "");
  for (const name of ["console.log", "runner.log", "junit.xml"]) {
    const link = make("a", "", name);
    link.href = `./${encodeURIComponent(kernels[kernel].id)}/${name}`;
    links.append(link, " ");
  }
  return links;
};
const classWords = (name) => (data.classes[name] ? `${name}: ${data.classes[name]}` : name);

const explain = (row, kernel) => {
  const body = make("div", "");
  const list = make("dl", "");
  const detail = detailOf(row, kernel) ?? {};
  entry(list, "shows", row.description);
  entry(list, "why", string(detail.message));
  entry(list, "class", detail.class && classWords(detail.class));
  entry(list, "since the baseline", detail.change);
  entry(list, "what to do", string(detail.cure));
  entry(list, "where", string(detail.where) && make("code", "", string(detail.where)));
  body.append(list);
  const evidence = valueOf(row, kernel, "evidence");
  const matches = evidence < 0 ? [] : data.evidence[evidence];
  const passed = outcomeOf(row, kernel) === data.passed;
  const read = matches.length
    ? valueTable("What was read", VALUES, valueRows(matches)) : null;
  const more = make("dl", "");
  entry(more, "object", string(detail.object));
  entry(more, "guest", string(detail.guest));
  entry(more, "flaky", string(detail.flaky));
  for (const number of detail.missing ?? []) entry(more, "not available", string(number));
  for (const number of detail.programs ?? []) entry(more, "program", string(number));
  entry(more, "cost", string(valueOf(row, kernel, "costs")));
  for (const number of detail.loaded ?? []) entry(more, "loaded", string(number));
  entry(more, "checks", String(valueOf(row, kernel, "checked")));
  entry(more, "predicted, without a boot", string(valueOf(row, kernel, "predicted")));
  const phases = detail.phases;
  entry(more, "took", `${seconds(valueOf(row, kernel, "took"))}${phases ? ` (load ${seconds(phases[0])}, ` +
    `trigger ${seconds(phases[1])}, check ${seconds(phases[2])})` : ""}`);
  entry(more, "files of the run", files(kernel));
  body.append(...[
    source(detail.source),
    detail.mismatches ? titled("What differs", valueTable("What differs", VALUES, valueRows(detail.mismatches))) : null,
    detail.left ? make("p", "", `and ${detail.left} more, which results.json has`) : null,
    read && passed ? titled("What was expected, and read", read) : null,
    foldedLog("Log of libbpf and the verifier", string(detail.log), string(detail.folded)),
    ...(detail.printed ?? []).map(([title, text]) => log(string(title), string(text))),
    log("The console's last lines", string(detail.console)),
    read && !passed ? folding(`What was as expected: ${plural(matches.length, "value")}`, read) : null,
    titled("Run it again", withCopy(commandOf(row, [kernels[kernel].id]), "the command")),
    more,
  ].filter(Boolean));
  return body;
};

// ---------------------------------------------------------------- the dialogs

const dialog = byId("drill");
const showDialog = (title, ...content) => {
  byId("drill-title").replaceChildren(...[title].flat());
  byId("drill-body").replaceChildren(...content.filter(Boolean));
  if (!dialog.open) dialog.showModal();
  atEnd(dialog);
  dialog.scrollTop = 0;
};
const signed = (outcome) => {
  const look = data.looks[outcome];
  const sign = make("span", look.class, `${look.sign} `);
  sign.setAttribute("aria-hidden", "true");
  return sign;
};
// The kernels on which a case ended as on this one: what is copied together.
const alike = (row, kernel) => kernels.map((_, at) => at).filter((at) => endOf(row, at) === endOf(row, kernel));

const showCase = (row, kernel) => {
  const outcome = outcomeOf(row, kernel);
  const choice = make("select", "plain");
  kernels.forEach((it, at) => {
    const own = outcomeOf(row, at);
    if (own < 0) return;
    const option = make("option", "", `${data.looks[own].sign} ${it.id}${classOf(row, at) ? ` ${classOf(row, at)}` : ""}`);
    option.value = String(at);
    option.selected = at === kernel;
    choice.append(option);
  });
  choice.addEventListener("change", () => visit({ case: caseName(row, Number(choice.value)) }, true));
  const bar = make("div", "bar-of-buttons", make("label", "", "Kernel ", choice),
    button("Copy link", () => copy(location.href, "the link")),
    button("Copy as Markdown", () => copy(markdownOf(row, alike(row, kernel)), "the case as Markdown")));
  showDialog([signed(outcome), `${row.full} on ${kernels[kernel].id}`],
    make("p", "quiet", `${wordOf(row, kernel)}, ${seconds(valueOf(row, kernel, "took"))}; ${kernels[kernel].release}`),
    bar, explain(row, kernel));
};
const unfolding = (row, kernel) => {
  const outcome = outcomeOf(row, kernel);
  const link = make("a", "", "link");
  link.href = fragmentOf({ ...state, case: caseName(row, kernel), cell: "", kernel: "" });
  link.setAttribute("aria-label", `Link to ${caseName(row, kernel)}`);
  const details = make("details", "case", make("summary", "", signed(outcome),
    `${row.full} `, make("span", "quiet", `${wordOf(row, kernel)}, ${seconds(valueOf(row, kernel, "took"))} `)));
  const fill = () => {
    if (!details.open || details.childElementCount > 1) return;
    const body = explain(row, kernel);
    body.prepend(make("p", "", link));
    details.append(body);
    atEnd(details);
  };
  details.addEventListener("toggle", fill);
  details.open = outcome < data.passed;
  fill();
  return details;
};
const showSuite = (suite, kernel) => {
  const found = suiteRows[suite].filter((row) => outcomeOf(row, kernel) >= 0);
  found.sort((a, b) => outcomeOf(a, kernel) - outcomeOf(b, kernel) || a.number - b.number);
  showDialog(`${kernels[kernel].id}: ${data.suites[suite]}`, ...found.map((row) => unfolding(row, kernel)));
};
const showKernel = (number) => {
  const kernel = kernels[number];
  const list = make("dl", "");
  for (const [name, value] of kernel.evidence) entry(list, name, value);
  entry(list, "files of the run", files(number));
  showDialog(kernel.id, list, log("The console's last lines", string(kernel.console)));
};
