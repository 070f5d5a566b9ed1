// The one tooltip: the time under the cursor, and each series' value there.

import { byId, el, swatch } from './dom.js';
import { clock, text } from './format.js';
import { DASHES } from './colours.js';

/** @typedef {import('./types.js').Known} Known */
/** @typedef {import('./types.js').Unit} Unit */
/** @typedef {{name: string, value: Known, look: import('./colours.js').Look|null}} Entry */

const MOST = 10;
const AWAY = 14;

export class Tooltip {
  #node = byId('tooltip', HTMLDivElement);

  hide() {
    this.#node.hidden = true;
  }

  /**
   * @param {number} t @param {Entry[]} entries @param {Unit} unit
   * @param {{x: number, y: number}} at in the window
   */
  show(t, entries, unit, at) {
    const ranked = [...entries].sort((a, b) => (b.value ?? -1) - (a.value ?? -1));
    const rows = ranked.slice(0, MOST).map((entry) => row(entry, unit));
    if (ranked.length > MOST) rows.push(el('p', { class: 'quiet' }, `and ${ranked.length - MOST} more`));
    this.#node.replaceChildren(el('p', { class: 'time' }, clock(t)), ...rows);
    this.#node.hidden = false;
    this.#place(at);
  }

  /** Beside the cursor, on the side where there is room. @param {{x: number, y: number}} at */
  #place({ x, y }) {
    const { width, height } = this.#node.getBoundingClientRect();
    const isRight = x + AWAY + width < document.documentElement.clientWidth - 8;
    const left = isRight ? x + AWAY : Math.max(8, x - AWAY - width);
    const top = Math.min(Math.max(8, y - height / 2), innerHeight - height - 8);
    this.#node.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}

/** @param {Entry} entry @param {Unit} unit */
function row({ name, value, look }, unit) {
  return el(
    'p',
    { class: 'entry' },
    swatch(look, DASHES[look?.dash ?? 0] ?? []),
    el('span', { class: 'name' }, name),
    el('span', { class: 'v' }, text(value, unit)),
  );
}
