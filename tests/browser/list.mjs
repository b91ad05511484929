// From the study list to the picture: what a ward doctor does, at a desk and on a phone.
import assert from 'node:assert/strict';
import { openPage, overhang, until, untilPictures, untilStill, untilThumbnails } from './browser.mjs';
import { chest, clean, lit, one, stranger } from './viewer.mjs';

const NAMES = 'table.studies a.name';
const names = page => page.locator(NAMES).allInnerTexts();

/** Types `text` into the search of the list and sends it, and gives the names that are found. */
async function find(page, text) {
  await page.locator('#q').fill(text);
  await Promise.all([page.waitForURL(/[?&]s=/), page.keyboard.press('Enter')]);
  await page.locator('#live').waitFor();
  return names(page);
}

/** Every page of the list and of the studies fits its window. */
async function fits(page, what) {
  assert.ok((await overhang(page)) <= 0, `${what} reaches beyond the window by ${await overhang(page)} pixels`);
}

export const tests = [
  {
    name: 'a Vietnamese patient is found by a name without accents and read',
    async test(context) {
      const { page, log, shot } = await openPage(context.browser, context.base);
      await page.goto(`${context.base}/`);
      assert.equal((await names(page)).length, context.studies.length, 'studies in the list');
      const days = context.studies.map(study => study.date);
      assert.deepEqual(days, [...days].sort().reverse(), 'newest first');
      await fits(page, 'the list');
      await shot('list');
      const wanted = /^NGUY[ỄE]N TH[ỊI] H[ỒO]NG [ÁA]NH$/;
      for (const text of ['nguyen thi hong anh', 'NGUYỄN THỊ HỒNG ÁNH', 'anh hong nguyen']) {
        const found = await find(page, text);
        assert.ok(found.includes('NGUYỄN THỊ HỒNG ÁNH') && found.every(name => wanted.test(name)), `${text}: ${found}`);
        assert.ok(!/anh|%/i.test(page.url()), `the address tells what was searched: ${page.url()}`);
      }
      assert.deepEqual(await find(page, 'khong co ai'), []);
      assert.deepEqual(await find(page, 'binh tran'), ['TRẦN VĂN BÌNH']);
      await shot('list-found');
      await page.locator(NAMES).first().click();
      await page.waitForURL(/\/studies\//);
      assert.match(await page.locator('h1').innerText(), /TRẦN VĂN BÌNH/);
      await untilThumbnails(page, 'main img', 0);
      await fits(page, 'the study');
      await shot('study');
      await page.locator('main a.view').first().click();
      await untilPictures(page, lit(0.1), 'the CT');
      assert.match(page.url(), /&scope=[0-9a-f]{32}/);
      clean(log);
    },
  },
  {
    name: 'the page of a study names no stranger under the same number',
    async test(context) {
      const [study, prior] = chest(context.studies);
      const other = stranger(context.studies);
      const { page, log, shot } = await openPage(context.browser, context.base);
      await page.goto(`${context.base}/studies/${study.study}`);
      const links = await page.locator('main a').evaluateAll(all => all.map(link => link.href).join('\n'));
      assert.ok(links.includes(prior.study), 'the prior');
      assert.ok(!links.includes(other.study), 'the stranger');
      await shot('study-with-prior');
      clean(log);
    },
  },
  {
    name: 'a phone shows list, study, state and a CT, and nothing reaches beyond its edge',
    async test(context) {
      const study = one(context.studies, s => /TRẦN VĂN BÌNH/.test(s.patientName), 'the CT');
      const { page, log, shot } = await openPage(context.browser, context.base);
      await page.setViewportSize({ width: 390, height: 844 });
      const pages = [['list', '/'], ['study', `/studies/${study.study}`], ['state', '/state']];
      for (const [name, address] of pages) {
        await page.goto(context.base + address);
        await untilThumbnails(page, 'main img', 0);
        await fits(page, name);
        await shot(`phone-${name}`);
      }
      await page.goto(`${context.base}/studies/${study.study}`);
      await page.locator('main a.view').first().click();
      await untilStill(page, lit(0.05), 'the CT');
      await fits(page, 'the viewer');
      await shot('phone-viewer-ct');
      clean(log);
    },
  },
  {
    name: 'the state of the system is shown',
    async test(context) {
      const { page, log, shot } = await openPage(context.browser, context.base);
      await page.goto(`${context.base}/state`);
      await until('totals', () => page.locator('main').innerText(), text => /\d/.test(text));
      await fits(page, 'the state');
      await shot('state');
      clean(log);
    },
  },
];
