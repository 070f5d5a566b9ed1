// What the viewer chose, and the URL that says it.

/** @typedef {'5m'|'15m'|'1h'|'6h'|'24h'|'7d'|'30d'|'90d'} Range */
/** A stretch that was chosen, whole Unix seconds. @typedef {{from: number, to: number}} Stretch */
/**
 * @typedef {object} View
 * @property {Range} range
 * @property {string} model  empty: all of them
 * @property {Stretch|null} stretch  instead of the range, which comes back after it
 */

/** @type {Record<Range, number>} */
export const RANGES_S = {
  '5m': 300,
  '15m': 900,
  '1h': 3600,
  '6h': 21600,
  '24h': 86400,
  '7d': 604800,
  '30d': 2592000,
  '90d': 7776000,
};
export const RANGES = /** @type {Range[]} */ (Object.keys(RANGES_S));
export const DEFAULT_RANGE = '15m';
const LONGEST_MODEL = 200;
/** What the API gives. */
const SHORTEST_S = 10;
const LONGEST_S = Math.max(...Object.values(RANGES_S));

/** @param {string|null} word @returns {word is Range} */
export function isRange(word) {
  return word !== null && Object.hasOwn(RANGES_S, word);
}

/**
 * What a query says; what it does not say, or says wrong, is the default.
 * @param {string} search
 * @returns {View}
 */
export function parse(search) {
  const query = new URLSearchParams(search);
  const range = query.get('range');
  const model = (query.get('model') ?? '').slice(0, LONGEST_MODEL);
  const stretch = stretchOf(Number(query.get('from')), Number(query.get('to')));
  return { range: isRange(range) ? range : DEFAULT_RANGE, model, stretch };
}

/**
 * The stretch between two moments, or null where it is none that can be shown.
 * @param {number} from @param {number} to
 * @returns {Stretch|null}
 */
export function stretchOf(from, to) {
  const [start, end] = [Math.round(from), Math.round(to)];
  const isGood = start > 0 && end - start >= SHORTEST_S && end - start <= LONGEST_S;
  return isGood ? { from: start, to: end } : null;
}

/**
 * The query for a view. Defaults are left out, other people's parameters stay.
 * @param {View} view
 * @param {string} [search] the present one
 */
export function toSearch(view, search = '') {
  const query = new URLSearchParams(search);
  put(query, 'range', view.range === DEFAULT_RANGE ? '' : view.range);
  put(query, 'from', view.stretch ? String(view.stretch.from) : '');
  put(query, 'to', view.stretch ? String(view.stretch.to) : '');
  put(query, 'model', view.model);
  const written = query.toString().replaceAll('%3A', ':').replaceAll('%2F', '/');
  return written ? `?${written}` : '';
}

/** @param {URLSearchParams} query @param {string} key @param {string} value */
function put(query, key, value) {
  if (value) query.set(key, value);
  else query.delete(key);
}
