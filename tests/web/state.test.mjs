import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parse, toSearch } from '../../ollamon/dashboard/static/state.js';

test('a view goes into the URL and comes back', () => {
  for (const range of /** @type {const} */ (['5m', '15m', '1h'])) {
    for (const model of ['', 'qwen3:8b', 'hf.co/a/B:Q4_K_M', '<img src=x onerror=alert(1)>', 'a&b=c d+e']) {
      const view = { range, model };
      assert.deepEqual(parse(toSearch(view)), view);
    }
  }
});

test('what is usual is not written, and a model stays readable', () => {
  assert.equal(toSearch({ range: '15m', model: '' }), '');
  assert.equal(toSearch({ range: '1h', model: 'qwen3:8b' }), '?range=1h&model=qwen3:8b');
});

test('parameters of others stay, ours are replaced', () => {
  const search = '?embed=1&range=5m&model=old';
  assert.equal(toSearch({ range: '1h', model: '' }, search), '?embed=1&range=1h');
});

test('what a URL says wrong is the default', () => {
  for (const search of ['', '?range=', '?range=2y', '?range=toString', '?range=5m5m']) {
    assert.deepEqual(parse(search), { range: '15m', model: '' });
  }
  assert.equal(parse(`?model=${'x'.repeat(5000)}`).model.length, 200);
});
