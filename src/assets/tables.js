// Instances as tables and bars: cores, filesystems, devices, interfaces, sensors, processes; and every value there is.

import { $, NONE, setText, text } from "./format.js";

/** Title, heads, and for instances the metrics: a row for each `name:instance` that there is. */
const TABLES = {
  processes: ["Top processes", "Name PID CPU Memory"],
  interfaces: ["Network interfaces", "Name In Out Errors", ["networkReceived", "networkSent", "networkErrors"]],
  filesystems: ["Filesystems", "Mount Used", ["disk"]],
  disks: ["Disks", "Device Read Written Busy", ["diskRead", "diskWritten", "diskBusy"]],
  sensors: ["Temperatures", "Sensor Now", ["temperature"]],
  values: ["All values", "Metric Now"],
};

function make(tag, parent, more = {}) {
  const node = Object.assign(document.createElement(tag), more);
  parent.append(node);
  return node;
}

/** A closed box opens by its title: most of what is in "All values" stands elsewhere as well. */
function build(id) {
  const [title, heads] = TABLES[id];
  const box = make("details", $("tables"), { open: id !== "values" });
  make("summary", box, { textContent: title });
  const table = make("table", box, { id });
  make("caption", table, { textContent: title, className: "hidden" });
  const row = make("tr", table.createTHead());
  for (const textContent of heads.split(" ")) make("th", row, { textContent, scope: "col" });
  table.createTBody();
  return table;
}

/** Brings a node's children to a number; what is there is used again. */
function resize(parent, count, tag) {
  while (parent.children.length > count) parent.lastElementChild.remove();
  while (parent.children.length < count) make(tag, parent);
  return [...parent.children];
}

function setShare(node, value) {
  const share = `${Math.min(100, value || 0).toFixed(0)}%`;
  if (node.style.getPropertyValue("--share") !== share) node.style.setProperty("--share", share);
}

/** `rows` are arrays of texts or {text, share, level}; the first names the row. */
function fill(id, rows) {
  const table = $(id) ?? build(id);
  table.parentNode.hidden = rows.length === 0;
  if (!table.parentNode.open) return;
  resize(table.tBodies[0], rows.length, "tr").forEach((row, i) => {
    if (!row.cells.length) make("th", row, { scope: "row" });
    while (row.cells.length < rows[i].length) make("td", row);
    rows[i].forEach((value, j) => {
      const cell = row.cells[j];
      setText(cell, value.text ?? value);
      setShare(cell, value.share);
      cell.className = value.level ?? "";
    });
  });
}

function instances(host, name) {
  return host.hello.metrics.filter((metric) => metric.name.startsWith(`${name}:`)).map((metric) => metric.name.slice(name.length + 1));
}

function cell(host, name) {
  const value = host.value(name);
  const unit = host.unit(name);
  return { text: text(value, unit), share: unit === "%" && value, level: host.level(name, value) };
}

function renderCores(host) {
  const strip = $("cores");
  const cores = instances(host, "cpu");
  strip.parentNode.hidden = cores.length === 0;
  resize(strip, cores.length, "li").forEach((node, i) => {
    const value = host.value(`cpu:${cores[i]}`);
    setShare(node, value);
    setText(node, value > 0 && value < 0.5 ? "<1" : Number.isNaN(value) ? NONE : value.toFixed(0));
    node.title = `CPU ${cores[i]}`;
  });
}

export function renderTables(host) {
  renderCores(host);
  const share = (value) => ({ text: text(value, "%"), share: value });
  const top = host.newest?.data.top ?? [];
  fill("processes", top.map(({ pid, name, cpu, memory }) => [name, `${pid}`, share(cpu), share(memory)]));
  for (const [id, [, , names]] of Object.entries(TABLES)) {
    if (!names) continue;
    const rows = new Set(names.flatMap((name) => instances(host, name)));
    fill(id, [...rows].map((row) => [row, ...names.map((name) => cell(host, `${name}:${row}`))]));
  }
  fill("values", host.hello.metrics.map(({ name, label, unit }) => [label || name, text(host.value(name), unit)]));
}
