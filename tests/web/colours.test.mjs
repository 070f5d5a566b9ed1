import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DASHES, looks, SLOTS, slotOf } from '../../ollamon/dashboard/static/colours.js';

test('a colour depends on the name alone', () => {
  for (const name of ['qwen3:8b', 'llama3.2:3b', '', '\u{1f999}']) {
    assert.equal(looks(['a', name, 'z']).get(name)?.slot, slotOf(name));
    assert.ok(slotOf(name) >= 0 && slotOf(name) < SLOTS);
  }
});

test('two names of one colour differ by their dashes', () => {
  const names = Array.from({ length: SLOTS * DASHES.length }, (_, i) => `model-${i}`);
  const same = names.filter((name) => slotOf(name) === slotOf('model-0')).slice(0, DASHES.length);
  assert.ok(same.length > 1);
  const dashes = same.map((name) => looks(same).get(name)?.dash);
  assert.equal(new Set(dashes).size, same.length);
  assert.deepEqual(looks(same.toReversed?.() ?? [...same].reverse()), looks(same));
});
