// What is known of a host's past: the last samples, and longer ago what they have in common.

/**
 * @typedef {import("../../docs/protocol").AlertMessage} AlertMessage
 * @typedef {import("../../docs/protocol").Gap} Gap
 * @typedef {import("../../docs/protocol").Metric} Metric
 * @typedef {import("../../docs/protocol").Summary} Summary
 * @typedef {import("./state.js").Numbered} Numbered
 */

/** How long samples are kept whole: as long as a server keeps its log. What is older is kept in buckets. */
const KEPT_MS = 15 * 60 * 1000;
/** 15 minutes at the shortest interval are 4,500 samples. */
const MAX_SAMPLES = 5000;
/** How long buckets are kept. */
const LONGEST_MS = 24 * 60 * 60 * 1000;
/** Samples in a sparkline. */
export const POINTS = 60;
/** Points in the line of a host, each of so long, or of an interval. A summary is as large as three samples. */
export const LINE_POINTS = 30;
const LINE_STEP_MS = 10 * 1000;

/** A step so many times as long as its neighbours is a gap. */
const GAP_STEPS = 2.5;
/**
 * A sample, or what the samples of a bucket have in common: then `data` holds their means.
 *
 * @typedef {object} Point
 * @property {number} time in ms since 1970; the middle of a bucket
 * @property {Metric["data"]} data
 * @property {string[]} [absent]
 * @property {number} [seq]
 * @property {Summary} [bucket]
 * @property {Gap["reason"] | ""} [gap] why there is nothing before it
 */

/**
 * A value of a point; NaN if it could not be read, even where the sample has 0 in its place.
 *
 * @param {Pick<Point, "data" | "absent"> | null} point
 * @param {string} name
 * @returns {number}
 */
export function valueOf(point, name) {
  const value = point?.data[name];
  return typeof value === "number" && !point?.absent?.includes(name) ? value : NaN;
}

/** @param {Summary} bucket */
function pointOf(bucket) {
  const data = /** @type {Metric["data"]} */ (/** @type {unknown} */ (bucket.mean));
  return { time: (bucket.from + bucket.to) / 2, data, bucket };
}

/** What is known of the past, its times rising: buckets, then the last samples. */
export class History {
  /** @type {Point[]} */
  points = [];
  /** How many of them are buckets. If there are any, samples are kept longer. */
  buckets = 0;
  /**
   * The alerts that fired or were resolved.
   *
   * @type {AlertMessage[]}
   */
  changes = [];
  /** Whether nothing may be dropped, as somebody looks at it. */
  isHeld = false;
  /** @type {Gap["reason"] | ""} */
  #gap = "";

  get length() {
    return this.points.length;
  }

  /**
   * @param {string} name
   * @param {number} index
   */
  value(name, index) {
    return valueOf(this.points[index] ?? null, name);
  }

  /** @param {number} index */
  time(index) {
    return this.points[index]?.time ?? NaN;
  }

  last() {
    return this.time(this.length - 1);
  }

  /** @param {Numbered | Gap} message */
  push(message) {
    if (message.type === "gap") {
      this.#gap = message.reason;
      return;
    }
    if (message.type === "alert") {
      this.changes.push(message);
      return;
    }
    const { data, absent, seq } = message;
    const time = data.timestamp;
    // If the clock was set back, what it says now counts.
    while (this.length && this.last() >= time) this.points.pop();
    this.points.push({ time, data, absent, seq, gap: this.#gap });
    this.#gap = "";
    this.#trim(time);
  }

  /** @param {number} newest */
  #trim(newest) {
    const { points } = this;
    this.buckets = Math.min(this.buckets, points.length);
    const isWanted = this.isHeld || this.buckets;
    while (points.length - this.buckets > MAX_SAMPLES || (!isWanted && this.time(0) < newest - KEPT_MS)) points.splice(this.buckets, 1);
    while (this.buckets && this.time(0) < newest - LONGEST_MS) {
      points.shift();
      this.buckets -= 1;
    }
    const oldest = this.time(0);
    this.changes = this.changes.filter(({ data }) => data.timestamp >= oldest);
  }

  /**
   * Takes the buckets of a longer time, which end where the samples begin.
   *
   * @param {(Summary | Gap | AlertMessage)[]} messages
   */
  deepen(messages) {
    const samples = this.points.slice(this.buckets);
    const begin = samples[0]?.time ?? Infinity;
    /** @type {Point[]} */
    const old = [];
    /** @type {Gap["reason"] | ""} */
    let gap = "";
    for (const message of messages) {
      if (message.type === "gap") gap = message.reason;
      else if (message.type === "summary") {
        if (message.to > begin) break;
        old.push({ ...pointOf(message), gap });
        gap = "";
      }
    }
    const changes = messages.flatMap((message) => (message.type === "alert" && message.data.timestamp < begin ? message : []));
    this.changes = [...changes, ...this.changes.filter(({ data }) => data.timestamp >= begin)];
    this.points = [...old, ...samples];
    this.buckets = old.length;
  }

  /**
   * The last values of any metric. A gap counts as one missing value, however long it was.
   *
   * @param {string} name
   */
  recent(name) {
    const first = Math.max(this.buckets, this.length - POINTS);
    const values = this.points.slice(first).flatMap((point, index) => {
      const value = valueOf(point, name);
      return this.isGap(first + index) ? [NaN, value] : value;
    });
    return values.slice(-POINTS);
  }

  /**
   * The index of the first sample at `time` or later.
   *
   * @param {number} time
   */
  find(time) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time(middle) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The index of the sample nearest to `time`.
   *
   * @param {number} time
   */
  nearest(time) {
    const after = Math.min(this.find(time), this.length - 1);
    const isBeforeNearer = after > 0 && time - this.time(after - 1) < this.time(after) - time;
    return isBeforeNearer ? after - 1 : after;
  }

  /**
   * Whether time is missing before a sample, judging by the steps around it: the interval may change.
   *
   * @param {number} index
   */
  isGap(index) {
    if (this.points[index]?.gap === "expired") return true;
    const usual = Math.max(this.#step(index - 1), this.#step(index + 1));
    return usual > 0 && this.#step(index) > GAP_STEPS * usual;
  }

  /** @param {number} index */
  #step(index) {
    const isInside = index > 0 && index < this.length;
    return isInside ? this.time(index) - this.time(index - 1) : 0;
  }
}

/** The use of a host's CPU over the last minutes: each value is the mean of a step of time. */
export class Line {
  /** Rising in time, at most `LINE_POINTS`. NaN is a gap, however long it was. */
  values = /** @type {number[]} */ ([]);
  /** Whether what came before the samples that arrived was fetched. */
  isFilled = false;
  /** When the first step began of which samples arrived, and the last one. */
  #first = NaN;
  #last = NaN;
  /** How many samples the last value is of. */
  #count = 0;

  /** @param {number} interval of the samples, in ms */
  constructor(interval) {
    /** The length of a step, in ms. None is without a sample. */
    this.step = Math.max(LINE_STEP_MS, Math.ceil(interval / 1000) * 1000);
  }

  /**
   * Takes a sample.
   *
   * @param {number} time
   * @param {number} value NaN if it could not be read
   */
  push(time, value) {
    const { step, values } = this;
    const begin = time - (time % step);
    if (begin !== this.#last) {
      // What was missed has to be fetched. If the clock was set back, what it says now counts.
      if (begin < this.#last || this.#isGap(this.#last, begin)) this.#clear();
      this.#first ||= begin;
      this.#last = begin;
      this.#count = 0;
      values.push(NaN);
      if (values.length > LINE_POINTS) values.shift();
    }
    if (Number.isNaN(value)) return;
    const mean = this.#count ? values[values.length - 1] : 0;
    this.#count += 1;
    values[values.length - 1] = mean + (value - mean) / this.#count;
  }

  /**
   * Completes it with what came before the samples that arrived: when each step began, and its mean.
   *
   * @param {[number, number | undefined][]} steps
   */
  fill(steps) {
    const old = [];
    let last = NaN;
    for (const [begin, mean = NaN] of [...steps.filter(([begin]) => begin < this.#first), [this.#first, 0]]) {
      if (this.#isGap(last, begin)) old.push(NaN);
      old.push(mean);
      last = begin;
    }
    old.pop();
    this.values.unshift(...old);
    this.values.splice(0, this.values.length - LINE_POINTS);
    this.isFilled = true;
  }

  #clear() {
    this.values.length = 0;
    this.#first = NaN;
    this.isFilled = false;
  }

  /**
   * @param {number} last
   * @param {number} next
   */
  #isGap(last, next) {
    return next - last > 2 * this.step;
  }
}
