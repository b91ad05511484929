// From an order to the decision, as a doctor at a central hospital goes: a head CT came from a district hospital, its
// report followed, the same exam is ordered again.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { makeDemo, startArchive } from './archive.mjs';
import { openPage, overhang, until, untilPictures } from './browser.mjs';
import { clean, lit } from './viewer.mjs';

const SITE = `
[dimse]
accept = "known"
[study]
quiet_seconds = 1
[[facility]]
code = "00002"
name = "Bệnh viện huyện"
licensed = true
[[facility]]
code = "01001"
name = "Bệnh viện trung ương"
[[peer]]
ae_title = "CTHUYEN"
address = "127.0.0.1"
facility = "00002"
patient_id_is = "patient"
`;
const DAY_MS = 86_400_000;
const PHONE = { width: 360, height: 640 };
export const DOCTOR = 'BS. Nguyễn Văn Trung';
const NUMBER = { patient_id: '00004802', issuer: 'BVHUYEN' };
const PERSON = { ...NUMBER, name: 'ĐẶNG THỊ DUNG', birth_date: '19491120', sex: 'F' };
const HEAD_CT = { code: '18.0149.0040', name: 'Chụp CLVT sọ não không tiêm thuốc cản quang', contrast: 'without' };

/** A day at the site, `YYYYMMDD`, some days before today. */
export function day(before) {
  return new Date(Date.now() - before * DAY_MS + 7 * 3_600_000).toISOString().slice(0, 10).replaceAll('-', '');
}

/**
 * Sends the demo head CT, or what lies in the folder `from`, by C-STORE, as a study of its own that is `before` days old,
 * and gives its UID. The file at the place `without` is left out.
 */
export function send(archive, name, before, more = [], { from = '00002/ct-so-nao', without = -1 } = {}) {
  const demo = path.join(makeDemo(path.resolve('build/browser-demo')), from);
  const to = path.join(archive.folder, name);
  fs.cpSync(demo, to, { recursive: true });
  const files = fs.readdirSync(to, { recursive: true }).map(file => path.join(to, file))
    .filter(file => fs.statSync(file).isFile()).sort().filter((_, n) => n !== without);
  archive.sent = { ...archive.sent, [name]: files[1] };
  const study = `2.25.${Date.now()}${Math.floor(Math.random() * 1e6)}`;
  const changes = [
    ['(0020,000d)', study], ['(0020,000e)', `${study}.1`], ['(0008,0020)', day(before)], ['(0008,0021)', day(before)],
    ['(0008,0022)', day(before)], ['(0008,0023)', day(before)], ['(0010,0021)', NUMBER.issuer],
    ['(0008,0050)', name.toUpperCase()], ...more,
  ].flatMap(([tag, value]) => ['-i', `${tag}=${value}`]);
  execFileSync('dcmodify', ['-nb', '-gin', ...changes, ...files]);
  execFileSync('storescu', ['-aet', 'CTHUYEN', '-aec', 'PACS', '127.0.0.1', String(archive.dimse), ...files]);
  return study;
}

export async function say(archive, method, address, body) {
  const answer = await fetch(archive.base + address, {
    method, headers: { 'content-type': 'application/json', 'x-claimed-user': 'HIS' }, body: JSON.stringify(body),
  });
  const told = await answer.text();
  assert.ok(answer.ok, `${method} ${address}: ${answer.status} ${told}`);
  return JSON.parse(told);
}

export const order = async (archive, more = {}) => (await say(archive, 'POST', '/api/v1/orders', {
  ordering_facility: '01001', patient: PERSON, exams: [HEAD_CT], ordered_by: DOCTOR, ...more,
})).order;

export const report = (archive, study, more = {}) => say(archive, 'POST', '/api/v1/reports', {
  study, facility: '00002', status: 'final', reader: 'BS. Lê Thị Hạnh', practice_certificate: '001234/BYT-CCHN',
  description: 'Không thấy tổn thương.', conclusion: 'Không thấy hình ảnh xuất huyết nội sọ.',
  signed_at: new Date(Date.now() - DAY_MS).toISOString(), signature: 'declared', ...more,
});

/** What the check says of an order once its pictures were examined, verified and coded. */
export const checked = (archive, id, study, unconfirmed = false) => until('the answer of the check',
  () => say(archive, 'POST', '/api/v1/reuse/check', { order: id }), answer => answer.studies
    .some(seen => seen.study === study && seen.examined_at && seen.verified_at && (unconfirmed || seen.codes?.length)));

/** How often in turn an answer has to be the same before it counts as settled. */
const SAME = 20;

/** A person says what the study of an order's prior is; waits until all that follows from it is done. */
async function coded(archive, id, study) {
  await say(archive, 'POST', `/api/v1/studies/${study}/codes`, { techniques: ['18.149'], service_code: HEAD_CT.code });
  let [before, same] = ['', 0];
  await until('the answer that stays', async () => {
    const { decision, studies } = await say(archive, 'POST', '/api/v1/reuse/check', { order: id });
    const now = JSON.stringify([decision, studies]);
    same = now === before ? same + 1 : 0;
    before = now;
    return same;
  }, times => times >= SAME);
}

export async function withSite(test) {
  const folder = fs.mkdtempSync('/tmp/site-');
  const config = path.join(folder, 'archive.toml');
  fs.writeFileSync(config, SITE);
  const archive = await startArchive('build/viewer', { PACS_CONFIG: config });
  try {
    await test(archive);
  } finally {
    await archive.stop();
    fs.rmSync(folder, { recursive: true });
  }
}

/** Everything that decides stands within the window: nothing has to be scrolled. */
async function onOneScreen(page, what) {
  const low = await page.evaluate(() => [...document.querySelectorAll('.ordered, .prior, .decide .button, .responsible')]
    .filter(element => element.closest('.panel') === null)
    .map(element => [element.className, Math.round(element.getBoundingClientRect().bottom)])
    .filter(([, bottom]) => bottom > window.innerHeight));
  assert.deepEqual(low, [], `${what}: below the edge of the window`);
  assert.ok((await overhang(page)) <= 0, `${what} reaches beyond the window`);
}

/** Opens the page of an order at a desk and on a phone, keeps how both look, and leaves it at the desk. */
async function look(context, archive, id, name) {
  const opened = await openPage(context.browser, archive.base);
  const { page, shot } = opened;
  await page.setViewportSize(PHONE);
  await page.goto(`${archive.base}/reuse?order=${id}`);
  await shot(`reuse-${name}-phone`);
  await onOneScreen(page, `${name} on a phone`);
  await page.setViewportSize({ width: 1280, height: 800 });
  await shot(`reuse-${name}`);
  return opened;
}

export const reasons = page => page.locator('.prior > .checks').innerText();

export const tests = [
  {
    name: 'a prior from another hospital is offered, reused, and opens in the viewer',
    test: context => withSite(async archive => {
      const study = send(archive, 'huyen1', 9);
      await report(archive, study);
      const id = await order(archive);
      await checked(archive, id, study);
      await coded(archive, id, study);
      const { page, log, shot } = await look(context, archive, id, 'offered');
      const text = await page.locator('.prior').innerText();
      for (const told of [/9 ngày trước/, /sọ não/i, /00002/, /xuất huyết/, /Lê Thị Hạnh/, /Đã duyệt/, /ĐẶNG THỊ DUNG/]) {
        assert.match(text, told);
      }
      const [viewer] = await Promise.all([page.waitForEvent('popup'), page.keyboard.press('1')]);
      await untilPictures(viewer, lit(0.05), 'the prior');
      await viewer.close();

      // Two clicks, and a reason where the archive warns.
      await page.keyboard.press('2');
      await page.locator('#reuse').waitFor();
      await shot('reuse-decide');
      await page.locator('#who-reuse').fill(DOCTOR);
      if (await page.locator('#reuse input[value=other]').count()) {
        await page.locator('#reuse input[value=other]').check();
        await page.locator('#reuse input[name=text]').fill('Đã xem hình và kết quả');
      }
      await page.locator('#reuse button').click();
      await page.getByText('Đã dùng lại kết quả trước').waitFor();
      await shot('reuse-decided');
      assert.equal((await (await fetch(`${archive.base}/api/v1/orders/${id}`)).json()).status, 'reused');
      await page.goto(`${archive.base}/ledger`);
      await until('the entry', async () => {
        await page.reload();
        return page.locator('main').innerText();
      }, text => /Tránh chụp lại/.test(text));
      await shot('ledger');
      const ledger = await page.locator('main').innerText();
      assert.match(ledger, /[1-9][\d.]* đ/, 'an amount');
      assert.ok(await page.locator('svg rect.counts').count() > 0, 'charts');
      await page.setViewportSize(PHONE);
      await shot('ledger-phone');
      assert.ok((await overhang(page)) <= 0);
      clean(log);

      // The decision is taken back: the entry is reversed, the order is open again.
      await page.goto(`${archive.base}/reuse?order=${id}#withdraw`);
      await page.locator('#who-withdraw').fill(DOCTOR);
      await page.locator('#withdraw-why').fill('Nhầm chỉ định');
      await page.locator('#withdraw button').click();
      await page.waitForURL(address => !address.hash);
      assert.equal(await page.getByText('Đã dùng lại kết quả trước').count(), 0);
      await page.goto(`${archive.base}/ledger`);
      await until('the reversal', async () => {
        await page.reload();
        return page.locator('main').innerText();
      }, text => /Đảo: đã chụp lại/.test(text));
    }),
  },
  {
    name: 'why a prior is not simply green stands on the page',
    test: context => withSite(async archive => {
      const study = send(archive, 'huyen2', 500);
      const id = await order(archive);
      await checked(archive, id, study);
      const { page, log } = await look(context, archive, id, 'old-without-report');
      assert.match(await page.locator('.prior .badge').first().innerText(), /Cần bác sĩ xem xét|Không đủ điều kiện/);
      await page.locator('.all > summary').click();
      const all = await page.locator('.all').innerText();
      assert.match(all, /500 ngày trước/);
      assert.match(all, /Chưa có kết quả đọc/);
      assert.match(await page.locator('.found').innerText(), /Chưa có kết quả đọc/);

      const contrast = await order(archive, { exams: [{ code: '18.0150.0041', name: 'CLVT sọ não có tiêm', contrast: 'with' }] });
      await page.goto(`${archive.base}/reuse?order=${contrast}`);
      assert.match(await reasons(page), /Chưa tiêm thuốc|không phù hợp|Khác/i);

      const urgent = await order(archive, { urgency: 'emergency' });
      await page.goto(`${archive.base}/reuse?order=${urgent}`);
      await page.getByText('Diễn biến lâm sàng có thay đổi').first().waitFor();
      assert.equal(await page.locator('.badge.received').count(), 0, 'no green before the question');
      assert.ok(await page.locator('button[disabled]', { hasText: 'Dùng lại kết quả này' }).isVisible());
      await page.setViewportSize(PHONE);
      await onOneScreen(page, 'an urgent order on a phone');
      await page.locator('#who').fill(DOCTOR);
      await page.getByRole('button', { name: 'Không thay đổi' }).click();
      await page.waitForLoadState();
      assert.equal(await page.locator('.ask').count(), 0, 'it was answered');

      const nobody = await order(archive, { patient: { patient_id: 'NB-0', issuer: 'BVHUYEN', name: 'PHẠM VĂN ĐỨC' } });
      await page.goto(`${archive.base}/reuse?order=${nobody}`);
      const nothing = await page.locator('main').innerText();
      assert.match(nothing, /Chưa tìm thấy kết quả trước/);
      assert.match(nothing, /Đã hỏi:/);
      clean(log);
    }),
  },
  {
    name: 'codes that wait are given by a key, and what did not meet is listed',
    test: context => withSite(async archive => {
      const study = send(archive, 'huyen3', 0);
      await order(archive, { accession: 'KHONG-HINH' });
      const { page, log, shot } = await openPage(context.browser, archive.base);
      await page.goto(`${archive.base}/reconciliation`);
      await shot('reconciliation');
      const text = await page.locator('main').innerText();
      assert.match(text, /KHONG-HINH/);
      assert.match(text, /HUYEN3/);
      await page.setViewportSize(PHONE);
      await shot('reconciliation-phone');
      assert.ok((await overhang(page)) <= 0);
      assert.ok(text.includes('CT SO NAO KHONG TIEM') && study);

      // Nothing says what these are; a person does, once for all of that hospital.
      const unknown = ['(0008,1030)', '(0008,103e)', '(0018,1030)', '(0018,0015)']
        .map((tag, at) => [tag, at === 0 ? 'GOI KHAM DAC BIET 7' : '']);
      const [first, second] = ['huyen4', 'huyen5'].map(name => send(archive, name, 0, unknown));
      const coding = async of => (await (await fetch(`${archive.base}/api/v1/studies/${of}/codes`)).json()).coding;
      for (const one of [first, second]) await until('it waits', () => coding(one), of => of?.outcome === 'review');
      await page.goto(`${archive.base}/review`);
      await shot('review-phone');
      assert.ok((await overhang(page)) <= 0);
      await page.setViewportSize({ width: 1280, height: 800 });
      await shot('review');
      assert.equal(await page.locator('.task').count(), 2);
      await page.locator('#who').fill(DOCTOR);
      await page.locator('h1').click();
      await page.keyboard.press('r');
      await page.keyboard.press('o');
      await page.keyboard.type('18.149');
      await Promise.all([page.waitForURL(/done=/), page.keyboard.press('Enter')]);
      for (const one of [first, second]) {
        const now = await until('its code', () => coding(one), of => of?.outcome === 'assigned');
        assert.deepEqual(now.techniques, ['18.149']);
      }
      assert.equal((await coding(second)).chosen_by ?? (await coding(first)).chosen_by, DOCTOR);
      assert.deepEqual([(await coding(first)).source, (await coding(second)).source].sort(), ['person', 'rule']);
      await page.goto(`${archive.base}/review`);
      assert.match(await page.locator('main').innerText(), /Không còn ca nào/);
      clean(log);
    }),
  },
];
