// Instances as tables and bars: cores, filesystems, devices, interfaces, sensors, processes; and every value there is.

import { setText } from "./chart.js";
import { text } from "./format.js";

/** Tables of instances: a row for each `name:instance` of the first metric that has any. */
const INSTANCES = {
  filesystems: ["disk"],
  disks: ["diskRead", "diskWritten", "diskBusy"],
  interfaces: ["networkReceived", "networkSent", "networkErrors"],
  sensors: ["temperature"],
};

/** Brings a list of nodes to a length; what is there is used again. */
function resize(parent, count, tag) {
  while (parent.children.length > count) parent.lastElementChild.remove();
  while (parent.children.length < count) parent.append(document.createElement(tag));
  return [...parent.children];
}

/** Fills a table; `rows` are arrays of {text, share, level}, or texts. The first cell names the row. */
function fill(table, rows) {
  const section = table.closest("section");
  section.hidden = rows.length === 0;
  if (table.closest("details")?.open === false) return;
  resize(table.tBodies[0], rows.length, "tr").forEach((row, i) => {
    while (row.children.length < rows[i].length) {
      const cell = document.createElement(row.children.length ? "td" : "th");
      if (cell.tagName === "TH") cell.scope = "row";
      row.append(cell);
    }
    rows[i].forEach((value, j) => {
      const cell = row.children[j];
      setText(cell, value.text ?? value);
      const share = value.share === undefined ? "" : `${Math.min(100, value.share).toFixed(1)}%`;
      if (cell.style.getPropertyValue("--share") !== share) cell.style.setProperty("--share", share);
      if ((cell.dataset.level ?? "") !== (value.level ?? "")) cell.dataset.level = value.level ?? "";
    });
  });
}

/** The instances of a metric, in the order of the server. */
function instances(host, base) {
  return host.hello.metrics
    .filter(({ name }) => name.startsWith(`${base}:`))
    .map(({ name }) => name.slice(base.length + 1));
}

function cell(host, name) {
  const value = host.value(name);
  const unit = host.unit(name);
  return {
    text: text(value, unit),
    share: unit === "%" ? value : undefined,
    level: value === undefined ? "" : host.level(name, value),
  };
}

function renderCores(host) {
  const strip = document.getElementById("cores");
  const cores = instances(host, "cpu").map((core) => [core, host.value(`cpu:${core}`)]);
  strip.closest("section").hidden = cores.length === 0;
  resize(strip, cores.length, "li").forEach((node, i) => {
    const [core, value] = cores[i];
    const share = (value ?? 0).toFixed(0);
    if (node.style.getPropertyValue("--share") !== share) node.style.setProperty("--share", share);
    setText(node, value === undefined ? "–" : share);
    node.title = `CPU ${core}: ${text(value, "%")}`;
  });
}

function renderProcesses(host) {
  const top = host.newest?.data.top ?? [];
  const rows = top.map(({ pid, name, cpu, memory }) => [
    name,
    String(pid),
    { text: text(cpu, "%"), share: cpu },
    { text: text(memory, "%"), share: memory },
  ]);
  fill(document.getElementById("processes"), rows);
}

export function renderTables(host) {
  renderCores(host);
  renderProcesses(host);
  for (const [id, names] of Object.entries(INSTANCES)) {
    const rows = [...new Set(names.flatMap((name) => instances(host, name)))];
    fill(
      document.getElementById(id),
      rows.map((row) => [row, ...names.map((name) => cell(host, `${name}:${row}`))]),
    );
  }
  const all = host.hello.metrics.map(({ name, label, unit }) => [label || name, text(host.value(name), unit)]);
  fill(document.getElementById("values"), all);
}
