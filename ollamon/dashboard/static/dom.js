// Small helpers to build the page. Names and texts from outside only ever become text nodes.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * The element with this id. It is in the template, or this is a fault of ours.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`no ${type.name} with id ${id}`);
  return found;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string|boolean|number>} [attributes] `class`, `aria-...`; false leaves out
 * @param {...(Node|string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  setAll(node, attributes);
  node.append(...children);
  return node;
}

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string|number>} [attributes]
 * @param {...Node} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  setAll(node, attributes);
  node.append(...children);
  return node;
}

/** @param {Element} node @param {Record<string, string|boolean|number>} attributes */
function setAll(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) node.setAttribute(name, value === true ? '' : String(value));
  }
}

/** @param {string} name of a symbol in the template */
export function icon(name) {
  return svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: `#i-${name}` }));
}

/** @param {Element} within @param {string} name */
export function setIcon(within, name) {
  within.querySelector('use')?.setAttribute('href', `#i-${name}`);
}

/** Only when it differs: a live region would say it again. @param {Element} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * A line as a series is drawn, for legends.
 * @param {import('./colours.js').Look|null} look  null: the one series of a panel
 * @param {number[]} dash
 */
export function swatch(look, dash) {
  const line = svg('line', { x1: 1, y1: 4, x2: 21, y2: 4, 'stroke-dasharray': dash.join(' ') });
  const box = { class: `swatch ${slotClass(look)}`, viewBox: '0 0 22 8', 'aria-hidden': 'true' };
  return svg('svg', box, line);
}

/** @param {import('./colours.js').Look|null} look */
export function slotClass(look) {
  return look ? `s${look.slot}` : 'sx';
}

/**
 * A command, and a button that copies it.
 * @param {string} command
 */
export function commandLine(command) {
  const say = el('span', { class: 'vh' }, 'Copy the command');
  const button = el('button', { type: 'button', class: 'copy', title: 'Copy' }, icon('copy'), say);
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(command);
    setIcon(button, 'done');
    setTimeout(() => setIcon(button, 'copy'), 1500);
  });
  const line = el('span', { class: 'command' }, el('code', {}, command));
  if (navigator.clipboard) line.append(button);
  return line;
}

/** A term and its value, for a `dl`. @param {string} label */
export function fact(label) {
  const value = el('dd', {}, '\u2013');
  const node = el('div', {}, el('dt', {}, label), value);
  return { node, set: (/** @type {string} */ words) => setText(value, words) };
}
