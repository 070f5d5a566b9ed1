// Requests in flight: who asks, what each waits for, what came so far, and a way to end it.

import { byId, el, fact, setText } from './dom.js';
import { DASH, duration, grouped, inWords, text } from './format.js';

/** @typedef {import('./types.js').RunningRequest} RunningRequest */

const ARMED_MS = 4000;
const CANCEL_TIMEOUT_MS = 5000;

export class Running {
  /** @type {Map<number, Row>} */
  #rows = new Map();
  #list = byId('flight', HTMLUListElement);
  #count = byId('flight-count', HTMLParagraphElement);
  #empty = el('li', { class: 'empty' }, 'None at the moment.');
  #model = '';
  /** @type {RunningRequest[]} */
  #all = [];

  /** @param {string} model  empty: all of them */
  chooseModel(model) {
    this.#model = model;
    this.show(this.#all);
  }

  /** @param {RunningRequest[]} running oldest first */
  show(running) {
    this.#all = running;
    const shown = running.filter((one) => !this.#model || one.model === this.#model);
    const rows = shown.map((one) => {
      const row = this.#rows.get(one.id) ?? new Row(one);
      row.show(one);
      return row;
    });
    this.#rows = new Map(rows.map((row) => [row.id, row]));
    const nodes = rows.length ? rows.map((row) => row.node) : [this.#empty];
    const isSame = nodes.length === this.#list.children.length
      && nodes.every((node, i) => this.#list.children[i] === node);
    if (!isSame) this.#list.replaceChildren(...nodes);
    setText(this.#count, running.length ? String(running.length) : '');
  }

  /** A second passed. */
  count() {
    for (const row of this.#rows.values()) row.count();
  }
}

class Row {
  #ageS = 0;
  #toldAt = 0;
  #armTimer = 0;

  /** @param {RunningRequest} one */
  constructor(one) {
    this.id = one.id;
    this.phase = el('span', { class: 'phase' });
    this.facts = {
      client: fact('Client'), tokens: fact('Tokens'), speed: fact('Speed'), age: fact('Age'),
    };
    this.said = el('span', { class: 'said', role: 'alert' });
    this.button = el('button', { type: 'button', class: 'plain cancel' }, 'Cancel');
    this.button.setAttribute('aria-label', `Cancel the request for ${one.model}`);
    this.button.addEventListener('click', () => void this.#press());
    this.name = el('h3', {}, one.model);
    this.node = el(
      'li', { class: 'run' },
      el('div', { class: 'who' }, this.name, this.phase, this.said),
      el('dl', {}, ...Object.values(this.facts).map(({ node }) => node)),
      this.button,
    );
  }

  /** @param {RunningRequest} one */
  show(one) {
    this.#ageS = one.age_s;
    this.#toldAt = performance.now();
    setText(this.name, one.model);
    setText(this.phase, inWords(one.phase));
    this.phase.dataset.phase = one.phase;
    this.phase.title = `${one.method} ${one.endpoint}`;
    this.facts.client.set(inWords(one.client));
    this.facts.tokens.set(one.chunks ? grouped(one.chunks) : DASH);
    this.facts.speed.set(text(one.chunks_per_second, 'tokens_per_second'));
    this.count();
  }

  count() {
    this.facts.age.set(duration(this.#ageS + (performance.now() - this.#toldAt) / 1000));
  }

  /** Once asks, twice does it: what is lost may have taken minutes. */
  async #press() {
    if (!this.button.hasAttribute('data-armed')) {
      this.#arm(true);
      this.#armTimer = setTimeout(() => this.#arm(false), ARMED_MS);
      return;
    }
    clearTimeout(this.#armTimer);
    this.button.disabled = true;
    const reason = await cancel(this.id);
    if (!reason) return;
    setText(this.said, reason);
    this.button.disabled = false;
    this.#arm(false);
  }

  /** @param {boolean} isArmed */
  #arm(isArmed) {
    this.button.toggleAttribute('data-armed', isArmed);
    setText(this.button, isArmed ? 'Really?' : 'Cancel');
    const words = `Cancel the request for ${this.name.textContent}`;
    this.button.setAttribute('aria-label', isArmed ? `Really? ${words}` : words);
  }
}

/** Say why it was not cancelled; "" when it was. @param {number} id */
async function cancel(id) {
  const token = document.querySelector('meta[name="ollamon-token"]')?.getAttribute('content') ?? '';
  try {
    const answer = await fetch(`/api/requests/${id}/cancel`, {
      method: 'POST',
      headers: { 'X-Ollamon-Token': token },
      signal: AbortSignal.timeout(CANCEL_TIMEOUT_MS),
    });
    if (answer.ok) return '';
    const told = await answer.json().catch(() => ({}));
    return answer.status === 404 ? 'It is over already.' : `Not cancelled: ${told.error ?? answer.status}`;
  } catch {
    return 'Not cancelled: the dashboard does not answer.';
  }
}
