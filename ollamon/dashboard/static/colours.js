// A model keeps its colour on all charts and on all days: it is a hash of its name. Two that share
// one differ by the dashes of their line. Without I/O.

export const SLOTS = 12;
/** @type {number[][]} */
export const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

/** @typedef {{slot: number, dash: number}} Look */

/** FNV-1a. @param {string} name */
export function slotOf(name) {
  let hash = 2166136261;
  for (const letter of name) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16777619);
  return (hash >>> 0) % SLOTS;
}

/** @param {Iterable<string>} names @returns {Map<string, Look>} */
export function looks(names) {
  const taken = new Array(SLOTS).fill(0);
  /** @type {Map<string, Look>} */
  const found = new Map();
  for (const name of [...new Set(names)].sort()) {
    const slot = slotOf(name);
    found.set(name, { slot, dash: taken[slot] % DASHES.length });
    taken[slot] += 1;
  }
  return found;
}
