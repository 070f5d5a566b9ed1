// The table of requests that ended: found, filtered, exported, and longer with each that ends.

import { byId, el, setText } from './dom.js';
import { getJson } from './link.js';
import { columnsFor, matches, merged, moment, query, SHOWN, tone } from './rows.js';

/** @typedef {import('./types.js').RequestRow} RequestRow */

const TYPING_MS = 250;
const NUMBERS = new Set(['ttft', 'speed', 'prompt', 'generated', 'took', 'energy']);
const EXPORTED = '500';

export class Requests {
  #filter = { model: '', outcome: '', q: '' };
  /** @type {RequestRow[]} */
  #rows = [];
  #most = SHOWN;
  #hasMore = false;
  /** @type {AbortController|null} */
  #loading = null;
  #timer = 0;
  #text = byId('find-text', HTMLInputElement);
  #outcome = byId('find-outcome', HTMLSelectElement);
  #older = byId('older', HTMLButtonElement);
  #table = byId('recent', HTMLTableElement);
  #empty = byId('recent-empty', HTMLParagraphElement);
  #serverNow;

  /** @param {() => number} serverNow Unix seconds */
  constructor(serverNow) {
    this.#serverNow = serverNow;
    this.#text.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#choose({ q: this.#text.value.trim() }), TYPING_MS);
    });
    this.#outcome.addEventListener('change', () => this.#choose({ outcome: this.#outcome.value }));
    this.#older.addEventListener('click', () => void this.#loadOlder());
    byId('find', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
    this.#showExports();
  }

  focus() {
    this.#text.focus();
    this.#text.select();
  }

  /** @param {string} model  empty: all of them */
  chooseModel(model) {
    if (model !== this.#filter.model) this.#choose({ model });
  }

  /** @param {Partial<import('./rows.js').Filter>} change */
  #choose(change) {
    this.#filter = { ...this.#filter, ...change };
    this.#most = SHOWN;
    this.#showExports();
    void this.load();
  }

  /** What the server has, anew. @returns {Promise<import('./types.js').RunningRequest[]|null>} */
  async load() {
    this.#loading?.abort();
    const mine = (this.#loading = new AbortController());
    try {
      const limit = String(SHOWN);
      const found = await getJson(`/api/requests${query(this.#filter, { limit })}`, mine.signal);
      this.#hasMore = found.next !== null;
      this.#show(found.requests);
      return found.in_flight;
    } catch {
      // The link says what is wrong, and whoever comes back asks again.
      return null;
    }
  }

  async #loadOlder() {
    const last = this.#rows.at(-1);
    if (!last) return;
    const more = { limit: String(SHOWN), before: String(last.seq) };
    const found = await getJson(`/api/requests${query(this.#filter, more)}`).catch(() => null);
    if (!found) return;
    this.#hasMore = found.next !== null;
    this.#most += SHOWN;
    this.#show(merged(this.#rows, found.requests, this.#most));
  }

  /** Requests that ended just now. @param {RequestRow[]} fresh */
  add(fresh) {
    const ours = fresh.filter((row) => matches(row, this.#filter));
    if (!ours.length) return;
    this.#hasMore ||= this.#rows.length + ours.length > this.#most;
    this.#show(merged(this.#rows, ours, this.#most));
  }

  #showExports() {
    const files = /** @type {const} */ (['csv', 'json']);
    for (const format of files) {
      const link = byId(`export-${format}`, HTMLAnchorElement);
      link.href = `/api/requests${query(this.#filter, { format, limit: EXPORTED })}`;
    }
  }

  /** @param {RequestRow[]} rows */
  #show(rows) {
    this.#rows = rows;
    const columns = columnsFor(rows);
    const now = this.#serverNow();
    const titles = ['Ended', ...columns.map((column) => column.title)];
    const heads = titles.map((title, i) => {
      const isNumber = NUMBERS.has(columns[i - 1]?.name ?? '');
      return el('th', { scope: 'col', class: isNumber && 'n' }, title);
    });
    const lines = rows.map((row) => line(row, columns, now));
    this.#table.replaceChildren(el('thead', {}, el('tr', {}, ...heads)), el('tbody', {}, ...lines));
    byId('recent-box', HTMLDivElement).hidden = rows.length === 0;
    this.#empty.hidden = rows.length > 0;
    setText(this.#empty, this.#emptyText());
    this.#older.hidden = !this.#hasMore;
  }

  #emptyText() {
    const isFiltered = Object.values(this.#filter).some(Boolean);
    return isFiltered ? 'No request that is kept fits.' : 'None yet. Each request stands here when it ended.';
  }
}

/** @param {RequestRow} row @param {import('./rows.js').Column[]} columns @param {number} now */
function line(row, columns, now) {
  const cells = columns.map(({ name, words }) => {
    const cell = el('td', { class: NUMBERS.has(name) && 'n' }, words(row));
    if (name === 'outcome') {
      cell.dataset.tone = tone(row.outcome);
      cell.title = `Status ${row.status}`;
    }
    return cell;
  });
  return el('tr', {}, el('th', { scope: 'row' }, moment(row.ended_at, now)), ...cells);
}
