// One banner for what needs the viewer: what is wrong, and what to do about it.

import { byId, commandLine, el, icon, setText } from './dom.js';
import { advice, isCommand } from './status.js';

/** @typedef {import('./status.js').Line} Line */

const QUIET = new Set(['live', 'connecting']);

export class Banner {
  #node = byId('banner', HTMLDivElement);
  #counting = el('span', { class: 'counting' });
  #key = '';

  /** @param {Line} line */
  show(line) {
    this.#node.hidden = QUIET.has(line.kind);
    const key = [line.kind, line.level, line.text, line.hint].join('\n');
    setText(this.#counting, line.counting ? `, ${line.counting}` : '');
    if (key === this.#key) return;
    this.#key = key;
    this.#node.dataset.level = line.level;
    this.#node.dataset.kind = line.kind;
    this.#node.replaceChildren(...this.#content(line));
  }

  /** @param {Line} line */
  #content({ kind, level, text, hint }) {
    const title = el('p', { class: 'title' }, text, this.#counting);
    const words = advice(kind);
    const body = el('div', {}, title);
    if (words) body.append(el('p', {}, words));
    if (hint) body.append(isCommand(hint) ? commandLine(hint) : el('p', { class: 'quiet' }, hint));
    return [icon(level === 'ok' ? 'info' : level), body];
  }
}
