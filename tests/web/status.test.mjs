import assert from 'node:assert/strict';
import { test } from 'node:test';

import { derive, isCommand } from '../../ollamon/dashboard/static/status.js';

const LIVE = { kind: 'live', level: /** @type {const} */ ('ok'), text: 'Live', hint: '' };
const DOWN = { kind: 'proxy_down', level: /** @type {const} */ ('down'), text: 'Proxy not reachable: gone' };
const usual = { connection: 'live', isBye: false, retryInS: null, ageS: 2, intervalS: 5, said: LIVE };
const seen = (/** @type {object} */ facts) => derive(/** @type {any} */ ({ ...usual, ...facts }));
const plain = (/** @type {string} */ text) => text.replaceAll('\u00a0', ' ');

test('the first fact that holds is the line', () => {
  /** @type {[object, string][]} */
  const cases = [
    [{}, 'live'],
    [{ said: DOWN }, 'proxy_down'],
    [{ said: DOWN, ageS: 21 }, 'stale'],
    [{ said: DOWN, ageS: 21, connection: 'lost' }, 'lost'],
    [{ said: null, ageS: null }, 'connecting'],
    [{ said: null, ageS: null, connection: 'connecting' }, 'connecting'],
    [{ connection: 'connecting' }, 'live'],
  ];
  for (const [facts, kind] of cases) assert.equal(seen(facts).kind, kind);
});

test('a lost connection counts down apart from what is read aloud', () => {
  const line = seen({ connection: 'lost', retryInS: 3.7 });
  assert.equal(line.text, 'Connection lost');
  assert.equal(plain(line.counting), 'again in 4 s');
  assert.equal(line.isStale, true);
  assert.equal(seen({ connection: 'lost', retryInS: null }).counting, 'trying again');
  assert.equal(seen({ connection: 'lost', isBye: true }).text, 'The dashboard was stopped');
});

test('values are old after 15 seconds, or three slow ticks', () => {
  assert.equal(seen({ ageS: 15 }).isStale, false);
  assert.equal(plain(seen({ ageS: 21 }).counting), 'for 21 s');
  assert.equal(seen({ ageS: 40, intervalS: 15 }).isStale, false);
  assert.equal(seen({ ageS: 46, intervalS: 15 }).isStale, true);
});

test('a state that this page does not know yet is shown in the words of the server', () => {
  const said = { kind: 'stalled', level: 'warn', text: '1 request without a token for 40 s' };
  const line = seen({ said });
  assert.equal(line.label, said.text);
  assert.equal(line.hint, '');
  assert.equal(line.level, 'warn');
});

test('only what can be typed into a shell is shown as a command', () => {
  for (const hint of ['ollama serve', 'ollamon up --with-helper',
    'OLLAMA_HOST=localhost:11435 ollama run llama3.2']) {
    assert.equal(isCommand(hint), true);
  }
  for (const hint of ['', 'connection refused', 'Requests are measured.', 'ollama']) {
    assert.equal(isCommand(hint), false);
  }
});
