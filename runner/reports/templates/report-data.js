// ---------------------------------------------------------------- what is known

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const kernels = data.kernels;
const string = (number) => (number === undefined || number < 0 ? "" : data.strings[number]);

// Text only: names and logs come from objects and guests.
const make = (tag, className, ...children) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
};
const button = (text, action, className = "plain") => {
  const element = make("button", className, text);
  element.type = "button";
  element.addEventListener("click", action);
  return element;
};
const seconds = (value) => `${value.toFixed(2)} s`;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// A case with its results; `outcomes` has a digit for each kernel, the place in data.looks, or a blank.
// `took` has a number for each kernel that has a result, as have `checked`, `predicted`, `evidence` and `costs`,
// unless all have the same.
const rows = data.rows.map(([suite, name, description, program, selection, outcomes, took, checked, predicted,
  evidence, costs, details], number) => ({
  number, suite, name: string(name), description: string(description), program: string(program),
  selection: string(selection), outcomes, took, checked, predicted, evidence, costs, details,
  full: `${data.suites[suite]}::${string(name)}`,
}));
const outcomeOf = (row, kernel) => {
  const letter = row.outcomes[kernel];
  return letter === " " ? -1 : Number(letter);
};
const detailOf = (row, kernel) => (kernel in row.details ? data.details[row.details[kernel]] : null);
const classOf = (row, kernel) => detailOf(row, kernel)?.class ?? "";
// What two kernels are compared by: the class of a pass says little.
const endOf = (row, kernel) => {
  const outcome = outcomeOf(row, kernel);
  return outcome >= 0 && outcome < data.passed ? `${outcome} ${classOf(row, kernel)}` : String(outcome);
};
const valueOf = (row, kernel, name) => {
  const values = row[name];
  if (!Array.isArray(values)) return values;
  let place = 0;
  for (let at = 0; at < kernel; at++) place += row.outcomes[at] !== " ";
  return values[place];
};
const caseName = (row, kernel) => `${row.full}@${kernels[kernel].id}`;
const commandOf = (row, ids) => {
  const list = ids.join(",");
  return `${row.program} --kernels ${/^[\w.,+-]+$/.test(list) ? list : `'${list.replaceAll("'", "'\\''")}'`} ${row.selection}`;
};
const suiteRows = data.suites.map(() => []);
for (const row of rows) suiteRows[row.suite].push(row);
