// Chromium over one page, with everything that went wrong in it.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

const TOOLS = new URL('../../build/browser-tools/package.json', import.meta.url);
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-gl=angle', '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
];

/** The `chromium` that a shell would start. */
function chromiumOfTheSystem() {
  const places = (process.env.PATH ?? '').split(path.delimiter).map(folder => path.join(folder, 'chromium'));
  return places.find(place => fs.existsSync(place)) ?? '/usr/bin/chromium';
}

/** How long anything may take on a machine that does other things too. */
export const PATIENCE_MS = 60_000;

/** Starts a browser with an empty profile; `pictures` is where screenshots go. */
export async function startBrowser(pictures, viewport = { width: 1440, height: 900 }) {
  const { chromium } = createRequire(TOOLS)('playwright-core');
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? chromiumOfTheSystem(),
    headless: true, args: FLAGS, viewport, locale: 'vi-VN',
  });
  context.setDefaultTimeout(PATIENCE_MS);
  fs.mkdirSync(pictures, { recursive: true });
  const close = async () => {
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true });
  };
  return { context, pictures, close, opened: [] };
}

/** Prints what the pages of `browser` said and keeps how they look, for whoever asks why a test failed. */
export async function explain(browser, name) {
  for (const [n, { page, log }] of browser.opened.entries()) {
    console.log(`        page ${n + 1}: ${page.url()}`);
    for (const line of [...log.said.slice(-30), ...log.failed, ...log.errors]) console.log(`          ${line}`);
    const file = path.join(browser.pictures, `failed-${name.replace(/[^a-z0-9]+/gi, '-')}-${n + 1}.png`);
    const kept = await page.screenshot({ path: file, timeout: 10_000 }).then(() => true, () => false);
    if (kept) console.log(`        it looked like ${file}`);
  }
}

/** A page that remembers its requests and its mishaps. */
export async function openPage(browser, base) {
  const page = await browser.context.newPage();
  const log = { requests: [], answered: [], foreign: [], failed: [], refused: [], errors: [], said: [] };
  const home = new URL(base).origin;
  page.on('request', request => {
    const url = request.url();
    log.requests.push(url);
    if (/^(https?|wss?):/.test(url) && new URL(url).origin !== home) log.foreign.push(url);
  });
  page.on('response', response => {
    log.answered.push(response.url());
    if (response.status() >= 400) log.failed.push(`${response.status()} ${response.url()}`);
  });
  page.on('requestfailed', request => {
    // A viewer gives up requests that are not needed any more; that is no failure of the server.
    const why = request.failure()?.errorText ?? '';
    if (why !== 'net::ERR_ABORTED') log.failed.push(`${why} ${request.url()}`);
  });
  page.on('pageerror', error => log.errors.push(String(error)));
  page.on('console', message => {
    log.said.push(`${message.type()}: ${message.text().slice(0, 300)}`);
    if (/Content Security Policy/i.test(message.text())) log.refused.push(message.text());
  });
  const shot = async name => {
    const file = path.join(browser.pictures, `${name}.png`);
    await page.screenshot({ path: file });
    return file;
  };
  const opened = { page, log, shot };
  browser.opened.push(opened);
  return opened;
}

/** For each picture area: the share of pixels that are not black, that are coloured, and a sum that tells pictures apart. */
export function pictures(page) {
  return page.evaluate(() => [...document.querySelectorAll('canvas.cornerstone-canvas')].map(canvas => {
    const copy = document.createElement('canvas');
    [copy.width, copy.height] = [256, 256];
    const pen = copy.getContext('2d');
    pen.drawImage(canvas, 0, 0, 256, 256);
    const { data } = pen.getImageData(0, 0, 256, 256);
    let [lit, coloured, sum] = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
      if (Math.max(r, g, b) > 16) lit += 1;
      if (Math.max(r, g, b) - Math.min(r, g, b) > 32) coloured += 1;
      sum = (sum * 31 + r + 256 * g + 65536 * b) % 2147483647;
    }
    return { lit: lit / 65536, coloured: coloured / 65536, sum };
  }));
}

/** Asks `question` until `accept` takes the answer, and gives it. */
export async function until(what, question, accept = answer => answer, ms = PATIENCE_MS) {
  for (const begin = Date.now(); ; ) {
    const answer = await question();
    if (accept(answer)) return answer;
    if (Date.now() - begin > ms) throw new Error(`${what}: not after ${ms} ms, but ${JSON.stringify(answer)}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

/** Waits until `accept(pictures)` holds and gives them. */
export const untilPictures = (page, accept, what) => until(what, () => pictures(page), accept);

/** Waits until `accept(pictures)` holds and two looks in turn see the same. */
export async function untilStill(page, accept, what) {
  let before = '';
  return untilPictures(page, all => {
    const same = JSON.stringify(all) === before;
    before = JSON.stringify(all);
    return same && accept(all);
  }, what);
}

/** Waits until each small picture of the page is there, and says how many there are. */
export function untilThumbnails(page, selector, least) {
  const count = () => page.evaluate(selector => {
    const all = [...document.querySelectorAll(selector)];
    return { all: all.length, shown: all.filter(one => one.complete && one.naturalWidth > 1).length };
  }, selector);
  return until('small pictures', count, ({ all, shown }) => all >= least && shown === all);
}

/** How far the page reaches beyond the width of its window, in pixels. */
export const overhang = page =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
