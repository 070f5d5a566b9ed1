import assert from 'node:assert/strict';
import { test } from 'node:test';

import { columnsFor, matches, merged, moment, query, tone } from '../../ollamon/dashboard/static/rows.js';

/** @param {object} [fields] */
const row = (fields = {}) => ({
  seq: 1, id: 1, ended_at: 0, method: 'POST', endpoint: '/api/chat', model: 'qwen3:8b', status: '200',
  outcome: 'ok', finish: 'stop', client: 'ollama-js', is_stream: true, duration_s: 2.5,
  time_to_first_token_s: 0.25, tokens_per_second: 76.5, prompt_tokens: 12345, generated_tokens: null,
  joules: null, ...fields,
});
const ANY = { model: '', outcome: '', q: '' };
const words = (one) => Object.fromEntries(columnsFor([one]).map(({ name, words: say }) => [name, say(one)]));

test('cells are words, and the unknown is a dash', () => {
  const said = words(row());
  assert.equal(said.ttft, '250\u00a0ms');
  assert.equal(said.prompt, '12\u202f345');
  assert.equal(said.generated, '\u2013');
  assert.equal(words(row({ finish: '', outcome: 'client_abort' })).finish, '\u2013');
  assert.equal(words(row({ outcome: 'client_abort' })).outcome, 'client abort');
});

test('energy has a column where it is known', () => {
  assert.ok(!('energy' in words(row())));
  assert.equal(words(row({ joules: 41.6 })).energy, '42\u00a0J');
  const column = columnsFor([row(), row({ joules: 1 })]).at(-1);
  assert.equal(column.words(row()), '\u2013');
});

test('a filter looks at model and outcome exactly, and for a text everywhere', () => {
  assert.ok(matches(row(), ANY));
  assert.ok(matches(row(), { ...ANY, model: 'qwen3:8b', outcome: 'ok', q: 'CHAT' }));
  assert.ok(matches(row(), { ...ANY, q: 'js' }));
  assert.ok(!matches(row(), { ...ANY, model: 'qwen3' }));
  assert.ok(!matches(row(), { ...ANY, outcome: 'timeout' }));
  assert.ok(!matches(row(), { ...ANY, q: 'chat completions' }));
});

test('rows are merged newest first, each once, and the later word counts', () => {
  const found = merged([row({ seq: 2 }), row({ seq: 1 })], [row({ seq: 3 }), row({ seq: 2, joules: 5 })], 2);
  assert.deepEqual(found.map(({ seq, joules }) => [seq, joules]), [[3, null], [2, 5]]);
});

test('a query leaves out what is empty and escapes the rest', () => {
  assert.equal(query(ANY), '');
  assert.equal(query({ ...ANY, q: 'a&b' }, { limit: '5' }), '?q=a%26b&limit=5');
});

test('a row of another day says the day', () => {
  const noon = new Date(2026, 10, 28, 12, 0, 0).getTime() / 1000;
  assert.equal(moment(noon - 60, noon), '11:59:00');
  assert.equal(moment(noon - 86400 * 2, noon), '26 Nov 12:00:00');
  assert.equal(moment(noon - 3600 * 13, noon), '27 Nov 23:00:00');
});

test('what the client or its owner ended is no failure', () => {
  assert.deepEqual(['ok', 'cancelled', 'client_abort', 'upstream_error'].map(tone), ['ok', 'warn', 'warn', 'down']);
});
