// Numbers and times as people read them, the same as in the terminal.

export const NONE = "–";
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL = ["", "k", "M", "G", "T", "P"];

/** One that is not 0 and would be written as 0 has its first digit instead: 0.004, 3e-7. */
function fixed(value, decimals) {
  const shown = value.toFixed(decimals);
  return !value || +shown ? shown : `${+value.toPrecision(1)}`;
}

function scaled(value, base, prefixes, suffix = "") {
  let prefix = 0;
  // 999.6 would be written as 1000.
  for (; Math.abs(value) >= base - 0.5 && prefix + 1 < prefixes.length; prefix += 1) value /= base;
  const isWhole = (!prefix && Number.isInteger(value)) || Math.abs(value) >= 99.95;
  return [fixed(value, isWhole ? 0 : 1), prefixes[prefix] + suffix];
}

/** Number and unit apart, such as ["1.2", "MB/s"]. */
export function parts(value, unit) {
  if (!Number.isFinite(value)) return [NONE, ""];
  if (unit === "%") return [fixed(value, 1), unit];
  if (unit === "°C") return [value.toFixed(1), unit];
  if (unit === "s") return [uptime(value), ""];
  if (unit === "B") return scaled(value, 1024, BINARY);
  if (unit === "B/s") return scaled(value, 1000, DECIMAL, unit);
  const shown = { "1/s": "/s", users: "" }[unit] ?? unit;
  if (Math.abs(value) >= 1e5) return scaled(value, 1000, DECIMAL, shown);
  const isWhole = Number.isInteger(value) || Math.abs(value) >= 999.95;
  return [fixed(value, isWhole ? 0 : shown ? 1 : 2), shown];
}

/** A value with its unit, such as "1.2 MB/s", never broken between them. */
export const text = (value, unit) => keep(parts(value, unit).join(" ").trim());

/** The same on one line. */
export const keep = (words) => words.replaceAll(" ", "\u00a0");

const two = (n) => `${Math.floor(n)}`.padStart(2, "0");

/** `41 d 03:12`, or `03:12:45` on the first day. */
export function uptime(s) {
  const hours = `${two((s / 3600) % 24)}:${two((s / 60) % 60)}`;
  return s < 86400 ? `${hours}:${two(s % 60)}` : `${Math.floor(s / 86400)} d ${hours}`;
}

/** The time of day here. */
export function clock(ms, withSeconds = true) {
  const at = new Date(ms);
  const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return withSeconds ? `${minutes}:${two(at.getSeconds())}` : minutes;
}

export const $ = (id) => document.getElementById(id);

/** Touches the document only where something changes. */
export function setText(node, value) {
  if (node.textContent !== value) node.textContent = value;
}
