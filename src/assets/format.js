// Numbers, lengths of time and clock times as people read them: the same as in the terminal.

export const NONE = "–";
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL = ["", "k", "M", "G", "T", "P"];

function scaled(value, base, prefixes, suffix) {
  let prefix = 0;
  // 999.6 would be written as 1000.
  while (Math.abs(value) >= base - 0.5 && prefix + 1 < prefixes.length) {
    value /= base;
    prefix += 1;
  }
  const whole = (prefix === 0 && Number.isInteger(value)) || Math.abs(value) >= 99.95;
  return [value.toFixed(whole ? 0 : 1), prefixes[prefix] + suffix];
}

/** Number and unit apart, such as ["1.2", "MB/s"]. */
export function parts(value, unit) {
  if (!Number.isFinite(value)) return [NONE, ""];
  switch (unit) {
    case "%":
    case "°C":
      return [value.toFixed(1), unit];
    case "s":
      return [uptime(value), ""];
    case "B":
      return scaled(value, 1024, BINARY, "");
    case "B/s":
      return scaled(value, 1000, DECIMAL, "B/s");
  }
  const shown = { "1/s": "/s", users: "" }[unit] ?? unit ?? "";
  if (Math.abs(value) >= 100000) return scaled(value, 1000, DECIMAL, shown);
  if (Number.isInteger(value) || Math.abs(value) >= 999.95) return [value.toFixed(0), shown];
  return [value.toFixed(shown ? 1 : 2), shown];
}

/** A value with its unit, such as "1.2 MB/s". */
export function text(value, unit) {
  return parts(value, unit).join(" ").trim();
}

const two = (n) => String(Math.floor(n)).padStart(2, "0");

/** `41 d 03:12`, or `03:12:45` on the first day. */
export function uptime(seconds) {
  const days = Math.floor(seconds / 86400);
  const hours = `${two((seconds / 3600) % 24)}:${two((seconds / 60) % 60)}`;
  return days > 0 ? `${days} d ${hours}` : `${hours}:${two(seconds % 60)}`;
}

/** A length of time in its two largest units. */
export function span(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 10 && !Number.isInteger(s)) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two((s / 60) % 60)} m`;
}

/** The time of day here; `seconds` may be left out. */
export function clock(ms, seconds = true) {
  const at = new Date(ms);
  const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return seconds ? `${minutes}:${two(at.getSeconds())}` : minutes;
}
