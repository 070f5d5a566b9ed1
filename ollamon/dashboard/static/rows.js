// Rows of requests: which are shown, and as which words. Without I/O.

import { clock, DASH, grouped, inWords, text } from './format.js';

/** @typedef {import('./types.js').RequestRow} RequestRow */
/** @typedef {{model: string, outcome: string, q: string}} Filter  empty is any */
/** @typedef {{name: string, title: string, words: (row: RequestRow) => string}} Column */

export const SHOWN = 100;
const DAY_S = 24 * 3600;
const SEARCHED = /** @type {const} */ ([
  'method', 'endpoint', 'model', 'status', 'outcome', 'finish', 'client',
]);
const DATE = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short' });

/** @type {Column[]} */
const COLUMNS = [
  { name: 'model', title: 'Model', words: (row) => row.model },
  { name: 'endpoint', title: 'Endpoint', words: (row) => row.endpoint },
  { name: 'client', title: 'Client', words: (row) => inWords(row.client) },
  { name: 'outcome', title: 'Outcome', words: (row) => inWords(row.outcome) },
  { name: 'ttft', title: 'First token', words: (row) => text(row.time_to_first_token_s, 'seconds') },
  { name: 'speed', title: 'Speed', words: (row) => text(row.tokens_per_second, 'tokens_per_second') },
  { name: 'prompt', title: 'Prompt', words: (row) => grouped(row.prompt_tokens) },
  { name: 'generated', title: 'Generated', words: (row) => grouped(row.generated_tokens) },
  { name: 'took', title: 'Took', words: (row) => text(row.duration_s, 'seconds') },
  { name: 'finish', title: 'Finish', words: (row) => inWords(row.finish) || DASH },
];
/** @type {Column} */
const ENERGY = {
  name: 'energy',
  title: 'Energy',
  words: (row) => (row.joules == null ? DASH : `${grouped(row.joules)}\u00a0J`),
};

/** Energy only where a helper tells it. @param {RequestRow[]} rows */
export function columnsFor(rows) {
  return rows.some((row) => row.joules != null) ? [...COLUMNS, ENERGY] : COLUMNS;
}

/** @param {RequestRow} row @param {Filter} filter */
export function matches(row, { model, outcome, q }) {
  if ((model && row.model !== model) || (outcome && row.outcome !== outcome)) return false;
  const wanted = q.toLowerCase();
  return !wanted || SEARCHED.some((name) => row[name].toLowerCase().includes(wanted));
}

/**
 * Newest first, each once; a row that comes again has learned something.
 * @param {RequestRow[]} old @param {RequestRow[]} fresh @param {number} most
 */
export function merged(old, fresh, most) {
  const bySeq = new Map([...old, ...fresh].map((row) => [row.seq, row]));
  return [...bySeq.values()].sort((a, b) => b.seq - a.seq).slice(0, most);
}

/** @param {Filter} filter @param {Record<string, string>} [more] */
export function query(filter, more = {}) {
  const pairs = Object.entries({ ...filter, ...more }).filter(([, value]) => value);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : '';
}

/** The time of day, and the day when that was another one. @param {number} t @param {number} now */
export function moment(t, now) {
  const isOld = now - t > DAY_S || DATE.format(t * 1000) !== DATE.format(now * 1000);
  return isOld ? `${DATE.format(t * 1000)} ${clock(t)}` : clock(t);
}

/** How much an outcome matters. @param {string} outcome @returns {'ok'|'warn'|'down'} */
export function tone(outcome) {
  if (outcome === 'ok') return 'ok';
  return ['client_abort', 'cancelled', 'shutdown'].includes(outcome) ? 'warn' : 'down';
}
