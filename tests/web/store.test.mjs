import assert from 'node:assert/strict';
import { test } from 'node:test';

import { modelOf, Store, totalNow } from '../../ollamon/dashboard/static/store.js';

const panel = (/** @type {object} */ more) =>
  /** @type {any} */ ({ id: 'x', section: 'Latency', promql: 'up', total: 'sum', ...more });
const tick = (/** @type {number} */ t, /** @type {object} */ panels) => /** @type {any} */ ({ t, panels });

/** @param {Record<string, (number|null)[]>} series */
function filled(series, t = [10, 15, 20]) {
  const store = new Store();
  store.replace({ t, step_s: 5, panels: { x: { series } } }, 60);
  return store;
}

test('a tick is a row more, and what is over the range goes', () => {
  const store = filled({ a: [1, 2, 3] });
  assert.equal(store.append(tick(25, { x: { a: 4 } })), true);
  assert.deepEqual(store.columns(panel({}), '').values, [[1, 2, 3, 4]]);
  store.append(tick(30, { x: {} }));
  store.append(tick(80, { x: { a: 9 } }));
  assert.deepEqual(store.t, [15, 20, 25, 30, 35, 80]);
});

test('a tick that is in the history already is no row', () => {
  const store = filled({ a: [1, 2, 3] });
  assert.equal(store.append(tick(20, { x: { a: 3 } })), false);
  assert.equal(store.append(tick(19, { x: { a: 3 } })), false);
  assert.equal(store.t.length, 3);
});

test('missed ticks are a gap, and a new series was unknown before', () => {
  const store = filled({ a: [1, 2, 3] });
  store.append(tick(50, { x: { a: 4, b: 7 } }));
  assert.deepEqual(store.t, [10, 15, 20, 25, 50]);
  const { names, values } = store.columns(panel({}), '');
  assert.deepEqual(names, ['a', 'b']);
  assert.deepEqual(values, [[1, 2, 3, null, 4], [null, null, null, null, 7]]);
});

test('series of one model are one column; a row where nothing is known stays unknown', () => {
  const series = { 'm POST /a 200': [1, null, null], 'm POST /b 200': [2, 5, null], 'n GET /a 200': [9, 9, 9] };
  const sum = filled(series).columns(panel({}), '');
  assert.deepEqual(sum, { names: ['m', 'n'], values: [[3, 5, null], [9, 9, 9]] });
  const worst = filled(series).columns(panel({ total: 'max' }), 'm');
  assert.deepEqual(worst, { names: ['m'], values: [[2, 5, null]] });
});

test('a series without any value is not drawn', () => {
  const store = filled({ a: [null, null, null] });
  assert.deepEqual(store.columns(panel({}), '').names, []);
  assert.equal(store.hasValues('x'), false);
  assert.deepEqual(store.totals(panel({}), ''), [null, null, null]);
});

test('kinds that did not happen are no lines, and nothing at all is one', () => {
  const kinds = panel({ promql: 'sum by (outcome) (x)' });
  const some = filled({ cut: [0, 2, 0], gone: [0, 0, 0] });
  assert.deepEqual(some.columns(kinds, ''), { names: ['cut'], values: [[0, 2, 0]] });
  const none = filled({ cut: [0, 0, null], gone: [0, 0, null] });
  assert.deepEqual(none.columns(kinds, ''), { names: ['all'], values: [[0, 0, null]] });
  assert.deepEqual(totalNow(kinds, { cut: 2, gone: 0 }, '').present, ['cut']);
});

test('the model is the first word, unless the panel is about something else', () => {
  assert.equal(modelOf(panel({}), 'qwen3:8b POST /api/chat'), 'qwen3:8b');
  assert.equal(modelOf(panel({ promql: 'sum by (model, le) (x)' }), 'qwen3:8b'), 'qwen3:8b');
  assert.equal(modelOf(panel({ promql: 'sum by (outcome) (x)' }), 'client_gone'), null);
  assert.equal(modelOf(panel({ section: 'Hardware' }), 'gpu0'), null);
  assert.equal(modelOf(panel({}), 'all'), null);
});

test('a tile says the value, of how many, and whose is the largest', () => {
  const now = { 'a x': 1, 'b x': 4, 'b y': 2, c: null };
  assert.deepEqual(totalNow(panel({}), now, ''), { value: 7, names: ['a', 'b'], present: ['a', 'b'], worst: 'b' });
  assert.deepEqual(totalNow(panel({ total: 'max' }), now, ''), { value: 4, names: ['a', 'b'], present: ['a', 'b'], worst: 'b' });
  assert.equal(totalNow(panel({}), now, 'a').value, 1);
  assert.equal(totalNow(panel({}), now, 'c').value, null);
  assert.equal(totalNow(panel({}), undefined, '').value, null);
  assert.equal(totalNow(panel({}), { all: 0 }, '').value, 0);
});
