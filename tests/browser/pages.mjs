// What people do on the pages with a mouse, a keyboard, a phone, and while the server is started again.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { makeDemo, startArchive } from './archive.mjs';
import { openPage } from './browser.mjs';

const demo = () => makeDemo(path.resolve('build/browser-demo'));
const PATIENCE = { timeout: 60_000 };

/** A configuration with the facility of this hospital. */
function brought() {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'site-')), 'pacs.toml');
  fs.writeFileSync(file, '[[facility]]\ncode = "01001"\n');
  return file;
}

async function withArchive(settings, test) {
  const archive = await startArchive('build/viewer', settings);
  try {
    await test(archive);
  } finally {
    await archive.stop();
  }
}

const state = async base => (await fetch(`${base}/api/v1/state`)).json();
const said = (page, text) =>
  page.waitForFunction(text => document.getElementById('said').textContent.includes(text), text, PATIENCE);

/** Asks for an association as `calling` and gives the type of the answer: 2 accepted, 3 rejected (PS3.8 9.3). */
function associate(port, calling, called) {
  const title = text => Buffer.from(text.padEnd(16));
  const item = (type, body) => Buffer.concat([Buffer.from([type, 0, body.length >> 8, body.length & 255]), body]);
  const syntaxes = [item(0x30, Buffer.from('1.2.840.10008.1.1')), item(0x40, Buffer.from('1.2.840.10008.1.2'))];
  const context = item(0x20, Buffer.concat([Buffer.from([1, 0, 0, 0]), ...syntaxes]));
  const user = item(0x50, Buffer.concat([item(0x51, Buffer.from([0, 0, 64, 0])), item(0x52, Buffer.from('1.2.3'))]));
  const body = Buffer.concat([
    Buffer.from([0, 1, 0, 0]), title(called), title(calling), Buffer.alloc(32),
    item(0x10, Buffer.from('1.2.840.10008.3.1.1.1')), context, user,
  ]);
  const head = Buffer.from([1, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 2);
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(Buffer.concat([head, body])));
    socket.once('data', data => {
      socket.destroy();
      resolve(data[0]);
    });
    socket.once('error', reject);
  });
}

/** Everything of the page lies within the window, but for what scrolls by itself. */
async function fits(page, what) {
  const beyond = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll('main *, header *')].filter(element => {
      const place = element.getBoundingClientRect();
      return place.width > 1 && place.right > width + 1 && !element.closest('.wide');
    });
    const whole = document.documentElement.scrollWidth > width ? ['the page'] : [];
    return [...whole, ...wide.map(element => `${element.tagName}.${element.className}`)].slice(0, 5);
  });
  assert.deepEqual(beyond, [], `${what} is wider than its window`);
}

export const tests = [
  {
    name: 'a folder and a zip archive are imported in the browser',
    test: context => withArchive({}, async archive => {
      const { page, log, shot } = await openPage(context.browser, archive.base);
      await page.goto(`${archive.base}/import`);
      await page.setInputFiles('#folder', demo());
      await said(page, 'Đã xong');
      const { instances } = await state(archive.base);
      assert.ok(instances > 300, `${instances} images`);
      const zip = path.join(archive.folder, 'disc.zip');
      execFileSync('python3', ['-m', 'zipfile', '-c', zip, path.join(demo(), '00001/xq-nguc')]);
      await page.reload();
      await page.setInputFiles('#files', zip);
      await said(page, 'Đã xong');
      const table = await page.textContent('#rows');
      assert.match(table, /Đã có trong kho\d+/, 'all of it was here already');
      const csv = await (await fetch(archive.base + (await page.getAttribute('#csv', 'href')))).text();
      assert.match(csv, /"duplicates","","\d+"/);
      assert.equal((await state(archive.base)).instances, instances);
      await shot('import');
      assert.deepEqual([log.failed, log.errors, log.refused, log.foreign], [[], [], [], []]);
    }),
  },
  {
    name: 'a disc is brought for a patient, compared and confirmed with a document, and parted again',
    test: context => withArchive({ PACS_CONFIG: brought() }, async archive => {
      const { page, log, shot } = await openPage(context.browser, archive.base);
      await page.goto(`${archive.base}/import`);
      // Nothing is sent before it is said where it was made and who takes it in.
      await page.fill('[name=patient_id]', '2600099999');
      await page.setInputFiles('#folder', path.join(demo(), '00002/ct-so-nao'));
      await page.waitForSelector('#trouble:visible', PATIENCE);
      assert.equal(await page.evaluate(() => document.activeElement.name), 'facility');
      assert.equal((await state(archive.base)).instances, 0);
      await page.fill('[name=facility]', '31006');
      await page.selectOption('[name=patient_facility]', '01001');
      await page.fill('[name=source]', 'CD');
      await page.fill('[name=who]', 'KTV Bình');
      await page.click('#continue');
      await said(page, 'Đã xong');
      await Promise.all([page.waitForURL(/\/intakes\//), page.click('#confirm a')]);
      assert.match(await page.textContent('main'), /KTV Bình/);
      assert.match(await page.textContent('main .badge'), /Chưa xác nhận/);
      await shot('intake');
      for (const width of [360, 1280]) {
        await page.setViewportSize({ width, height: 800 });
        await fits(page, `the import at ${width}`);
      }
      await page.fill('[name=who]', 'BS. Nga');
      await page.fill('[name=document]', 'CCCD bản gốc');
      await Promise.all([page.waitForNavigation(), page.click('button[value=same]')]);
      assert.match(await page.textContent('main .badge'), /Đã xác nhận/);
      assert.match(await page.textContent('.said'), /BS\. Nga.*CCCD bản gốc/s);
      await page.click('.task a[href^="/studies/"]');
      const keeping = await page.textContent('#keeping');
      assert.match(keeping, /31006.*KTV Bình/s, 'who brought it stands on the page of the study');
      await page.click('#keeping a[href^="/intakes/"]');
      await page.click('summary:has-text("Đổi xác nhận")');
      await page.fill('[name=who]', 'BS. Nga');
      await page.fill('[name=document]', 'CCCD bản gốc');
      await Promise.all([page.waitForNavigation(), page.click('button[value=other]')]);
      assert.match(await page.textContent('main .badge'), /Không phải người này/);
      assert.deepEqual([log.failed, log.errors, log.refused, log.foreign], [[], [], [], []]);
    }),
  },
  {
    name: 'the navigation is one line on a desk and can be used on a phone',
    test: context => withArchive({}, async archive => {
      const { page } = await openPage(context.browser, archive.base);
      for (const [language, width] of [['vi', 1280], ['en', 1280], ['vi', 360], ['en', 360]]) {
        await page.setViewportSize({ width, height: 740 });
        await page.goto(`${archive.base}/language/${language}?to=/collisions`);
        const height = await page.evaluate(() => document.querySelector('.top').getBoundingClientRect().height);
        assert.ok(height < (width > 1000 ? 70 : 120), `${language} at ${width}: ${height} pixels`);
        await page.click('nav details:last-of-type summary');
        const inside = page.locator('nav details[open] a[href="/state"]');
        const place = await inside.boundingBox();
        assert.ok(place.x >= 0 && place.x + place.width <= width, `${language} at ${width}: ${JSON.stringify(place)}`);
        await Promise.all([page.waitForURL(/\/state$/), inside.click()]);
      }
    }),
  },
  {
    name: 'an import goes on after the server was started again',
    test: context => withArchive({}, async archive => {
      const { page } = await openPage(context.browser, archive.base);
      await page.goto(`${archive.base}/import`);
      // Slow enough to be interrupted.
      let files = 0;
      await page.route('**/files?path=*', async route => {
        files += 1;
        await new Promise(resolve => setTimeout(resolve, 20));
        await route.continue().catch(() => {});
      });
      await page.setInputFiles('#folder', demo());
      while (files < 60) await page.waitForTimeout(20);
      await archive.restart();
      await page.waitForSelector('#continue:visible', PATIENCE);
      assert.match(await page.textContent('#trouble'), /khởi động lại/);
      await page.click('#continue');
      await said(page, 'Đã xong');
      const whole = execFileSync('find', [demo(), '-name', '*.dcm']).toString().trim().split('\n').length;
      assert.equal((await state(archive.base)).instances, whole, 'nothing is lost and nothing doubled');
    }),
  },
  {
    name: 'an unknown machine is allowed with one click',
    test: context => withArchive({ PACS_DIMSE__ACCEPT: 'known' }, async archive => {
      const { page, log } = await openPage(context.browser, archive.base);
      assert.equal(await associate(archive.dimse, '<b>XQ1</b>', 'PACS'), 3);
      for (;;) {
        await page.goto(`${archive.base}/state`);
        if (await page.locator('form.allow').count()) break;
        await page.waitForTimeout(100);
      }
      await page.click('form.allow > button');
      await page.waitForSelector('form[action="/api/v1/peers/forget"]');
      assert.equal(await associate(archive.dimse, '<b>XQ1</b>', 'PACS'), 2, 'it is in force at once');
      await page.click('form[action="/api/v1/peers/forget"] button');
      await page.waitForSelector('form[action="/api/v1/peers/forget"]', { state: 'detached' });
      assert.equal(await associate(archive.dimse, '<b>XQ1</b>', 'PACS'), 3);
      assert.deepEqual([log.failed, log.errors, log.refused], [[], [], []]);
    }),
  },
  {
    name: 'pages fit every window, and keys reach what a mouse does',
    test: context => withArchive({}, async archive => {
      archive.bring(demo());
      const { page, shot } = await openPage(context.browser, archive.base);
      await page.goto(archive.base);
      const study = await page.getAttribute('a.name', 'href');
      for (const [width, height] of [[360, 740], [768, 1024], [1100, 800], [1440, 900]]) {
        await page.setViewportSize({ width, height });
        for (const [name, at] of [['list', '/'], ['study', study], ['state', '/state'], ['import', '/import']]) {
          await page.goto(archive.base + at);
          await fits(page, `${name} at ${width}`);
          await shot(`pages-${name}-${width}`);
        }
      }
      await page.goto(archive.base);
      await page.keyboard.press('/');
      await page.keyboard.type('hong anh');
      await Promise.all([page.waitForURL(/s=/), page.keyboard.press('Enter')]);
      await page.keyboard.press('/');
      await page.keyboard.press('ArrowDown');
      await Promise.all([page.waitForURL(/\/studies\//), page.keyboard.press('Enter')]);
      assert.match(await page.textContent('h1'), /ÁNH|ANH/);
    }),
  },
  {
    name: 'the list follows what arrives and touches no other row',
    test: context => withArchive({ PACS_STUDY__QUIET_SECONDS: '1' }, async archive => {
      archive.bring(path.join(demo(), '00001'));
      const { page } = await openPage(context.browser, archive.base);
      await page.goto(archive.base);
      await page.waitForFunction(() => !document.querySelector('.badge.receiving'), null, PATIENCE);
      const before = await page.evaluate(() => {
        window.rows = [...document.querySelectorAll('table.studies tbody tr')];
        return window.rows.length;
      });
      archive.bring(demo());
      await page.waitForFunction(n => document.querySelectorAll('a.name').length > n, before, PATIENCE);
      assert.ok(await page.evaluate(() => window.rows.every(row => row.isConnected)), 'rows were made again');
      await page.waitForFunction(() => !document.querySelector('.badge.receiving'), null, PATIENCE);
    }),
  },
];
