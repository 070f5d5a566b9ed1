// Numbers, sizes and times as text. Unknown is a dash, never 0.

/** @typedef {import('./types.js').Unit} Unit */
/** @typedef {import('./types.js').Known} Known */
/** @typedef {{number: string, unit: string}} Parts */

export const DASH = '\u2013';
const NO_BREAK = '\u00a0';
const MINUTE_S = 60;
const HOUR_S = 3600;
// Ollama says "for ever" as a date some centuries from now.
const FOR_EVER_S = 10 * 365 * 24 * HOUR_S;

/**
 * Three significant digits, without a tail of zeros that says nothing.
 * @param {number} value
 * @param {number} [most] decimals at most
 */
function digits(value, most = 2) {
  const size = Math.abs(value);
  if (size >= 99.95) return String(Math.round(value));
  if (size >= 9.995) return value.toFixed(Math.min(1, most));
  if (size >= 0.0995 || size === 0) return size === 0 ? '0' : value.toFixed(Math.min(2, most));
  return value.toPrecision(2);
}

/**
 * @param {number} value
 * @param {number} base
 * @param {string[]} units
 * @returns {Parts}
 */
function scaled(value, base, units) {
  let rest = value;
  let at = 0;
  // 999.6 would be written 1000 of the smaller unit.
  while (Math.abs(rest) >= base - 0.5 && at < units.length - 1) {
    rest /= base;
    at += 1;
  }
  return { number: digits(rest), unit: units[at] ?? '' };
}

/** @param {number} value @returns {Parts} */
function seconds(value) {
  const size = Math.abs(value);
  if (size === 0) return { number: '0', unit: 's' };
  if (size < 0.0995) return { number: digits(value * 1e3, 1), unit: 'ms' };
  if (size < 0.9995) return { number: String(Math.round(value * 1e3)), unit: 'ms' };
  if (size < 2 * MINUTE_S) return { number: digits(value), unit: 's' };
  if (size < 2 * HOUR_S) return { number: digits(value / MINUTE_S, 1), unit: 'min' };
  return { number: digits(value / HOUR_S, 1), unit: 'h' };
}

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB'];
const PER_S = BYTES.map((unit) => `${unit}/s`);

/** @type {Record<Unit, (value: number) => Parts>} */
const WRITERS = {
  seconds,
  bytes: (v) => scaled(v, 1000, BYTES),
  bytes_per_second: (v) => scaled(v, 1000, PER_S),
  // Divided by 1024 twice where it comes from, so the unit has to say so.
  megabytes: (v) => scaled(v, 1024, ['MiB', 'GiB', 'TiB']),
  milliwatts: (v) => scaled(v, 1000, ['mW', 'W', 'kW']),
  watts: (v) => scaled(v * 1000, 1000, ['mW', 'W', 'kW']),
  joules_per_token: (v) => scaled(v * 1000, 1000, ['mJ/tok', 'J/tok', 'kJ/tok']),
  percent: (v) => ({ number: digits(v, 1), unit: '%' }),
  celsius: (v) => ({ number: String(Math.round(v)), unit: '\u00b0C' }),
  per_second: (v) => ({ number: digits(v), unit: '/s' }),
  tokens_per_second: (v) => ({ number: digits(v, 1), unit: 'tok/s' }),
  count: (v) => ({ number: Number.isInteger(v) ? String(v) : digits(v, 1), unit: '' }),
};

/**
 * A value and its unit apart, so that they can be set differently.
 * @param {Known|undefined} value
 * @param {Unit} unit
 * @returns {Parts}
 */
export function parts(value, unit) {
  if (value == null || !Number.isFinite(value)) return { number: DASH, unit: '' };
  const write = WRITERS[unit] ?? WRITERS.count;
  return write(value);
}

/** @param {Known|undefined} value @param {Unit} unit */
export function text(value, unit) {
  const { number, unit: word } = parts(value, unit);
  return word ? `${number}${NO_BREAK}${word}` : number;
}

/**
 * Labels of one axis: all in the unit of the largest, with as many decimals as the step needs.
 * @param {number[]} values evenly spaced, ascending
 * @param {Unit} unit
 * @returns {string[]}
 */
export function axisLabels(values, unit) {
  const top = Math.max(...values.map(Math.abs), 0);
  if (top === 0) return values.map((v) => text(v, unit));
  const shown = parts(top, unit);
  const scale = top / Number(shown.number) || 1;
  const factor = nearestFactor(scale, unit);
  const step = values.length > 1 ? Math.abs((values[1] ?? 0) - (values[0] ?? 0)) / factor : 1;
  const decimals = decimalsFor(step);
  const word = shown.unit ? `${NO_BREAK}${shown.unit}` : '';
  return values.map((v) => (v === 0 ? '0' : `${(v / factor).toFixed(decimals)}${word}`));
}

/** What one of the written unit is, in units of the value. @param {number} about @param {Unit} unit */
function nearestFactor(about, unit) {
  const base = unit === 'megabytes' ? 1024 : 1000;
  const factors =
    unit === 'seconds'
      ? [1e-3, 1, MINUTE_S, HOUR_S]
      : [1 / base, 1, base, base ** 2, base ** 3, base ** 4];
  /** @param {number} f */
  const away = (f) => Math.abs(Math.log(f / about));
  return factors.reduce((best, f) => (away(f) < away(best) ? f : best));
}

/** @param {number} step */
function decimalsFor(step) {
  for (let decimals = 0; decimals < 4; decimals += 1) {
    const shifted = step * 10 ** decimals;
    if (Math.abs(shifted - Math.round(shifted)) < 1e-6 * shifted) return decimals;
  }
  return 4;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

/** 24 h, in the viewer's zone. @param {number} t Unix seconds */
export function clock(t) {
  return CLOCK.format(t * 1000);
}

/** @param {number} t Unix seconds */
export function clockShort(t) {
  return clock(t).slice(0, 5);
}

const DATE = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/**
 * Labels of a time axis: clock times, and the date where a day begins or where days are shown.
 * @param {number[]} times Unix seconds, evenly spaced, ascending
 */
export function timeLabels(times) {
  const step = (times[1] ?? 0) - (times[0] ?? 0);
  return times.map((t) => {
    const time = clockShort(t);
    return step >= 12 * HOUR_S || time === '00:00' ? DATE.format(t * 1000) : time;
  });
}

/**
 * A span in words: "8 s", "4 min 05 s", "1 h 12 min".
 * @param {number} span seconds
 */
export function duration(span) {
  const whole = Math.max(0, Math.round(span));
  if (whole < MINUTE_S) return `${whole}${NO_BREAK}s`;
  if (whole < HOUR_S) return joined(whole, MINUTE_S, 'min', 1, 's');
  if (whole < 48 * HOUR_S) return joined(whole, HOUR_S, 'h', MINUTE_S, 'min');
  return joined(whole, 24 * HOUR_S, 'd', HOUR_S, 'h');
}

/**
 * @param {number} whole
 * @param {number} big @param {string} bigWord
 * @param {number} small @param {string} smallWord
 */
function joined(whole, big, bigWord, small, smallWord) {
  const rest = String(Math.floor((whole % big) / small)).padStart(2, '0');
  const count = Math.floor(whole / big);
  return `${count}${NO_BREAK}${bigWord} ${rest}${NO_BREAK}${smallWord}`;
}

/**
 * When a model leaves memory.
 * @param {Known|undefined} expires Unix seconds
 * @param {number} now Unix seconds, by the server's clock
 */
export function unloadsIn(expires, now) {
  if (expires == null) return DASH;
  const left = expires - now;
  if (left > FOR_EVER_S) return 'stays';
  return left <= 0 ? 'now' : duration(left);
}

/**
 * A model's name without the place it comes from: "hf.co/someone/Model:Q4" as "Model:Q4".
 * @param {string} name
 */
export function shortName(name) {
  return name.slice(name.lastIndexOf('/') + 1) || name;
}

/** A label's value as words: "client_abort" as "client abort". @param {string} value */
export function inWords(value) {
  return value.replaceAll('_', ' ');
}

/** 32768 as "32 768": digits in threes, so that they can be read. @param {Known|undefined} value */
export function grouped(value) {
  if (value == null || !Number.isFinite(value)) return DASH;
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}
