// The list, the other pages and the viewer in a real browser, over demo studies.
//
//   PACS_BIN=... FIXTURES_BIN=... node tests/browser/run.mjs      starts a server of its own
//   node tests/browser/run.mjs --at http://127.0.0.1:8080          uses one that holds the same studies
//
// Screenshots go to build/screenshots. The last line says how many tests passed and failed.
import fs from 'node:fs';
import path from 'node:path';
import { makeDemo, makePrior, search, startArchive } from './archive.mjs';
import { makeDocument } from './document.mjs';
import { explain, startBrowser } from './browser.mjs';
import { makeColourClip } from './colour.mjs';
import { tests as ofList } from './list.mjs';
import { tests as ofPages } from './pages.mjs';
import { tests as ofReports } from './report.mjs';
import { tests as ofOpposites } from './opposites.mjs';
import { tests as ofReuse } from './reuse.mjs';
import { tests as ofViewer } from './viewer.mjs';

// Those of the pages and of reuse start servers of their own.
const tests = [...ofList, ...ofViewer, ...ofReports, ...(process.argv.includes('--at') ? [] : [...ofPages, ...ofReuse, ...ofOpposites])];
const root = path.resolve(new URL('../..', import.meta.url).pathname);
const at = process.argv.indexOf('--at');
const running = at > 0 ? process.argv[at + 1] : null;
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : '';

/** Loads the demo studies, a prior of the patient of `xq-nguc`, a colour clip, a scanned report. */
async function load(archive) {
  const demo = makeDemo(path.join(root, 'build/browser-demo'));
  archive.bring(demo);
  const chest = path.join(demo, '00001/xq-nguc');
  const files = fs.readdirSync(chest, { recursive: true }).filter(name => name.endsWith('.dcm'));
  const ofNumber = await search(archive.base, 'studies?PatientID=2600012345');
  const now = ofNumber.find(study => /NGHI/.test(study.description));
  const instances = await search(archive.base, `studies/${now.study}/instances`);
  const uids = new Set([now.study, ...instances.flatMap(i => [i.series, i.instance])]);
  const to = path.join(archive.folder, 'prior');
  makePrior(files.map(name => path.join(chest, name)), to, [...uids], now.date);
  makeColourClip(path.join(to, 'colour.dcm'), '2.25.4711.1');
  makeDocument(path.join(to, 'document.dcm'), '2.25.4712.1');
  archive.bring(to);
}

const archive = running ? { base: running, stop: async () => {} } : await startArchive(path.join(root, 'build/viewer'));
// Whoever ends this early ends the server too; browsers end with the one that drives them.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => archive.stop().finally(() => process.exit(1)));
}
let [passed, failed] = [0, 0];
try {
  if (!running) await load(archive);
  const studies = await search(archive.base, 'studies?limit=101');
  for (const { name, test } of tests.filter(t => t.name.includes(only))) {
    const browser = await startBrowser(path.join(root, 'build/screenshots'));
    const begin = Date.now();
    try {
      await test({ browser, base: archive.base, studies });
      passed += 1;
      console.log(`ok      ${name} (${Date.now() - begin} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${String(error.stack ?? error).replace(/^/gm, '        ')}`);
      await explain(browser, name);
    } finally {
      await browser.close();
    }
  }
} finally {
  await archive.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
