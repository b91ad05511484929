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

/** Starts a browser with an empty profile; `pictures` is where screenshots go. */
export async function startBrowser(pictures, viewport = { width: 1400, height: 900 }) {
  const { chromium } = createRequire(TOOLS)('playwright-core');
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true, args: FLAGS, viewport, locale: 'vi-VN',
  });
  fs.mkdirSync(pictures, { recursive: true });
  const close = async () => {
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true });
  };
  return { context, pictures, close };
}

/** A page that remembers its requests and its mishaps. */
export async function openPage(browser, base) {
  const page = await browser.context.newPage();
  const log = { requests: [], foreign: [], failed: [], refused: [], errors: [] };
  const home = new URL(base).origin;
  page.on('request', request => {
    const url = request.url();
    log.requests.push(url);
    if (/^(https?|wss?):/.test(url) && new URL(url).origin !== home) log.foreign.push(url);
  });
  page.on('response', response => {
    if (response.status() >= 400) log.failed.push(`${response.status()} ${response.url()}`);
  });
  page.on('requestfailed', request => {
    // A viewer gives up requests that are not needed any more; that is no failure of the server.
    const why = request.failure()?.errorText ?? '';
    if (why !== 'net::ERR_ABORTED') log.failed.push(`${why} ${request.url()}`);
  });
  page.on('pageerror', error => log.errors.push(String(error)));
  page.on('console', message => {
    if (/Content Security Policy/i.test(message.text())) log.refused.push(message.text());
  });
  const shot = async name => {
    const file = path.join(browser.pictures, `${name}.png`);
    await page.screenshot({ path: file });
    return file;
  };
  return { page, log, shot };
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

/** Waits until `accept(pictures)` holds and gives them. */
export async function untilPictures(page, accept, what, ms = 30_000) {
  let last = [];
  for (const begin = Date.now(); Date.now() - begin < ms; ) {
    last = await pictures(page);
    if (accept(last)) return last;
    await page.waitForTimeout(100);
  }
  throw new Error(`${what}: not after ${ms} ms, pictures are ${JSON.stringify(last)}`);
}
