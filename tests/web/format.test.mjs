import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as format from '../../ollamon/dashboard/static/format.js';

const plain = (/** @type {string} */ text) => text.replaceAll(/[\u00a0\u202f]/g, ' ');
const written = (/** @type {any} */ value, /** @type {any} */ unit) => plain(format.text(value, unit));

test('what is not known is a dash, never 0', () => {
  for (const unknown of [null, undefined, NaN, Infinity]) {
    assert.equal(format.text(unknown, 'seconds'), format.DASH);
    assert.equal(format.parts(unknown, 'count').unit, '');
  }
  assert.equal(format.grouped(null), format.DASH);
  assert.equal(format.unloadsIn(null, 0), format.DASH);
  assert.equal(written(0, 'seconds'), '0 s');
});

test('every unit is written so that it can be read', () => {
  const cases = [
    [0.0042, 'seconds', '4.2 ms'],
    [0.4123, 'seconds', '412 ms'],
    [0.9996, 'seconds', '1.00 s'],
    [2.314, 'seconds', '2.31 s'],
    [12.44, 'seconds', '12.4 s'],
    [119.6, 'seconds', '120 s'],
    [150, 'seconds', '2.5 min'],
    [9000, 'seconds', '2.5 h'],
    [999, 'bytes', '999 B'],
    [999_700, 'bytes', '1.00 MB'],
    [5.2e9, 'bytes', '5.20 GB'],
    [512, 'megabytes', '512 MiB'],
    [24_576, 'megabytes', '24.0 GiB'],
    [4.25, 'percent', '4.3 %'],
    [100, 'percent', '100 %'],
    [0, 'per_second', '0 /s'],
    [0.0042, 'per_second', '0.0042 /s'],
    [0.42, 'per_second', '0.42 /s'],
    [38.24, 'tokens_per_second', '38.2 tok/s'],
    [1234, 'tokens_per_second', '1234 tok/s'],
    [3, 'count', '3'],
    [2.5, 'count', '2.5'],
    [850, 'milliwatts', '850 mW'],
    [14_200, 'milliwatts', '14.2 W'],
    [14.2, 'watts', '14.2 W'],
    [0.0125, 'watts', '12.5 mW'],
    [1.25, 'joules_per_token', '1.25 J/tok'],
    [0.15, 'joules_per_token', '150 mJ/tok'],
    [54.4, 'celsius', '54 \u00b0C'],
    [2.4e6, 'bytes_per_second', '2.40 MB/s'],
  ];
  for (const [value, unit, expected] of cases) assert.equal(written(value, unit), expected);
});

test('the labels of an axis share one unit and as many decimals as its steps need', () => {
  const labels = (/** @type {number[]} */ values, /** @type {any} */ unit) =>
    format.axisLabels(values, unit).map(plain);
  assert.deepEqual(labels([0, 0.1, 0.2, 0.3], 'seconds'), ['0', '100 ms', '200 ms', '300 ms']);
  assert.deepEqual(labels([0, 0.5, 1, 1.5], 'seconds'), ['0', '0.5 s', '1.0 s', '1.5 s']);
  assert.deepEqual(labels([0, 60, 120, 180], 'seconds'), ['0', '1 min', '2 min', '3 min']);
  assert.deepEqual(labels([0, 5e9, 1e10], 'bytes'), ['0', '5 GB', '10 GB']);
  assert.deepEqual(labels([0, 8192, 16_384], 'megabytes'), ['0', '8 GiB', '16 GiB']);
  assert.deepEqual(labels([0, 1, 2], 'count'), ['0', '1', '2']);
  assert.deepEqual(labels([0, 0.01, 0.02], 'watts'), ['0', '10 mW', '20 mW']);
  assert.deepEqual(labels([0, 20, 40], 'watts'), ['0', '20 W', '40 W']);
  assert.deepEqual(labels([0, 0.01, 0.02], 'per_second'), ['0', '0.01 /s', '0.02 /s']);
  assert.deepEqual(labels([0], 'count'), ['0']);
});

test('spans are written in two units at most', () => {
  const cases = [[-3, '0 s'], [8.4, '8 s'], [59.6, '1 min 00 s'], [272, '4 min 32 s'],
    [4320, '1 h 12 min'], [200_000, '2 d 07 h']];
  for (const [span, expected] of cases) {
    assert.equal(plain(format.duration(Number(span))), expected);
  }
});

test('a model that is kept for ever stays, and one whose time is over goes now', () => {
  assert.equal(format.unloadsIn(9_999_999_999, 1_795_000_000), 'stays');
  assert.equal(format.unloadsIn(100, 101), 'now');
  assert.equal(plain(format.unloadsIn(1272, 1000)), '4 min 32 s');
});

test('times are of 24 hours', () => {
  assert.match(format.clock(1_795_451_430), /^\d\d:\d\d:\d\d$/);
  assert.match(format.clockShort(1_795_451_430), /^\d\d:\d\d$/);
  const hours = [0, 1, 2].map((n) => 1_795_392_000 + n * 3600);
  for (const label of format.timeLabels(hours)) assert.match(label, /^(\d\d:\d\d|\d+ \w+)$/);
  const days = [0, 1, 2].map((n) => 1_795_392_000 + n * 86_400);
  for (const label of format.timeLabels(days)) assert.match(label, /^\d+ \w+$/);
  const midnight = new Date(2026, 5, 1, 0, 5, 9).getTime() / 1000;
  assert.equal(format.clock(midnight), '00:05:09');
});

test('a long name is shortened to what tells models apart', () => {
  assert.equal(format.shortName('hf.co/someone/Model-GGUF:Q4'), 'Model-GGUF:Q4');
  assert.equal(format.shortName('qwen3:8b'), 'qwen3:8b');
  assert.equal(format.shortName('odd/'), 'odd/');
  assert.equal(plain(format.grouped(131_072)), '131 072');
});
