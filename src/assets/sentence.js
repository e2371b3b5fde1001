// What is wrong with a host, since when and who does it: "CPU 98.2 % > 90 for 2 m 10 s: rustc 61.4 %". The terminal has
// the same rules in src/view/sentence; both are tested against one table of cases.

import { Evidence, familyOf, nobody, sharing } from "./evidence.js";
import { counted, span, text } from "./format.js";

/**
 * @typedef {import("./evidence.js").Culprit} Culprit
 * @typedef {import("./evidence.js").Firing} Firing
 * @typedef {import("./evidence.js").Loss} Loss
 * @typedef {import("./evidence.js").MetricInfo} MetricInfo
 * @typedef {import("./evidence.js").Silence} Silence
 * @typedef {import("./evidence.js").Situation} Situation
 *
 * How urgent something is: see URGENCIES.
 * @typedef {"silent" | "alert" | "critical" | "warning" | "event" | "note" | "well"} Urgency
 *
 * @typedef {object} Trouble
 * @property {Urgency} urgency
 * @property {string} metric
 * @property {number} since in ms since 1970; NaN if unknown
 * @property {string[]} forms the longest first
 *
 * A trouble before its sentence is written. Each part begins with what separates it from the one before.
 * @typedef {object} Draft
 * @property {Urgency} urgency
 * @property {string} metric
 * @property {number} [since]
 * @property {string} [rule] its name: "busy: "
 * @property {string} what "CPU 98.2 %"
 * @property {string} [limit] " > 90", or something else that is left out first
 * @property {string} [lasted] " for 2 m 10 s"
 * @property {string} [outlook] ", full in 38 m"
 * @property {Culprit[]} [culprits]
 */

/**
 * The most urgent first.
 *
 * @type {Urgency[]}
 */
const URGENCIES = ["silent", "alert", "critical", "warning", "event", "note", "well"];
/** Families of metrics, causes before their effects. */
const CAUSES = [
  /^oom/,
  /^(disk(Free)?|inodes)$/,
  /^mem/,
  /^(swap|major)/,
  /^cpu[TQ]/,
  /^(gpu|temp)/,
  /^(disk|iowait)/,
  /^listen/,
  /^(tcpR|net|conn|fileD)/,
  /^(cpu|steal|exited)/,
  /^pressure/,
  /^load/,
  /^/,
];
/**
 * Levels that no server announces: warning and critical.
 *
 * @type {Record<string, [number, number]>}
 */
const WATCHED = { __proto__: /** @type {any} */ (null), diskAwait: [50, 200], swapIn: [1e6, 1e7] };
/** A slow disk matters if one of these says that it is waited for. */
const WAITED_FOR = { diskBusy: 50, pressureIo: 20, iowait: 20 };
/** Of these, one says enough. */
const SLOW_DISK = ["diskAwait", "iowait", "diskBusy", "diskQueue"];
/**
 * Metrics that another one, if it is known, says better.
 *
 * @type {Record<string, string>}
 */
const SAID_BY = { __proto__: /** @type {any} */ (null), exitedCpu: "cpu", load5: "load1", load15: "load1" };
/**
 * What merely follows from something else that is wrong, and would hide what doesn't.
 *
 * @type {Record<string, RegExp>}
 */
const ECHOES = {
  pressureCpu: /^cpu$/,
  load1: /^(cpu|pressureIo|diskAwait)$/,
  pressureMemory: /^(memory|swap|swapIn)$/,
  pressureIo: /^(diskAwait|diskBusy|iowait|swapIn)$/,
};
/** The sections whose instances say less than the whole. */
const WHOLE = ["CPU", "Disks", "Network"];
/** What is lost, of what, and how that is called. */
const LOSSES = [
  ["tcpRetransmits", "networkPacketsSent", "TCP retransmits"],
  ["networkDrops", "networkPacketsReceived", "network drops"],
];

/** A rise is a warning if it ends so soon and has covered so many points. */
const SOON_MS = 600_000;
const STEEP = 5;
/** Losses come in bursts, so they are counted. */
const LOSSES_MS = 30_000;
const FEWEST_DROPS = 3;
const FEWEST_PACKETS = 30;
const SOME_PERCENT = 1;
const MANY_PERCENT = 5;
/** How long an event is told. */
const EVENTS_MS = 300_000;
/** What counts as waiting for I/O. */
const SOME_WAIT = 5;
/** What a process that takes one core has of it, and for how long. */
const ONE_CORE = [0.9, 1.15];
const LONG_MS = 30_000;

/**
 * Which metrics a sentence may be about, by all that a host has: finding out takes longer than the sentence.
 *
 * @type {WeakMap<Map<string, MetricInfo>, MetricInfo[]>}
 */
const SUBJECTS = new WeakMap();

/** @param {number} count */
function grouped(count) {
  return count.toLocaleString("en", { maximumFractionDigits: 0 });
}

/**
 * Percentages without decimals.
 *
 * @param {string} words
 */
function brief(words) {
  return words.replace(/[\d.e-]+(?=\u00a0%)/g, (share) => (+share > 0 && +share < 0.5 ? "<1" : (+share).toFixed()));
}

/**
 * @param {Draft} draft
 * @returns {Trouble}
 */
function trouble({ urgency, metric, since = NaN, rule = "", what, limit = "", lasted = "", outlook = "", culprits = [] }) {
  const [one = "", both = ""] = [1, 2].map((most) => culprits.slice(0, most).map(({ words }) => `, ${words}`).join("").replace(",", ":"));
  const forms = [
    rule + what + limit + lasted + outlook + both,
    rule + what + limit + lasted + outlook + one,
    rule + what + lasted + outlook + one,
    rule + what + outlook + one,
    brief(what + one),
    brief(what),
  ];
  const isShorter = (/** @type {string} */ form, /** @type {number} */ index) =>
    forms.slice(0, index).every((longer) => form.length < longer.length);
  return { urgency, metric, since, forms: forms.filter(isShorter) };
}

/**
 * @param {Evidence} evidence
 * @param {Firing} firing
 * @returns {Draft}
 */
function alertDraft(evidence, { alert, data }) {
  const { name, rule, metric, since, threshold = NaN, value = NaN } = alert;
  // The metric may hold such signs too.
  const [sign] = /[<>]=?/.exec(rule.replace(metric, "").replace(/"(\\.|[^"\\])*"/, "")) ?? ["against"];
  const now = evidence.value(metric);
  const past = sign[0] === "<" ? threshold - now : now - threshold;
  // A rule may still hold although the value has left its limit.
  const isBeyond = past > 0 || (past === 0 && sign !== ">" && sign !== "<");
  const unit = evidence.metrics.get(metric)?.unit ?? "";
  const limit = /^[%°]/.test(unit) && Number.isInteger(threshold) ? threshold : text(threshold, unit);
  const newest = Number.isNaN(now) ? value : now;
  const isAbsent = /^\s*absent\(/.test(rule);
  const suspects = evidence.suspects(metric);
  const then = evidence.suspects(metric, data?.top ?? []).filter((it) => it.name !== "came and went").slice(0, 1);
  const [shown, isTold] = isAbsent ? [" absent", false] : [` ${evidence.shown(metric, newest)}`, isBeyond || newest !== now];
  return {
    urgency: "alert",
    metric,
    since: since || NaN,
    rule: name && metric && name !== rule ? `${name}: ` : "",
    what: (metric ? evidence.subject(metric) : name) + (isAbsent || !Number.isNaN(newest) ? shown : ""),
    limit: isTold && !Number.isNaN(threshold) ? ` ${sign} ${limit}` : "",
    lasted: since ? evidence.lasted(since) : "",
    outlook: evidence.outlook(metric)?.words,
    culprits: then.length && !(isBeyond && suspects.length) ? then : suspects,
  };
}

/**
 * What is at a level, or will soon be full.
 *
 * @param {Evidence} evidence
 * @param {MetricInfo} metric
 * @returns {Draft | null}
 */
function levelDraft(evidence, { name, warn, critical }) {
  const isIdle = name === "diskAwait" && !Object.entries(WAITED_FOR).some(([name, least]) => evidence.value(name) >= least);
  const [low, high] = isIdle ? [] : WATCHED[name] ?? [warn, critical];
  const most = evidence.held(name, high);
  const held = most ?? evidence.held(name, low);
  const outlook = evidence.outlook(name);
  const isSoon = outlook && outlook.left <= SOON_MS && outlook.risen >= STEEP;
  if (Number.isNaN(evidence.value(name)) || !(held || isSoon)) return null;
  const isWaiting = name === "diskAwait" && evidence.value("iowait") >= SOME_WAIT;
  return {
    urgency: most ? "critical" : "warning",
    metric: name,
    what: `${evidence.subject(name)} ${evidence.shown(name)}`,
    limit: name === "cpuThrottled" ? " of periods" : isWaiting ? `, I/O wait ${evidence.shown("iowait")}` : "",
    ...held,
    outlook: outlook?.words,
    culprits: evidence.suspects(name),
  };
}

/**
 * Whether no other metric says it better.
 *
 * @param {Map<string, MetricInfo>} metrics
 * @param {MetricInfo} metric
 */
function isSubject(metrics, { name, section }) {
  const better = SAID_BY[name] ?? name.replace(/Full$/, "");
  if (better !== name && metrics.has(better)) return false;
  const family = familyOf(name);
  const isWhole = WHOLE.includes(section);
  if (family !== name) return !(isWhole && metrics.has(family));
  return isWhole || ![...metrics.keys()].some((other) => other.startsWith(`${name}:`));
}

/**
 * Connections and packets that are lost.
 *
 * @param {Evidence} evidence
 * @returns {Draft[]}
 */
function lossDrafts(evidence) {
  const begin = (/** @type {string} */ name) => {
    const lossy = evidence.recent(LOSSES_MS).filter((index) => evidence.samples.value(name, index) > 0);
    return evidence.samples.time(lossy[lossy.length - 1]);
  };
  /** @type {Draft[]} */
  const drafts = LOSSES.flatMap(([metric, of, subject]) => {
    const lost = evidence.count(metric, LOSSES_MS);
    const share = (100 * lost) / evidence.count(of, LOSSES_MS);
    // Without a number of packets, the share is infinite or not a number.
    const isKnown = share <= 100;
    if (lost < FEWEST_PACKETS || share < SOME_PERCENT) return [];
    const count = `${grouped(lost)} in 30 s`;
    return {
      urgency: isKnown && share >= MANY_PERCENT ? "critical" : "warning",
      metric,
      since: begin(metric),
      what: `${subject} ${isKnown ? text(share, "%") : count}`,
      limit: isKnown ? " of packets" : "",
      culprits: isKnown ? [nobody(count)] : [],
    };
  });
  const dropped = evidence.count("listenDrops", LOSSES_MS);
  const open = evidence.value("tcpConnections");
  if (dropped >= FEWEST_DROPS) {
    drafts.push({
      urgency: "warning",
      metric: "listenDrops",
      since: begin("listenDrops"),
      what: `listen drops ${grouped(dropped)} in 30 s`,
      limit: open >= 0 ? ` on ${grouped(open)} connection${open === 1 ? "" : "s"}` : "",
    });
  }
  return drafts;
}

/**
 * Kills for lack of memory, restarts and gaps of the last minutes.
 *
 * @param {Evidence} evidence
 * @param {Loss | null} loss
 * @returns {Draft[]}
 */
function eventDrafts(evidence, loss) {
  const { samples, now, top } = evidence;
  /** @type {Draft[]} */
  const drafts = [];
  const last = evidence.recent(EVENTS_MS).find((index) => samples.value("oomKills", index) > 0);
  if (last) {
    const since = samples.time(last);
    const count = evidence.count("oomKills", EVENTS_MS);
    // The largest process that is no longer listed.
    const before = [2, 1, 0].flatMap((back) => (last >= back ? samples.top(last - back) : []));
    const gone = before.filter(({ pid }) => top.every((other) => other.pid !== pid));
    const victims = gone.sort((one, other) => other.memory - one.memory).slice(0, 1);
    drafts.push({
      urgency: "event",
      metric: "oomKills",
      since,
      what: `${count > 1 ? `${grouped(count)} OOM kills, the last` : "OOM kill"} ${span(now - since)} ago`,
      culprits: victims.map(({ name, memory }) => sharing(name, memory, `${name} had `)),
    });
  }
  if (loss && loss.age <= EVENTS_MS) {
    const { from = 0, to = -1, reason, age } = loss;
    const count = to + 1 - from;
    const lost = count > 0 ? `${counted(count, "message")} ${count === 1 ? "is" : "are"} lost` : "messages are lost";
    const isRestart = reason === "restarted";
    drafts.push({
      urgency: "event",
      metric: "",
      since: now - age,
      what: `${isRestart ? "restarted" : "gap"} ${span(age)} ago`,
      culprits: isRestart ? [] : [nobody(lost)],
    });
  }
  return drafts;
}

/**
 * A process that takes one whole core, as a loop without an end does.
 *
 * @param {Evidence} evidence
 * @returns {Draft[]}
 */
function noteDrafts(evidence) {
  const { cores, last, now, samples, top } = evidence;
  /** @param {import("../../docs/protocol").Process} process */
  const takesOne = ({ cpu }) => (cpu * cores) / 100 >= ONE_CORE[0] && (cpu * cores) / 100 < ONE_CORE[1];
  const process = top.find(takesOne);
  if (cores < 2 || !process) return [];
  const { name, pid, cpu } = process;
  let index = last;
  while (index >= 0 && samples.top(index).some((other) => other.pid === pid && takesOne(other))) index -= 1;
  const since = samples.time(index + 1);
  if (now - since < LONG_MS) return [];
  const lasted = evidence.lasted(since, index < 0);
  return [{ urgency: "note", metric: "cpu", since, what: "one core busy", lasted, culprits: [sharing(name, cpu)] }];
}

/**
 * @param {Silence} silence
 * @param {number} since
 * @returns {Trouble}
 */
function silent({ age, reason, attempt, wait = 0, isOver }, since) {
  const what = age === undefined ? "no data yet" : `no data for ${span(age)}`;
  const next = wait > 0 ? `in ${span(1000 * Math.ceil(wait / 1000))}` : "now";
  const ends = attempt ? [`; attempt ${attempt} ${next}`, `; next ${next}`, ""] : ["; not retrying", ""];
  const forms = [...(reason ? ends.map((end) => `${what}: ${reason}${end}`) : []), what];
  return { urgency: "silent", metric: "", since, forms: isOver ? ["the recording is over"] : forms };
}

/**
 * Names a culprit only once. Behind a load, how many wait says more.
 *
 * @param {Evidence} evidence
 * @param {Draft[]} drafts
 */
function nameOnce(evidence, drafts) {
  const [runnable, blocked] = ["tasksRunnable", "tasksBlocked"].map((name) => evidence.value(name) || 0);
  const { cores } = evidence;
  const isKnown = runnable && cores;
  const running = isKnown ? [nobody(`${grouped(runnable)} runnable on ${counted(cores, "core")}`)] : [];
  const queue = blocked > runnable ? [nobody(`${grouped(blocked)} waiting for I/O`)] : running;
  const named = new Set();
  for (const draft of drafts) {
    const name = draft.culprits?.[0]?.name;
    if (name && named.has(name)) draft.culprits = /^load/.test(draft.metric) ? queue : [];
    named.add(name);
  }
}

/**
 * Everything that is wrong, the most urgent first; empty if the host is well.
 *
 * @param {Situation} situation
 * @returns {Trouble[]}
 */
export function problems(situation) {
  const { alerts, loss, metrics, silence } = situation;
  const evidence = new Evidence(situation);
  const firing = [...alerts].map((alert) => alertDraft(evidence, alert));
  const isSaid = (/** @type {string} */ name) => firing.some(({ metric }) => [name, familyOf(name)].includes(metric));
  const subjects = SUBJECTS.get(metrics) ?? [...metrics.values()].filter((metric) => isSubject(metrics, metric));
  SUBJECTS.set(metrics, subjects);
  const levels = subjects.flatMap((metric) => levelDraft(evidence, metric) ?? []);
  const slow = SLOW_DISK.find((name) => levels.some(({ metric }) => metric === name));
  const others = [...levels, ...lossDrafts(evidence)].filter(({ metric }) =>
    !isSaid(metric) && (metric === slow || !SLOW_DISK.includes(metric)));
  const drafts = [...firing, ...others, ...eventDrafts(evidence, loss)];
  if (!drafts.length) drafts.push(...noteDrafts(evidence));
  const urgent = (/** @type {Draft} */ { urgency }) => URGENCIES.indexOf(urgency);
  const isEcho = (/** @type {Draft} */ draft) => draft.urgency !== "alert"
    && drafts.some((other) => ECHOES[draft.metric]?.test(other.metric) && urgent(other) <= urgent(draft));
  const rank = (/** @type {Draft} */ draft) =>
    (isEcho(draft) ? 1000 : 0) + 100 * urgent(draft) + CAUSES.findIndex((pattern) => pattern.test(familyOf(draft.metric)));
  drafts.sort((one, other) => rank(one) - rank(other) || (one.since || 0) - (other.since || 0));
  nameOnce(evidence, drafts);
  return [...(silence ? [silent(silence, evidence.now)] : []), ...drafts.map(trouble)];
}
