// Keyboard shortcuts. They rest while something is typed or chosen, and while the help is open.

import { byId } from './dom.js';

/** @param {Record<string, () => void>} actions by key */
export function listen(actions) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (isTyping(event.target) || byId('help', HTMLDialogElement).open) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

export function openHelp() {
  byId('help', HTMLDialogElement).showModal();
}

/** @param {EventTarget|null} target */
function isTyping(target) {
  if (target instanceof HTMLInputElement) return target.type !== 'radio';
  return target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
}
