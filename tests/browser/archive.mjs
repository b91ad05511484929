// A server of its own for the tests: free ports, a temporary folder, the demo studies and a made-up prior.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const READY_MS = 30_000;

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** What a process is started with so that its clock is `days` ahead; how long things take stays as it is. */
function later(days) {
  if (!days) return {};
  const found = fs.readdirSync('/usr/lib').map(name => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`).find(file => fs.existsSync(file));
  if (!found) throw new Error('libfaketime is missing: scripts/install-test-needs installs it');
  return { LD_PRELOAD: found, FAKETIME: `+${days}d`, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}

/** Starts `PACS_BIN` over an empty folder, with the viewer of `viewerFolder` and further variables. */
export async function startArchive(viewerFolder, settings = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'archive-'));
  const binary = path.resolve(process.env.PACS_BIN);
  const [dimse, http] = [await freePort(), await freePort()];
  const base = `http://127.0.0.1:${http}`;
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PACS_')));
  const env = {
    ...own,
    PACS_DATA_DIR: path.join(folder, 'data'),
    PACS_DIMSE__LISTEN: `127.0.0.1:${dimse}`,
    PACS_HTTP__LISTEN: `127.0.0.1:${http}`,
    PACS_HTTP__VIEWER_DIR: path.resolve(viewerFolder),
    // How full the disk of the machine is that runs the tests is none of their business.
    PACS_STORE__LIMITS__MIN_FREE_PERCENT: '0',
    ...settings,
  };
  const log = fs.openSync(path.join(folder, 'server.log'), 'a');
  const said = () => fs.readFileSync(path.join(folder, 'server.log'), 'utf8');
  let server = null;
  const end = async () => {
    const ended = new Promise(resolve => server.once('exit', resolve));
    server.kill('SIGTERM');
    await ended;
  };
  const stop = async () => {
    await end();
    fs.rmSync(folder, { recursive: true, force: true });
  };
  const start = async (days = 0) => {
    server = spawn(binary, ['serve'], { env: { ...env, ...later(days) }, cwd: folder, stdio: ['ignore', log, log] });
    for (const begin = Date.now(); ; ) {
      if (server.exitCode !== null) throw new Error(`the server ended:\n${said()}`);
      const ready = await fetch(`${base}/readyz`).then(answer => answer.ok, () => false);
      if (ready) return;
      if (Date.now() - begin > READY_MS) {
        await stop();
        throw new Error(`the server was not ready after ${READY_MS} ms:\n${said()}`);
      }
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  };
  await start();
  /** Ends the server and starts it again, over the same folder and on the same ports, with a clock `days` ahead. */
  const restart = async (days = 0) => {
    await end();
    await start(days);
  };
  const bring = (...paths) => execFileSync(binary, ['import', '--source', 'demo', ...paths], { env, cwd: folder });
  /** Reads everything again, as an operator does; damage is told by the exit code and found by the server. */
  const verify = () => spawnSync(binary, ['verify'], { env, cwd: folder });
  return { base, folder, dimse, bring, verify, stop, restart, said };
}

/** Writes the demo studies into `folder`. */
export function makeDemo(folder) {
  if (!fs.existsSync(folder)) {
    const fresh = `${folder}.new`;
    fs.rmSync(fresh, { recursive: true, force: true });
    fs.mkdirSync(path.dirname(folder), { recursive: true });
    execFileSync(path.resolve(process.env.FIXTURES_BIN), ['demo', '--out', fresh]);
    fs.renameSync(fresh, folder);
  }
  return folder;
}

/**
 * Writes an earlier study of the patient of `files` into `to`: the same objects under other UIDs, a year before. Every
 * value keeps its length, so that the bytes around it stay valid.
 */
export function makePrior(files, to, uids, studyDate) {
  fs.mkdirSync(to, { recursive: true });
  const earlier = String(Number(studyDate.slice(0, 4)) - 1) + studyDate.slice(4);
  files.forEach((file, n) => {
    let text = fs.readFileSync(file).toString('latin1');
    for (const uid of uids) text = text.replaceAll(uid, otherUid(uid));
    fs.writeFileSync(path.join(to, `${n}.dcm`), Buffer.from(text.replaceAll(studyDate, earlier), 'latin1'));
  });
  return otherUid(uids[0]);
}

/** Another UID of the same length. */
function otherUid(uid) {
  return uid.slice(0, -1) + ((Number(uid.at(-1)) + 5) % 10);
}

/** What QIDO-RS says at `query` below /dicom-web, with plain values. */
export async function search(base, query) {
  const answer = await fetch(`${base}/dicom-web/${query}`, { headers: { accept: 'application/dicom+json' } });
  if (!answer.ok) throw new Error(`${query}: ${answer.status}`);
  const value = element => element?.Value?.[0]?.Alphabetic ?? element?.Value?.[0] ?? '';
  return (await answer.json()).map(row => ({
    study: value(row['0020000D']),
    series: value(row['0020000E']),
    instance: value(row['00080018']),
    patientId: value(row['00100020']),
    patientName: value(row['00100010']),
    date: value(row['00080020']),
    description: value(row['00081030']),
    modalities: row['00080061']?.Value ?? [],
    modality: value(row['00080060']),
  }));
}
