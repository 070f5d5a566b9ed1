// Make static/vendor/ from what package-lock.json pins, so that the wheel needs no Node.
//
//   npm ci --prefix scripts/web
//   node scripts/web/vendor.mjs           writes
//   node scripts/web/vendor.mjs --check   compares; exit 1 when a byte differs

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const target = join(here, '../../ollamon/dashboard/static/vendor');
/** @type {Map<(text: string) => string|Promise<string>, string>} */
const HOW = new Map([
  [minified, 'esbuild --minify --format=esm --target=es2022'],
  [asItIs, 'copied'],
  [withoutMap, 'copied, less the line that names a source map'],
]);
const WANTED = [
  {
    name: 'uplot',
    licence: 'LICENSE',
    // For the type checker, which would read minified code otherwise; no browser asks for it.
    types: { to: 'uPlot.esm.min.d.ts', text: "export { default } from 'uplot';\n" },
    files: [
      { from: 'dist/uPlot.esm.js', to: 'uPlot.esm.min.js', make: minified },
      { from: 'dist/uPlot.min.css', to: 'uPlot.min.css', make: asItIs },
    ],
  },
  {
    name: 'socket.io-client',
    licence: 'LICENSE',
    types: { to: 'socket.io.esm.min.d.ts', text: "export { io } from 'socket.io-client';\n" },
    files: [
      { from: 'dist/socket.io.esm.min.js', to: 'socket.io.esm.min.js', make: withoutMap },
    ],
  },
];

/** @param {string} text */
async function minified(text) {
  const { transform } = await import('esbuild');
  const { code } = await transform(text, {
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'inline',
  });
  return code;
}

/** @param {string} text */
function asItIs(text) {
  return text;
}

/** The map is not shipped, so nothing may ask for it. @param {string} text */
function withoutMap(text) {
  return text.replace(/\n?\/\/# sourceMappingURL=\S+\s*$/, '\n');
}

/** @param {string} text */
function sha256(text) {
  return createHash('sha256').update(text).digest('hex');
}

/** Everything that belongs into static/vendor/, by file name. */
async function build() {
  const lock = JSON.parse(readFileSync(join(here, 'package-lock.json'), 'utf8'));
  /** @type {Map<string, string>} */
  const made = new Map();
  const manifest = [];
  for (const { name, licence, types, files } of WANTED) {
    const source = join(here, 'node_modules', name);
    const { version, license, integrity } = lock.packages[`node_modules/${name}`];
    assertInstalled(source, name, version);
    const entries = [];
    for (const { from, to, make } of files) {
      const text = await make(readFileSync(join(source, from), 'utf8'));
      made.set(to, text);
      entries.push({ file: to, from, made: HOW.get(make), sha256: sha256(text) });
    }
    made.set(types.to, types.text);
    const licenceFile = `LICENSE.${name}.txt`;
    made.set(licenceFile, readFileSync(join(source, licence), 'utf8'));
    manifest.push({ name, version, licence: license, licenceFile, integrity, files: entries });
  }
  made.set('manifest.json', `${JSON.stringify(manifest, null, 2)}\n`);
  return made;
}

/** @param {string} source @param {string} name @param {string} version */
function assertInstalled(source, name, version) {
  let found = 'nothing';
  try {
    found = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')).version;
  } catch {
    // Said below.
  }
  if (found === version) return;
  console.error(`vendor: ${name} ${version} is pinned, ${found} is installed; run`);
  console.error('  npm ci --prefix scripts/web');
  process.exit(1);
}

/** @param {string} name */
function present(name) {
  try {
    return readFileSync(join(target, name), 'utf8');
  } catch {
    return null;
  }
}

/** Names of files that differ, are missing or are too many. @param {Map<string, string>} made */
function differing(made) {
  mkdirSync(target, { recursive: true });
  const surplus = readdirSync(target).filter((name) => !made.has(name));
  const wrong = [...made].filter(([name, text]) => present(name) !== text).map(([name]) => name);
  return { surplus, wrong };
}

const made = await build();
const { surplus, wrong } = differing(made);
if (process.argv.includes('--check')) {
  for (const name of [...surplus, ...wrong]) console.error(`vendor: ${name} differs`);
  if (surplus.length + wrong.length) {
    console.error('vendor: run `node scripts/web/vendor.mjs` and commit what it writes');
    process.exit(1);
  }
} else {
  for (const name of surplus) rmSync(join(target, name));
  for (const name of wrong) writeFileSync(join(target, name), made.get(name) ?? '');
}
