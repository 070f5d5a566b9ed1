// The tiles: one number for each panel that matters most, its short past, and its limit.

import { el, icon, setIcon, setText, svg } from './dom.js';
import { axisLabels, inWords, parts, shortName } from './format.js';
import { ALL, MACHINE, modelOf, totalNow } from './store.js';

/** @typedef {import('./types.js').Panel} Panel */
/** @typedef {import('./types.js').Tick} Tick */
/** @typedef {import('./types.js').Known} Known */
/** @typedef {import('./store.js').Store} Store */

const WIDTH = 120;
const HEIGHT = 32;
const PAD = 1.5;

export class Tile {
  /** @param {Panel} panel */
  constructor(panel) {
    this.panel = panel;
    const [title = '', ...rest] = panel.title.split(', ');
    this.qualifier = rest.join(', ');
    this.number = el('span', { class: 'number' });
    this.unit = el('span', { class: 'unit' });
    this.limit = el('span', { class: 'limit', hidden: true }, icon('warn'), el('span'));
    this.which = el('span', { class: 'which' });
    this.line = svg('path', { class: 'line' });
    this.area = svg('path', { class: 'area' });
    this.node = el(
      'li',
      { id: `tile-${panel.id}`, class: 'tile' },
      el('h3', {}, title),
      el('p', { class: 'value' }, this.number, ' ', this.unit),
      el('p', { class: 'sub quiet' }, this.limit, this.which),
      this.#spark(),
    );
  }

  #spark() {
    const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none' };
    return svg('svg', { class: 'spark', 'aria-hidden': 'true', ...box }, this.area, this.line);
  }

  /** @param {Tick} tick @param {string} model */
  show(tick, model) {
    const found = totalNow(this.panel, tick.panels[this.panel.id], model);
    const { number, unit } = parts(found.value, this.panel.unit);
    setText(this.number, number);
    setText(this.unit, unit);
    this.node.classList.toggle('unknown', found.value === null);
    setText(this.which, [this.qualifier, which(this.panel, found, model)].filter(Boolean).join(' \u00b7 '));
    this.#showLimit(found.value);
  }

  /** @param {Known} value */
  #showLimit(value) {
    const [warn = Infinity, down = Infinity] = this.panel.thresholds;
    const isOver = value !== null && value >= warn;
    this.limit.hidden = !isOver;
    if (!isOver) return;
    const level = value >= down ? 'down' : 'warn';
    this.limit.dataset.level = level;
    setIcon(this.limit, level);
    const [, over = ''] = axisLabels([0, level === 'down' ? down : warn], this.panel.unit);
    setText(/** @type {Element} */ (this.limit.lastElementChild), `over ${over}`);
  }

  /** @param {Store} store @param {string} model @param {number} rangeS */
  spark(store, model, rangeS) {
    const { line, area } = sparkPaths(store.t, store.totals(this.panel, model), rangeS, this.panel.kind);
    this.line.setAttribute('d', line);
    this.area.setAttribute('d', area);
  }
}

/**
 * What the number is of: a sum, or the largest and whose it is.
 * @param {Panel} panel
 * @param {import('./store.js').Total} found
 * @param {string} model
 */
export function which(panel, { names, present, worst }, model) {
  if (names.length === 0) return '';
  if (names.length === 1) {
    const [only = ''] = names;
    if (only !== ALL) return shortName(only);
    return model && panel.section !== MACHINE ? 'all models' : '';
  }
  if (panel.total === 'max') return `${largest(panel)}: ${shortName(worst)}`;
  const isByModel = names.some((name) => modelOf(panel, name) !== null);
  return isByModel ? `sum of ${names.length} models` : present.map(inWords).join(', ');
}

/** @param {Panel} panel */
export function largest(panel) {
  return panel.unit === 'seconds' ? 'slowest' : 'highest';
}

/**
 * A line from left to right over the range, broken where nothing is known, and the area under it.
 * @param {number[]} times @param {Known[]} values @param {number} rangeS
 * @param {Panel['kind']} kind
 */
function sparkPaths(times, values, rangeS, kind) {
  const end = times.at(-1) ?? 0;
  const known = values.filter((v) => v !== null);
  const top = Math.max(...known, 0) || 1;
  /** @param {number} t */
  const x = (t) => (((t - end + rangeS) / rangeS) * WIDTH).toFixed(1);
  /** @param {number} v */
  const y = (v) => (HEIGHT - PAD - (v / top) * (HEIGHT - 2 * PAD)).toFixed(1);
  let line = '';
  let area = '';
  for (const [first, last] of runs(values)) {
    let path = `${x(times[first] ?? 0)} ${y(values[first] ?? 0)}`;
    // One point alone would have no length, and so not be seen.
    if (first === last) path += 'h1';
    for (let i = first + 1; i <= last; i += 1) {
      const at = x(times[i] ?? 0);
      path += kind === 'stepped' ? `H${at}V${y(values[i] ?? 0)}` : `L${at} ${y(values[i] ?? 0)}`;
    }
    line += `M${path}`;
    area += `M${x(times[first] ?? 0)} ${HEIGHT}L${path}V${HEIGHT}Z`;
  }
  return { line, area };
}

/** Spans without a gap. @param {Known[]} values @returns {[number, number][]} */
function runs(values) {
  /** @type {[number, number][]} */
  const found = [];
  values.forEach((value, i) => {
    const run = found.at(-1);
    if (value === null) return;
    if (run && run[1] === i - 1) run[1] = i;
    else found.push([i, i]);
  });
  return found;
}
