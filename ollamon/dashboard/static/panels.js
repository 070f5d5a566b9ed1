// The charts, by section: figures that appear with their first value, and one line for the rest.

import { Chart } from './chart.js';
import { DASHES, looks } from './colours.js';
import { byId, commandLine, el, icon, setText, swatch } from './dom.js';
import { clock, inWords, parts, shortName, text } from './format.js';
import { isCommand } from './status.js';
import { ALL, MACHINE, modelOf } from './store.js';
import { largest } from './tiles.js';

/** @typedef {import('./types.js').Panel} Panel */
/** @typedef {import('./types.js').Tick} Tick */
/** @typedef {import('./types.js').Note} Note */
/** @typedef {import('./types.js').Known} Known */
/** @typedef {import('./store.js').Store} Store */
/** @typedef {import('./colours.js').Look} Look */
/** @typedef {import('./tooltip.js').Tooltip} Tooltip */

/**
 * What the figures draw.
 * @typedef {object} Scene
 * @property {Store} store
 * @property {string} model
 * @property {number} rangeS
 * @property {number|null} end  of a stretch that was chosen, Unix seconds
 * @property {Map<string, Look>} looks  of models
 * @property {boolean} isWaiting  no request has passed yet
 */

const TABLE_ROWS = 60;
const SIGHT_MARGIN = '300px';

/** Section by section, in the order of the panels. */
export class Sections {
  /** @type {Section[]} */
  #sections = [];

  /** @param {Panel[]} panels @param {Tooltip} tooltip */
  constructor(panels, tooltip) {
    const names = [...new Set(panels.map((panel) => panel.section))];
    this.#sections = names.map(
      (name) => new Section(name, panels.filter((panel) => panel.section === name), tooltip),
    );
    byId('sections', HTMLDivElement).replaceChildren(...this.#sections.map((s) => s.node));
  }

  /** @param {Scene} scene */
  draw(scene) {
    for (const section of this.#sections) section.draw(scene);
    const later = this.#sections.filter((section) => section.node.hidden);
    const names = later.map((section) => section.name).join(' \u00b7 ');
    setText(byId('later', HTMLParagraphElement), names && `With the first request: ${names}`);
  }

  /** Anew, in other colours. */
  repaint() {
    for (const section of this.#sections) section.repaint();
  }

  /** Each to its section, the others on top. @param {Note[]} notes */
  note(notes) {
    for (const section of this.#sections) {
      section.note(notes.filter((note) => sectionOf(note) === section.name));
    }
    const names = this.#sections.map((section) => section.name);
    const rest = notes.filter((note) => !names.includes(sectionOf(note)));
    fillNotes(byId('notes', HTMLDivElement), rest);
  }
}

/** @param {Note} note */
function sectionOf({ kind }) {
  return kind.startsWith('helper_') || kind === 'no_gpu' ? MACHINE : '';
}

/** @param {HTMLElement} box @param {Note[]} notes */
function fillNotes(box, notes) {
  const key = JSON.stringify(notes);
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren(...notes.map(noteLine));
}

/** @param {Note} note */
function noteLine({ text: words, hint }) {
  const line = el('p', { class: 'note' }, icon('info'), el('span', {}, words));
  if (hint) line.append(isCommand(hint) ? commandLine(hint) : el('span', { class: 'quiet' }, hint));
  return line;
}

class Section {
  /** @type {Map<string, Figure>} */
  #figures = new Map();
  #grid = el('div', { class: 'figures' });
  #absent = el('p', { class: 'absent quiet' });
  #notes = el('div', { class: 'notes' });
  #tooltip;

  /** @param {string} name @param {Panel[]} panels @param {Tooltip} tooltip */
  constructor(name, panels, tooltip) {
    this.name = name;
    this.panels = panels;
    this.#tooltip = tooltip;
    const id = `section-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
    const heading = el('h2', { id }, name);
    this.node = el(
      'section',
      { class: 'charts', 'aria-labelledby': id },
      heading, this.#notes, this.#grid, this.#absent,
    );
  }

  /** @param {Scene} scene */
  draw(scene) {
    for (const panel of this.panels) {
      if (!this.#figures.has(panel.id) && scene.store.hasValues(panel.id)) this.#add(panel);
    }
    // The banner says what is awaited; not every section needs to say it again.
    this.node.hidden = scene.isWaiting && !this.#figures.size && this.name !== MACHINE;
    setText(this.#absent, this.#absentText());
    for (const figure of this.#figures.values()) figure.draw(scene);
  }

  repaint() {
    for (const figure of this.#figures.values()) figure.repaint();
  }

  /** @param {Note[]} notes */
  note(notes) {
    fillNotes(this.#notes, notes);
  }

  /** Keeps the panels' order. @param {Panel} panel */
  #add(panel) {
    const figure = new Figure(panel, this.#tooltip);
    this.#figures.set(panel.id, figure);
    const shown = this.panels.flatMap(({ id }) => this.#figures.get(id)?.node ?? []);
    this.#grid.insertBefore(figure.node, shown[shown.indexOf(figure.node) + 1] ?? null);
  }

  /** One line in place of empty charts. */
  #absentText() {
    const absent = this.panels.filter((panel) => !this.#figures.has(panel.id));
    if (!absent.length) return '';
    if (this.#figures.size) return `No values for ${list(absent.map((panel) => panel.title))}.`;
    return this.name === MACHINE ? 'Nothing that can be read yet.' : 'No values in this range yet.';
  }
}

/** Titles may have commas of their own. @param {string[]} words */
function list(words) {
  return words.map((word) => word.replace(/, (.*)$/, ' ($1)')).join(', ');
}

class Figure {
  /** @type {Scene|null} */
  #scene = null;
  /** @type {{names: string[], values: Known[][]}} */
  #columns = { names: [], values: [] };
  /** @type {Known[]} */
  #totals = [];
  /** @type {Map<string, Look>} */
  #looks = new Map();
  #chart;
  /** Under the cursor, whichever chart the pointer is on. @type {number|null} */
  #row = null;
  #pointer = { isOver: false, x: 0, y: 0 };
  #isInSight = true;
  #isPainted = false;
  #tooltip;

  /** @param {Panel} panel @param {Tooltip} tooltip */
  constructor(panel, tooltip) {
    this.panel = panel;
    this.#tooltip = tooltip;
    this.how = el('span', { class: 'how' });
    this.number = el('span', { class: 'number' });
    this.unit = el('span', { class: 'unit' });
    this.plot = el('div', { class: 'plot' });
    this.empty = el('p', { class: 'plot-empty quiet', hidden: true }, 'No values in this range');
    this.table = el('div', { class: 'tablebox', hidden: true, tabindex: '0', role: 'region' });
    this.table.setAttribute('aria-label', `${panel.title} as a table`);
    this.keys = el('ul', { class: 'keys', hidden: true });
    this.about = about(panel);
    this.node = this.#build();
    this.#chart = new Chart(this.plot, panel, (row) => this.#onCursor(row));
    new ResizeObserver(() => this.#chart.fit()).observe(this.plot);
    new IntersectionObserver((seen) => this.#onSight(seen.at(-1)?.isIntersecting ?? true), {
      rootMargin: SIGHT_MARGIN,
    }).observe(this.node);
    this.#followPointer();
  }

  #build() {
    const { id, title } = this.panel;
    const info = toggle('info', `About: ${title}`, this.about, () => {});
    const asTable = toggle('table', `Show as table: ${title}`, this.table, (isOpen) => {
      this.plot.hidden = isOpen;
      this.#fillTable();
    });
    const readout = el('p', { class: 'readout' }, this.how, ' ', this.number, ' ', this.unit);
    const heading = el('h3', { id: `title-${id}` }, title);
    const caption = el('figcaption', {}, heading, readout, el('span', { class: 'tools' }, info, asTable));
    return el(
      'figure',
      { id: `panel-${id}`, class: 'card', 'aria-labelledby': heading.id },
      caption, this.about, this.plot, this.empty, this.table, this.keys,
    );
  }

  get isTable() {
    return this.table.hidden === false;
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { store, model } = scene;
    this.#scene = scene;
    this.#columns = store.columns(this.panel, model);
    this.#totals = store.totals(this.panel, model);
    const { names } = this.#columns;
    const isByModel = names.some((name) => modelOf(this.panel, name) !== null);
    this.#looks = isByModel ? scene.looks : looks(names.filter((name) => name !== ALL));
    this.empty.hidden = names.length > 0 || this.isTable;
    this.plot.classList.toggle('blank', names.length === 0);
    if (this.#isInSight || !this.#isPainted) this.#paint();
    this.#fillKeys(isByModel ? [] : names.filter((name) => name !== ALL));
    this.#read();
    if (this.isTable) this.#fillTable();
  }

  /** What is scrolled away is drawn once, and then when it comes near. */
  #paint() {
    const { names, values } = this.#columns;
    const series = names.map((name) => ({ name, look: this.#looks.get(name) ?? null }));
    const { store, rangeS, end } = /** @type {Scene} */ (this.#scene);
    this.#chart.draw(store.t, series, values, rangeS, end);
    this.#isPainted = true;
  }

  /** @param {boolean} isInSight */
  #onSight(isInSight) {
    const isNew = isInSight && !this.#isInSight;
    this.#isInSight = isInSight;
    if (isNew && this.#scene) this.#paint();
  }

  repaint() {
    this.#chart.destroy();
    this.#isPainted = false;
    if (this.#scene) this.draw(this.#scene);
  }

  /** What the caption says: the value now, or under the cursor. */
  #read() {
    const row = this.#row;
    const count = this.#columns.names.length;
    const value = row === null ? this.#totals.at(-1) : this.#totals[row];
    const { number, unit } = parts(value, this.panel.unit);
    setText(this.how, count > 1 ? (this.panel.total === 'sum' ? 'sum' : largest(this.panel)) : '');
    setText(this.number, number);
    setText(this.unit, unit);
  }

  /** @param {number|null} row */
  #onCursor(row) {
    const t = row === null ? undefined : this.#scene?.store.t[row];
    this.#row = row;
    this.#read();
    if (!this.#pointer.isOver) return;
    if (row === null || t === undefined) {
      this.#tooltip.hide();
      return;
    }
    const entries = this.#columns.names.map((name, i) => ({
      name: this.#nameOf(name),
      value: this.#columns.values[i]?.[row] ?? null,
      look: this.#looks.get(name) ?? null,
    }));
    if (entries.length) this.#tooltip.show(t, entries, this.panel.unit, this.#pointer);
  }

  /** @param {string} name */
  #nameOf(name) {
    if (name !== ALL) return modelOf(this.panel, name) === null ? inWords(name) : shortName(name);
    return this.panel.section === MACHINE ? 'this machine' : 'all models';
  }

  #followPointer() {
    // In the capture phase, so that the place is known before uPlot moves the cursor.
    this.plot.addEventListener('pointermove', ({ clientX, clientY }) => {
      this.#pointer = { isOver: true, x: clientX, y: clientY };
    }, { capture: true });
    this.plot.addEventListener('pointerleave', () => {
      this.#pointer.isOver = false;
      this.#tooltip.hide();
    });
  }

  /** The colours of what is no model stand below its chart. @param {string[]} names */
  #fillKeys(names) {
    const key = names.join('\n');
    if (this.keys.dataset.key === key) return;
    this.keys.dataset.key = key;
    this.keys.hidden = names.length < 1;
    this.keys.replaceChildren(...names.map((name) => {
      const look = this.#looks.get(name) ?? null;
      return el('li', {}, swatch(look, DASHES[look?.dash ?? 0] ?? []), inWords(name));
    }));
  }

  #fillTable() {
    const t = this.#scene?.store.t ?? [];
    const { names, values } = this.#columns;
    this.empty.hidden = names.length > 0 || this.isTable;
    if (!this.isTable) return;
    const step = Math.max(1, Math.ceil(t.length / TABLE_ROWS));
    const rows = [];
    for (let i = t.length - 1; i >= 0; i -= step) {
      const cells = values.map((column) => el('td', {}, text(column[i], this.panel.unit)));
      rows.push(el('tr', {}, el('th', { scope: 'row' }, clock(t[i] ?? 0)), ...cells));
    }
    const heads = ['Time', ...names.map((name) => this.#nameOf(name))];
    const head = el('tr', {}, ...heads.map((word) => el('th', { scope: 'col' }, word)));
    this.table.replaceChildren(el('table', {}, el('thead', {}, head), el('tbody', {}, ...rows)));
  }
}

/** What the panel means, and its query. @param {Panel} panel */
function about({ id, help, promql }) {
  return el(
    'div',
    { id: `about-${id}`, class: 'about', hidden: true },
    el('p', {}, help),
    el('p', { class: 'quiet' }, 'As PromQL'),
    commandLine(promql),
  );
}

/**
 * A button that shows and hides a part of the figure.
 * @param {string} symbol @param {string} label @param {HTMLElement} part
 * @param {(isOpen: boolean) => void} then
 */
function toggle(symbol, label, part, then) {
  const [word = ''] = label.split(': ', 1);
  const button = el('button', { type: 'button', class: 'tool', title: word }, icon(symbol));
  button.setAttribute('aria-label', label);
  button.setAttribute('aria-expanded', 'false');
  if (part.id) button.setAttribute('aria-controls', part.id);
  /** @param {boolean} isOpen */
  const set = (isOpen) => {
    part.hidden = !isOpen;
    button.setAttribute('aria-expanded', String(isOpen));
    then(isOpen);
  };
  button.addEventListener('click', () => set(part.hidden !== false));
  part.addEventListener('keydown', (event) => { if (event.key === 'Escape') set(false); });
  button.addEventListener('keydown', (event) => { if (event.key === 'Escape') set(false); });
  return button;
}
