// Numbers and times for people. The terminal writes them in the same way.

/** Shown where there is no value. */
export const NONE = "–";

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL_PREFIXES = ["", "k", "M", "G", "T", "P"];
const DAY_SECONDS = 24 * 60 * 60;
/**
 * Two units of time, each after its seconds.
 *
 * @type {[number, string, number, string][]}
 */
const SPANS = [[DAY_SECONDS, "d", 3600, "h"], [3600, "h", 60, "m"], [60, "m", 1, "s"]];

/**
 * A number with so many decimals; where that would show 0 for one that is not 0, its first digit instead: 0.004, 3e-7.
 *
 * @param {number} value
 * @param {number} decimals
 */
function fixed(value, decimals) {
  const shown = value.toFixed(decimals);
  const isWronglyZero = value !== 0 && Number(shown) === 0;
  return isWronglyZero ? String(Number(value.toPrecision(1))) : shown;
}

/**
 * Number and unit, with the prefix that leaves at most three digits before the point.
 *
 * @param {number} value
 * @param {number} base of the prefixes, 1000 or 1024
 * @param {string[]} prefixes
 * @returns {[string, string]}
 */
function scaled(value, base, prefixes, suffix = "") {
  let prefix = 0;
  // Half below the base, as 999.6 would be rounded to 1000.
  while (Math.abs(value) >= base - 0.5 && prefix + 1 < prefixes.length) {
    value /= base;
    prefix += 1;
  }
  const isWhole = (prefix === 0 && Number.isInteger(value)) || Math.abs(value) >= 99.95;
  return [fixed(value, isWhole ? 0 : 1), prefixes[prefix] + suffix];
}

/**
 * Number and unit apart, such as ["1.2", "MB/s"].
 *
 * @param {number} value
 * @param {string} unit as the server names it
 * @returns {[string, string]}
 */
export function parts(value, unit) {
  if (!Number.isFinite(value)) return [NONE, ""];
  switch (unit) {
    case "%": return [fixed(value, 1), unit];
    case "°C": return [value.toFixed(1), unit];
    case "s": return [uptime(value), ""];
    case "B": return scaled(value, 1024, BINARY_UNITS);
    case "B/s": return scaled(value, 1000, DECIMAL_PREFIXES, unit);
    case "1/s": return plain(value, "/s");
    case "users": return plain(value, "");
    default: return plain(value, unit);
  }
}

/**
 * @param {number} value
 * @param {string} unit as it is shown
 * @returns {[string, string]}
 */
function plain(value, unit) {
  if (Math.abs(value) >= 1e5) return scaled(value, 1000, DECIMAL_PREFIXES, unit);
  const isWhole = Number.isInteger(value) || Math.abs(value) >= 999.95;
  // A number without a unit, such as the load, is small, so it gets one more decimal.
  const decimals = unit ? 1 : 2;
  return [fixed(value, isWhole ? 0 : decimals), unit];
}

/**
 * A value with its unit on one line, such as "1.2 MB/s".
 *
 * @param {number} value
 * @param {string} unit
 */
export function text(value, unit) {
  return unbroken(parts(value, unit).join(" ").trim());
}

/**
 * How the values of a scale are written: their unit, and what they are divided by. All have the same.
 *
 * @param {string} unit as the server names it
 * @param {number} top of the scale
 * @returns {{ unit: string, by: number, decimals: number }}
 */
export function scaleOf(unit, top) {
  if (unit === "B/s") {
    const prefix = Math.max(1, Math.min(5, Math.floor(Math.log10(top) / 3)));
    return { unit: DECIMAL_PREFIXES[prefix] + unit, by: 1000 ** prefix, decimals: 1 };
  }
  return { unit: unit === "1/s" ? "/s" : unit, by: 1, decimals: unit ? 1 : 2 };
}

/**
 * A value on a scale. One that is not 0 is not shown as 0.
 *
 * @param {number} value
 * @param {{ by: number, decimals: number }} scale
 */
export function onScale(value, { by, decimals }) {
  if (!Number.isFinite(value)) return NONE;
  const shown = (value / by).toFixed(decimals);
  return value > 0 && Number(shown) === 0 ? `<${(10 ** -decimals).toFixed(decimals)}` : shown;
}

/**
 * A number with its noun: "1 core", "8 cores".
 *
 * @param {number} number
 * @param {string} noun with a regular plural
 */
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * The same words on one line.
 *
 * @param {string} words
 */
export function unbroken(words) {
  return words.replaceAll(" ", "\u00a0");
}

/** @param {number} number */
function twoDigits(number) {
  return String(Math.floor(number)).padStart(2, "0");
}

/**
 * `41 d 03:12`, or `03:12:45` on the first day.
 *
 * @param {number} seconds
 */
export function uptime(seconds) {
  const hours = twoDigits((seconds / 3600) % 24);
  const minutes = twoDigits((seconds / 60) % 60);
  if (seconds < DAY_SECONDS) return `${hours}:${minutes}:${twoDigits(seconds % 60)}`;
  return `${Math.floor(seconds / DAY_SECONDS)} d ${hours}:${minutes}`;
}

/**
 * A length of time in its two largest units: `12 s`, `4 m 10 s`, `3 h 05 m`.
 *
 * @param {number} ms
 */
export function span(ms) {
  const seconds = Math.max(0, ms / 1000);
  const units = SPANS.find(([size]) => seconds >= size);
  if (!units) return unbroken(`${Math.floor(seconds)} s`);
  const [size, unit, part, other] = units;
  return unbroken(`${Math.floor(seconds / size)} ${unit} ${twoDigits((seconds % size) / part)} ${other}`);
}

const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DATE_AND_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/**
 * The time of day, after the date unless that is today: `14:02:10`, `24 Nov 14:02:10`.
 *
 * @param {number} ms since 1970
 * @param {boolean} isDated whether the date is always there
 */
export function moment(ms, isDated = false, withSeconds = true) {
  const [date, today] = [new Date(ms), new Date()];
  if (!isDated && date.toDateString() === today.toDateString()) return clock(ms, withSeconds);
  const format = date.getFullYear() === today.getFullYear() ? DATE : DATE_AND_YEAR;
  return unbroken(`${format.format(date)} ${clock(ms, withSeconds)}`);
}

/**
 * The time of day in the browser's time zone.
 *
 * @param {number} ms since 1970
 */
export function clock(ms, withSeconds = true) {
  const date = new Date(ms);
  const minutes = `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`;
  return withSeconds ? `${minutes}:${twoDigits(date.getSeconds())}` : minutes;
}
