import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parse, toSearch } from '../../ollamon/dashboard/static/state.js';

test('a view goes into the URL and comes back', () => {
  for (const range of /** @type {const} */ (['5m', '15m', '1h'])) {
    for (const model of ['', 'qwen3:8b', 'hf.co/a/B:Q4_K_M', '<img src=x onerror=alert(1)>', 'a&b=c d+e']) {
      const view = { range, model, stretch: null };
      assert.deepEqual(parse(toSearch(view)), view);
    }
  }
});

test('what is usual is not written, and a model stays readable', () => {
  assert.equal(toSearch({ range: '15m', model: '', stretch: null }), '');
  assert.equal(toSearch({ range: '1h', model: 'qwen3:8b', stretch: null }), '?range=1h&model=qwen3:8b');
});

test('parameters of others stay, ours are replaced', () => {
  const search = '?embed=1&range=5m&model=old';
  assert.equal(toSearch({ range: '1h', model: '', stretch: null }, search), '?embed=1&range=1h');
});

test('what a URL says wrong is the default', () => {
  for (const search of ['', '?range=', '?range=2y', '?range=toString', '?range=5m5m']) {
    assert.deepEqual(parse(search), { range: '15m', model: '', stretch: null });
  }
  assert.equal(parse(`?model=${'x'.repeat(5000)}`).model.length, 200);
});

test('a stretch goes into the URL and comes back, beside the range that it hides', () => {
  const view = { range: /** @type {const} */ ('1h'), model: '', stretch: { from: 1795451000, to: 1795451060 } };
  assert.equal(toSearch(view), '?range=1h&from=1795451000&to=1795451060');
  assert.deepEqual(parse(toSearch(view)), view);
  assert.equal(toSearch({ ...view, stretch: null }, toSearch(view)), '?range=1h');
});

test('a stretch that cannot be shown is none', () => {
  for (const search of ['?from=5', '?from=a&to=b', '?from=100&to=109', '?from=200&to=100', '?from=1&to=1e12', '?from=NaN&to=Infinity']) {
    assert.equal(parse(search).stretch, null, search);
  }
  assert.deepEqual(parse('?from=100.4&to=199.6').stretch, { from: 100, to: 200 });
});
