// The values of the shown range: a history as it was fetched, and the ticks since. Without I/O.

/** @typedef {import('./types.js').History} History */
/** @typedef {import('./types.js').Panel} Panel */
/** @typedef {import('./types.js').Tick} Tick */
/** @typedef {import('./types.js').Known} Known */

export const ALL = 'all';
/** The section whose panels are about the machine, not about models. */
export const MACHINE = 'Hardware';
// So many missing ticks are a gap that the line must not bridge.
const GAP_TICKS = 2.5;

/**
 * Columns of one panel, ready to be drawn.
 * @typedef {object} Columns
 * @property {string[]} names
 * @property {Known[][]} values  one column for each name
 */

/** @typedef {{value: Known, names: string[], present: string[], worst: string}} Total */

export class Store {
  /** @type {number[]} */
  t = [];
  /** @type {Map<string, Map<string, Known[]>>} */
  #panels = new Map();
  #stepS = 5;
  #rangeS = 900;

  /** @param {History} history @param {number} rangeS */
  replace(history, rangeS) {
    this.t = [...history.t];
    this.#stepS = history.step_s || 5;
    this.#rangeS = rangeS;
    this.#panels.clear();
    for (const [id, { series }] of Object.entries(history.panels)) {
      this.#panels.set(id, new Map(Object.entries(series).map(([name, v]) => [name, [...v]])));
    }
  }

  /** Add a tick. @param {Tick} tick @returns {boolean} false when it is not newer */
  append(tick) {
    const last = this.t.at(-1) ?? -Infinity;
    if (tick.t - last < this.#stepS / 2) return false;
    if (Number.isFinite(last) && tick.t - last > GAP_TICKS * this.#stepS) {
      this.#push(last + this.#stepS, {});
    }
    this.#push(tick.t, tick.panels);
    this.#forget(tick.t - this.#rangeS - this.#stepS);
    return true;
  }

  /** @param {number} t @param {Tick['panels']} panels */
  #push(t, panels) {
    for (const [id, now] of Object.entries(panels)) {
      for (const name of Object.keys(now)) this.#column(id, name);
    }
    this.t.push(t);
    for (const [id, series] of this.#panels) {
      for (const [name, column] of series) column.push(panels[id]?.[name] ?? null);
    }
  }

  /** Make sure that it exists, as long as the others. @param {string} id @param {string} name */
  #column(id, name) {
    const series = this.#panels.get(id) ?? new Map();
    this.#panels.set(id, series);
    if (!series.has(name)) series.set(name, new Array(this.t.length).fill(null));
  }

  /** @param {number} before */
  #forget(before) {
    const gone = this.t.findIndex((t) => t >= before);
    if (gone <= 0) return;
    this.t.splice(0, gone);
    for (const series of this.#panels.values()) {
      for (const column of series.values()) column.splice(0, gone);
    }
  }

  /** @param {string} id */
  hasValues(id) {
    const series = this.#panels.get(id);
    if (!series) return false;
    return [...series.values()].some((column) => column.some((v) => v !== null));
  }

  /** Models that have a value in the range. @param {Panel[]} panels @returns {Set<string>} */
  models(panels) {
    /** @type {Set<string>} */
    const found = new Set();
    for (const panel of panels) {
      for (const name of this.#panels.get(panel.id)?.keys() ?? []) {
        const model = modelOf(panel, name);
        if (model) found.add(model);
      }
    }
    return found;
  }

  /**
   * One column for each model, or for each series of a panel that is not split by model.
   * @param {Panel} panel
   * @param {string} model  empty: all of them
   * @returns {Columns}
   */
  columns(panel, model) {
    const series = this.#panels.get(panel.id) ?? new Map();
    /** @type {Map<string, Known[][]>} */
    const groups = new Map();
    for (const name of [...series.keys()].sort()) {
      const key = modelOf(panel, name) ?? name;
      if (!isShown(panel, name, model) || !hasKnown(series.get(name))) continue;
      groups.set(key, [...(groups.get(key) ?? []), series.get(name)]);
    }
    const names = [...groups.keys()];
    const values = names.map((name) => combined(groups.get(name) ?? [], panel.total));
    return withoutZeros(panel, { names, values });
  }

  /**
   * All that is shown as one column, for a tile.
   * @param {Panel} panel @param {string} model
   */
  totals(panel, model) {
    const { values } = this.columns(panel, model);
    return values.length ? combined(values, panel.total) : this.t.map(() => null);
  }
}

/**
 * The model that a series is about. A series is named by its label values, the model first, so a
 * panel that is grouped by something else, or is about the machine, has none.
 * @param {Panel} panel @param {string} name
 * @returns {string|null}
 */
export function modelOf(panel, name) {
  if (name === ALL || panel.section === MACHINE) return null;
  const by = /\bby \(([^)]*)\)/.exec(panel.promql)?.[1]?.split(/,\s*/);
  if (by && !by.includes('model')) return null;
  const isOnlyModel = by?.every((label) => label === 'model' || label === 'le') ?? false;
  return isOnlyModel ? name : (name.split(' ', 1)[0] ?? null);
}

/** @param {Panel} panel @param {string} name @param {string} model */
export function isShown(panel, name, model) {
  const own = modelOf(panel, name);
  return !model || own === null || own === model;
}

/**
 * What a tile shows now: the value, of which series, which of them are not 0, and which is largest.
 * @param {Panel} panel
 * @param {Record<string, Known>|undefined} now
 * @param {string} model
 * @returns {Total}
 */
export function totalNow(panel, now, model) {
  const groups = new Map();
  for (const [name, value] of Object.entries(now ?? {})) {
    if (value === null || !isShown(panel, name, model)) continue;
    const key = modelOf(panel, name) ?? name;
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  const names = [...groups.keys()].sort();
  const values = names.map((name) => total(groups.get(name), panel.total));
  const value = values.length ? total(values, panel.total) : null;
  const worst = names[values.indexOf(Math.max(...values))] ?? '';
  return { value, names, worst, present: names.filter((_, i) => values[i] !== 0) };
}

/**
 * Kinds of things, as of errors, that did not happen in the range are no lines of their own.
 * @param {Panel} panel @param {Columns} columns
 * @returns {Columns}
 */
function withoutZeros(panel, { names, values }) {
  const areKinds = panel.total === 'sum' && names.length > 1;
  if (!areKinds || names.some((name) => modelOf(panel, name) !== null)) return { names, values };
  const kept = values.flatMap((column, i) => (column.some((v) => v) ? [i] : []));
  if (!kept.length) return { names: [ALL], values: [combined(values, panel.total)] };
  return { names: kept.map((i) => names[i] ?? ''), values: kept.map((i) => values[i] ?? []) };
}

/** @param {number[]} values @param {'sum'|'max'} how */
function total(values, how) {
  return how === 'sum' ? values.reduce((a, b) => a + b, 0) : Math.max(...values);
}

/** @param {Known[]|undefined} column */
function hasKnown(column) {
  return column?.some((value) => value !== null) ?? false;
}

/**
 * Row by row; a row where nothing is known stays unknown.
 * @param {Known[][]} columns @param {'sum'|'max'} how
 * @returns {Known[]}
 */
function combined(columns, how) {
  const [first, ...rest] = columns;
  if (!first) return [];
  if (!rest.length) return first;
  return first.map((_, row) => {
    const known = columns.map((column) => column[row]).filter((v) => v != null);
    return known.length ? total(/** @type {number[]} */ (known), how) : null;
  });
}
