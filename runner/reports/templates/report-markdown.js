// ------------------------------------------------------------- copy as Markdown

const fenced = (text, language = "") => {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((found) => found[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
};
const code = (text) => {
  const line = text.replace(/\s+/g, " ").trim();
  if (!line) return "";
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map((found) => found[0].length));
  const fence = "`".repeat(longest + 1);
  const space = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return `${fence}${space}${line}${space}${fence}`;
};
const tableCell = (text) => text.replaceAll("|", "\\|");
const tableRow = (texts) => `| ${texts.map(tableCell).join(" | ")} |`;
const table = (head, body) => [tableRow(head), tableRow(head.map(() => "---")), ...body.map(tableRow)].join("\n");

const sourceText = ([first, counts, lines]) => string(lines).split("\n").map((line, at) =>
  `${first + at === counts ? ">" : " "} ${String(first + at).padStart(String(first + 20).length)} ${line}`).join("\n");

// One failure, on all kernels that have it.
const markdownOf = (row, found) => {
  const kernel = found[0];
  const detail = detailOf(row, kernel) ?? {};
  const look = data.looks[outcomeOf(row, kernel)];
  const ids = found.map((it) => kernels[it].id);
  const lines = [`### ${look.sign} ${code(row.full)} on ${ids.join(", ")}`, ""];
  const entry = (name, text) => {
    if (text) lines.push(`- **${name}**: ${text}`);
  };
  entry("outcome", wordOf(row, kernel) + (detail.class ? `, class ${code(detail.class)}` : ""));
  entry("why", code(string(detail.message)));
  entry("what to do", code(string(detail.cure)));
  entry("where", code(string(detail.where)));
  const about = document.querySelector("[data-commit]")?.dataset.commit;
  entry("tested", about ? code(about) : "");
  if (detail.source) lines.push("", fenced(sourceText(detail.source), "c"));
  const differing = found.flatMap((it) => (detailOf(row, it)?.mismatches ?? []).slice(0, 20).map((texts) =>
    [kernels[it].id, ...texts.map((number) => code(string(number)))]));
  if (differing.length) {
    lines.push("", table(["kernel", "what", "key", "field", "expected", "observed"], differing.slice(0, 100)));
  }
  if (detail.folded !== undefined) lines.push("", "Log:", "", fenced(string(detail.folded)));
  lines.push("", "Run it again:", "", fenced(commandOf(row, ids), "sh"), "");
  return lines.join("\n");
};

const told = byId("told");
const tell = (text) => {
  told.textContent = text;
};
const copy = async (text, what) => {
  try {
    await navigator.clipboard.writeText(text);
    tell(`Copied ${what}.`);
  } catch {
    // Pages that are served without TLS have no clipboard but this.
    const field = make("textarea", "hidden-text");
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    tell(done ? `Copied ${what}.` : "This browser does not let the page copy.");
  }
};
