// The top of the page: how things stand, where the values come from, and what the viewer may choose.

import { DASHES } from './colours.js';
import { byId, el, setIcon, setText, swatch } from './dom.js';
import { clock, duration } from './format.js';
import { moment } from './rows.js';
import { isRange, RANGES } from './state.js';

/** @typedef {import('./status.js').Line} Line */
/** @typedef {import('./state.js').Range} Range */
/** @typedef {import('./colours.js').Look} Look */
/** @typedef {'system'|'light'|'dark'} Theme */

const THEMES = /** @type {Theme[]} */ (['system', 'light', 'dark']);
const THEME_KEY = 'ollamon.theme';
/** @type {Record<string, string>} */
const SOURCES = { prometheus: 'Prometheus', embedded: 'own history' };
/** @type {Record<Line['level'], string>} */
const SIGNS = { ok: '', busy: '', warn: '\u25b2 ', down: '\u2715 ' };

/** @param {Line} line */
export function showStatus(line) {
  const node = byId('status', HTMLParagraphElement);
  const label = node.querySelector('.label');
  const whole = node.querySelector('.whole');
  node.dataset.level = line.level;
  node.dataset.kind = line.kind;
  setIcon(node, line.kind === 'waiting' ? 'info' : line.level);
  if (label) setText(label, line.label);
  if (whole) setText(whole, line.text === line.label ? '' : `: ${line.text}`);
  const counting = byId('counting', HTMLParagraphElement);
  counting.hidden = !line.counting;
  setText(counting, line.counting);
  document.title = `${SIGNS[line.level]}${line.level === 'ok' ? '' : `${line.label} \u00b7 `}ollamon`;
}

/**
 * Where the values come from and when, and how old they are once that matters.
 * @param {{source: string, t: number}|null} tick
 * @param {{isStale: boolean, isPaused: boolean, isPolling: boolean, ageS: number}} how
 */
export function showSource(tick, { isStale, isPaused, isPolling, ageS }) {
  if (!tick) return;
  const words = [SOURCES[tick.source] ?? tick.source];
  if (isPaused) words.push(`paused at ${clock(tick.t)}`);
  else if (isStale) words.push(`values of ${clock(tick.t)}, ${duration(ageS)} old`);
  else words.push(clock(tick.t));
  if (isPolling) words.push('polled');
  setText(byId('source', HTMLParagraphElement), words.join(' \u00b7 '));
}

/** @param {(range: Range) => void} choose */
export function buildRange(choose) {
  const box = byId('range', HTMLFieldSetElement);
  for (const range of RANGES) {
    const input = el('input', { type: 'radio', name: 'range', value: range });
    box.append(el('label', {}, input, el('span', {}, range)));
  }
  box.addEventListener('change', (event) => {
    const value = event.target instanceof HTMLInputElement ? event.target.value : null;
    if (isRange(value)) choose(value);
  });
}

/** No range is checked while a stretch is shown. @param {import('./state.js').View} view */
export function checkRange({ range, stretch }) {
  for (const input of document.querySelectorAll('#range input')) {
    if (input instanceof HTMLInputElement) input.checked = !stretch && input.value === range;
  }
  const button = byId('stretch', HTMLButtonElement);
  button.hidden = !stretch;
  if (!stretch) return;
  const now = Date.now() / 1000;
  const words = `${moment(stretch.from, now)} \u2013 ${moment(stretch.to, now)}`;
  setText(/** @type {Element} */ (button.querySelector('.words')), words);
}

/** @param {() => void} end */
export function onStretchEnd(end) {
  byId('stretch', HTMLButtonElement).addEventListener('click', end);
}

/** @param {(model: string) => void} choose */
export function onModel(choose) {
  const select = byId('model', HTMLSelectElement);
  select.addEventListener('change', () => choose(select.value));
}

/** @param {string[]} names @param {string} chosen */
export function showModels(names, chosen) {
  const select = byId('model', HTMLSelectElement);
  const wanted = chosen && !names.includes(chosen) ? [...names, chosen] : names;
  const present = [...select.options].slice(1).map((option) => option.value);
  if (wanted.join('\n') !== present.join('\n')) {
    const all = el('option', { value: '' }, 'All models');
    select.replaceChildren(all, ...wanted.map((name) => el('option', { value: name }, name)));
  }
  select.value = chosen;
}

/**
 * The shared legend: a model's line on all charts, and a way to see it alone.
 * @param {string[]} names @param {Map<string, Look>} looks @param {string} chosen
 * @param {(model: string) => void} choose
 */
export function showLegend(names, looks, chosen, choose) {
  const box = byId('legend', HTMLDivElement);
  box.hidden = names.length === 0;
  const key = JSON.stringify([names, names.map((name) => looks.get(name))]);
  if (box.dataset.key !== key) {
    box.dataset.key = key;
    box.replaceChildren(...names.map((name) => chip(name, looks.get(name) ?? null)));
    box.onclick = (event) => {
      const button = event.target instanceof Element ? event.target.closest('button') : null;
      const name = button?.dataset.model;
      if (name !== undefined) choose(button?.getAttribute('aria-pressed') === 'true' ? '' : name);
    };
  }
  for (const button of box.querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.dataset.model === chosen));
    button.classList.toggle('dim', chosen !== '' && button.dataset.model !== chosen);
  }
}

/** @param {string} name @param {Look|null} look */
function chip(name, look) {
  const mark = swatch(look, DASHES[look?.dash ?? 0] ?? []);
  const button = el('button', { type: 'button', class: 'chip' }, mark, el('span', {}, name));
  button.dataset.model = name;
  return button;
}

/** @param {boolean} isPaused */
export function showPause(isPaused) {
  const button = byId('pause', HTMLButtonElement);
  button.setAttribute('aria-pressed', String(isPaused));
  button.title = isPaused ? 'Go on (p)' : 'Pause (p)';
  setIcon(button, isPaused ? 'play' : 'pause');
}

/** @returns {Theme} */
function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen === 'light' || chosen === 'dark' ? chosen : 'system';
}

export function showTheme() {
  const button = byId('theme', HTMLButtonElement);
  const now = theme();
  setIcon(button, now);
  button.title = `Theme: ${now} (t)`;
  const words = button.querySelector('.vh');
  if (words) setText(words, `Theme: ${now}`);
}

export function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length] ?? 'system';
  if (next === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(THEME_KEY, next);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
  showTheme();
}
