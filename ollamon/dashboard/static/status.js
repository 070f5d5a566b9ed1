// The one line that says how things stand, derived from what the server says and from what only
// the page knows: its connection and the age of its values. Without I/O.

import { duration } from './format.js';

/** @typedef {import('./types.js').Level} Level */
/** @typedef {import('./types.js').Status} Status */

/**
 * @typedef {object} Facts
 * @property {'connecting'|'live'|'lost'} connection
 * @property {boolean} isBye  the server said that it leaves
 * @property {number|null} retryInS
 * @property {number|null} ageS  of the newest values; null: none came yet
 * @property {number} intervalS
 * @property {Status|null} said  the server's own status
 *
 * @typedef {object} Line
 * @property {string} kind
 * @property {'ok'|'warn'|'down'|'busy'} level
 * @property {string} label  short, for the header
 * @property {string} text  the whole sentence
 * @property {string} hint
 * @property {string} counting  what changes each second: not for screen readers
 * @property {boolean} isStale  the values shown are old
 */

const STALE_S = 15;

/** @type {Record<string, string>} */
const LABELS = {
  live: 'Live',
  waiting: 'Waiting',
  proxy_down: 'Proxy down',
  upstream_down: 'Ollama down',
  not_ollama: 'Not Ollama',
  prometheus_down: 'Live, own history',
};

/** @type {Record<string, string>} */
const ADVICE = {
  waiting: 'Point a client at the proxy instead of Ollama. Its numbers appear here in seconds.',
  proxy_down:
    'Requests cannot pass until it is back; ollamon restarts it by itself. To see what happened:',
  upstream_down: 'The proxy is fine, the server behind it is not. Start it, or look at it:',
  prometheus_down: 'Nothing is lost: values and charts go on from the dashboard\u2019s own samples.',
  lost: 'The values below are the last that came. If ollamon was stopped, start it again:',
  stale: 'The dashboard is connected but sends nothing new. To see what hangs:',
};

/** What to do, in a sentence. @param {string} kind */
export function advice(kind) {
  return ADVICE[kind] ?? '';
}

/** A hint that can be typed into a shell. @param {string} hint */
export function isCommand(hint) {
  return /^(?:OLLAMA_HOST=\S+ )?(?:ollama|ollamon|sudo|systemctl|brew) \S/.test(hint);
}

/** @param {Facts} facts @returns {Line} */
export function derive(facts) {
  if (facts.connection === 'lost') return lost(facts);
  if (!facts.said || facts.ageS === null) return connecting();
  if (facts.ageS > Math.max(STALE_S, 3 * facts.intervalS)) return stale(facts.ageS);
  const { kind, level, text, hint } = facts.said;
  const label = LABELS[kind] ?? text;
  return { kind, level, label, text, hint: hint ?? '', counting: '', isStale: false };
}

/** @returns {Line} */
function connecting() {
  const words = { label: 'Connecting', text: 'Connecting to the dashboard' };
  return { kind: 'connecting', level: 'busy', ...words, hint: '', counting: '', isStale: false };
}

/** @param {Facts} facts @returns {Line} */
function lost({ isBye, retryInS }) {
  const text = isBye ? 'The dashboard was stopped' : 'Connection lost';
  const counting = retryInS === null ? 'trying again' : `again in ${duration(retryInS)}`;
  const words = { label: isBye ? 'Stopped' : 'Connection lost', text, counting };
  return { kind: 'lost', level: 'down', ...words, hint: 'ollamon up', isStale: true };
}

/** @param {number} ageS @returns {Line} */
function stale(ageS) {
  const words = { label: 'No new values', text: 'No new values', counting: `for ${duration(ageS)}` };
  return { kind: 'stale', level: 'down', ...words, hint: 'ollamon status', isStale: true };
}
