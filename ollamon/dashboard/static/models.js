// The models in memory: how large, how much of each is on the GPU, and when it leaves.

import { byId, el, fact, setText } from './dom.js';
import { DASH, grouped, text, unloadsIn } from './format.js';

/** @typedef {import('./types.js').Model} Model */
/** @typedef {import('./types.js').Known} Known */

export class LoadedModels {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #list = byId('models', HTMLUListElement);
  #summary = byId('loaded', HTMLParagraphElement);
  #empty = el('li', { class: 'empty' });

  /**
   * @param {Model[]} models @param {string} only  empty: all of them
   * @param {boolean} isKnown  false: Ollama cannot be asked
   */
  show(models, only, isKnown) {
    const shown = models.filter((model) => !only || model.name === only);
    this.#summarise(models);
    const largest = Math.max(...models.map((model) => model.size_bytes ?? 0), 1);
    for (const model of shown) this.#row(model.name).show(model, largest);
    const names = new Set(shown.map((model) => model.name));
    for (const name of this.#rows.keys()) if (!names.has(name)) this.#drop(name);
    this.#arrange(shown, emptyText(models, only, isKnown));
  }

  /** @param {number} now Unix seconds, by the server's clock */
  count(now) {
    for (const row of this.#rows.values()) row.count(now);
  }

  /** @param {string} name */
  #row(name) {
    const row = this.#rows.get(name) ?? new Row(name);
    this.#rows.set(name, row);
    return row;
  }

  /** @param {string} name */
  #drop(name) {
    this.#rows.get(name)?.node.remove();
    this.#rows.delete(name);
  }

  /** @param {Model[]} shown @param {string} otherwise */
  #arrange(shown, otherwise) {
    setText(this.#empty, otherwise);
    const nodes = shown.map((model) => this.#row(model.name).node);
    const wanted = nodes.length ? nodes : [this.#empty];
    const isSame = wanted.length === this.#list.children.length
      && wanted.every((node, i) => this.#list.children[i] === node);
    if (!isSame) this.#list.replaceChildren(...wanted);
  }

  /** @param {Model[]} models */
  #summarise(models) {
    const sizes = models.map((model) => model.size_bytes);
    if (!models.length || sizes.some((size) => size == null)) {
      setText(this.#summary, '');
      return;
    }
    const all = sizes.reduce((/** @type {number} */ sum, size) => sum + (size ?? 0), 0);
    setText(this.#summary, `${models.length} in ${text(all, 'bytes')} of memory`);
  }
}

/** @param {Model[]} models @param {string} only @param {boolean} isKnown */
function emptyText(models, only, isKnown) {
  if (!isKnown) return 'Unknown while Ollama cannot be asked.';
  if (!models.length) return 'None. Ollama loads a model with the first request that names it.';
  return `${only} is not in memory.`;
}

class Row {
  /** @param {string} name */
  constructor(name) {
    this.expires = /** @type {Known} */ (null);
    this.gpu = el('span', { class: 'ongpu' });
    this.cpu = el('span', { class: 'oncpu' });
    this.size = fact('Size');
    this.share = fact('On GPU');
    this.context = fact('Context');
    this.unload = fact('Unloads in');
    this.node = el(
      'li',
      { class: 'model' },
      el('h3', {}, name),
      el('div', { class: 'bar', 'aria-hidden': 'true' }, this.gpu, this.cpu),
      el('dl', {}, ...[this.size, this.share, this.context, this.unload].map((f) => f.node)),
    );
  }

  /** @param {Model} model @param {number} largest bytes of the largest model, a full bar */
  show(model, largest) {
    this.expires = model.expires ?? null;
    this.size.set(text(model.size_bytes, 'bytes'));
    const share = model.offload_ratio ?? null;
    this.share.set(share === null ? DASH : `${Math.round(share * 100)}\u00a0%`);
    this.share.node.classList.toggle('partly', share !== null && share < 0.995);
    this.context.set(grouped(model.context_length));
    const whole = ((model.size_bytes ?? 0) / largest) * 100;
    const onGpu = share === null ? 0 : whole * share;
    // Set through the object model: the page's policy forbids style attributes.
    this.gpu.style.width = `${onGpu}%`;
    this.cpu.style.width = `${whole - onGpu}%`;
  }

  /** @param {number} now */
  count(now) {
    this.unload.set(unloadsIn(this.expires, now));
  }
}
