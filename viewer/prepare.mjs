// Makes of OHIF's npm build the folder that the server gives out: trimmed to what reading needs, bound to its path,
// minified (the npm build is not), with the Vietnamese texts, packed with Brotli and gzip, and with viewer.json, the
// list by which the server knows each file.
//
//   node prepare.mjs --package UNPACKED --tools FOLDER_WITH_NODE_MODULES --made-for TEXT --out FOLDER
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import zlib from 'node:zlib';
import * as rewrite from './rewrite.mjs';

const BASE = '/ohif/';
const text = { type: 'string' };
const { values: given } = parseArgs({ options: { package: text, tools: text, 'made-for': text, out: text } });
const dist = path.join(given.package, 'dist');
const esbuild = createRequire(path.resolve(given.tools, 'package.json'))('esbuild');
const texts = JSON.parse(fs.readFileSync(new URL('vi.json', import.meta.url), 'utf8'));

// What reading needs not: models for segmentation that are fetched from the internet, whole-slide microscopy,
// source maps, an old service worker, old polyfills, icons of devices, settings that come from us.
const DROPPED = [
  /^ort\//, /^dicom-microscopy-viewer\//, /\.map$/, /^sw\.js$/, /^google\.js$/, /^es6-shim/, /^polyfill\./,
  /^oidc-client/, /^silent-refresh\.html$/, /^_/, /^serve\.json$/, /^manifest\.json$/, /^customizations\//,
  /^app-config\.js$/, /^assets\/(?!images\/|favicon)/,
];
const PACKED = /\.(js|css|html|svg|wasm|txt)$/;
const HASH = /(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])/;
const LEAST_PACKED = 1024;

const sha256 = bytes => createHash('sha256').update(bytes).digest('hex');

function filesBelow(folder, prefix = '') {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const name = prefix + entry.name;
    return entry.isDirectory() ? filesBelow(path.join(folder, entry.name), `${name}/`) : [name];
  });
}

// Browsers keep a file with a hash in its name for ever. What is in it also depends on this script and on the
// texts, so each hash is derived again from all of that.
function renaming(names) {
  const hashes = new Set(names.map(name => HASH.exec(name)?.[0]).filter(Boolean));
  const fresh = old => sha256(`${given['made-for']} ${old}`).slice(0, old.length);
  const table = new Map([...hashes].map(old => [old, fresh(old)]));
  return string => string.replace(new RegExp(HASH, 'g'), found => table.get(found) ?? found);
}

function rewritten(name, string, seen) {
  if (name === 'index.html') return rewrite.page(string, BASE);
  if (name.endsWith('.css')) return rewrite.movedStyle(string, BASE);
  if (!name.endsWith('.js')) return string;
  let out = rewrite.movedScript(string, BASE);
  if (out === null) out = string;
  else seen.moved += 1;
  if (rewrite.asksForPriors(out)) {
    out = rewrite.priorsOfOnePatient(out);
    seen.priors += 1;
  }
  out = rewrite.told(out, seen);
  if (rewrite.holdsTexts(out)) {
    seen.english = rewrite.englishTexts(out);
    out = rewrite.vietnamese(out, texts);
  }
  return out;
}

async function minified(name, string, notices) {
  const loader = name.endsWith('.css') ? 'css' : 'js';
  const options = { loader, minify: true, charset: 'utf8', legalComments: 'external', logLevel: 'error' };
  // Names of functions and classes are kept: OHIF registers tools by them.
  const result = await esbuild.transform(string, loader === 'js' ? { ...options, keepNames: true } : options);
  for (const notice of (result.legalComments ?? '').split(/\n(?=\/[*/])/)) {
    if (notice.trim()) notices.add(notice.trim());
  }
  return result.code;
}

/** Packages whose modules the build carries; bundlers leave their paths in comments. */
function bundled(string, found) {
  for (const [, name] of string.matchAll(/node_modules\/((?:@[\w.-]+\/)?[\w.-]+)\//g)) found.add(name);
}

const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);

async function shelve(name, bytes, list) {
  const to = path.join(given.out, name);
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.writeFileSync(to, bytes);
  const entry = { sha256: sha256(bytes), bytes: bytes.length };
  if (PACKED.test(name) && bytes.length > LEAST_PACKED) {
    const params = { [zlib.constants.BROTLI_PARAM_QUALITY]: 9, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    const [br, gz] = await Promise.all([brotli(bytes, { params }), gzip(bytes, { level: 9 })]);
    for (const [ending, packed] of Object.entries({ br, gz })) {
      if (packed.length >= bytes.length) continue;
      fs.writeFileSync(`${to}.${ending}`, packed);
      entry[ending] = packed.length;
    }
  }
  list[name] = entry;
}

function notice(packages, notices) {
  const license = fs.readFileSync(path.join(given.package, 'LICENSE'), 'utf8').trim();
  const { name, version } = JSON.parse(fs.readFileSync(path.join(given.package, 'package.json'), 'utf8'));
  return [
    `${name} ${version}`, license, 'It contains modules of these packages:', [...packages].sort().join('\n'),
    'Their notices, as far as the build carries them:', ...[...notices].sort(),
  ].join('\n\n') + '\n';
}

fs.mkdirSync(given.out, { recursive: true });
const names = filesBelow(dist).filter(name => !DROPPED.some(dropped => dropped.test(name)));
const renamed = renaming(names);
const seen = { moved: 0, priors: 0, told: 0, english: null };
const [list, packages, notices] = [{}, new Set(), new Set()];
for (const name of names.sort()) {
  const bytes = fs.readFileSync(path.join(dist, name));
  if (!/\.(js|css|html)$/.test(name)) {
    await shelve(renamed(name), bytes, list);
    continue;
  }
  const original = bytes.toString();
  bundled(original, packages);
  let out = renamed(rewritten(name, original, seen));
  if (!name.endsWith('.html')) out = await minified(name, out, notices);
  await shelve(renamed(name), Buffer.from(out), list);
}
if (seen.moved < 5) throw new Error(`only ${seen.moved} scripts carry the path: the package changed`);
if (seen.priors !== 1 || seen.english === null) throw new Error('priors or texts were not found: the package changed');
if (seen.told !== rewrite.TOLD) throw new Error('a text without translation was not found: the package changed');
for (const [group, entries] of Object.entries(texts)) {
  const useless = Object.keys(entries).filter(key => !(key in (seen.english[group] ?? {})));
  if (useless.length > 0) throw new Error(`vi.json translates what OHIF does not say: ${group}: ${useless}`);
}
await shelve('LICENSE.txt', Buffer.from(notice(packages, notices)), list);

const { name: packageName, version } = JSON.parse(fs.readFileSync(path.join(given.package, 'package.json'), 'utf8'));
const made = { package: packageName, version, made_for: given['made-for'], base: BASE, files: list };
fs.writeFileSync(path.join(given.out, 'viewer.json'), JSON.stringify(made, null, 1) + '\n');
const sum = form => Object.values(list).reduce((total, entry) => total + (entry[form] ?? entry.bytes), 0);
const mb = bytes => (bytes / 1e6).toFixed(1);
console.log(`${packageName} ${version}: ${Object.keys(list).length} files, ${mb(sum('bytes'))} MB, ` +
  `${mb(sum('br'))} MB as Brotli, ${mb(sum('gz'))} MB as gzip`);
