// Why a prior is not simply reused: one archive, one made-up person for each reason, and what the page says of it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { openPage, until } from './browser.mjs';
import { checked, day, DOCTOR, order, report, reasons, say, send, withSite } from './reuse.mjs';

const KNEE = { code: '18.112', name: 'Chụp X-quang khớp gối', side: 'right' };
const NAMES = {
  side: 'LÊ THỊ HOA', old: 'PHẠM THỊ SEN', gap: 'VŨ THỊ LAN', unread: 'ĐỖ THỊ KHUÊ', candidate: 'BÙI VĂN KHANG',
  stranger: 'TRẦN VĂN BÌNH', linked: 'HỒ NGỌC MAI', damaged: 'NGÔ ĐỨC TÂM', amended: 'DƯƠNG MINH CHÂU', again: 'LÝ THU HÀ',
};
const BORN = name => `19${50 + Object.keys(NAMES).indexOf(name)}0${1 + Object.keys(NAMES).indexOf(name) % 9}17`;
const person = (name, more = {}) =>
  ({ patient_id: `N-${name}`, issuer: 'BVHUYEN', name: NAMES[name], birth_date: BORN(name), sex: 'F', ...more });
/** The header of a person's study. */
const header = (name, more = []) => [
  ['(0010,0020)', `N-${name}`], ['(0010,0010)', NAMES[name]], ['(0010,0030)', BORN(name)], ['(0010,0040)', 'F'], ...more,
];
const KNEE_HEADER = [
  ['(0020,0062)', 'L'], ['(0018,0015)', 'KNEE'], ['(0008,1030)', 'XQ KHOP GOI TRAI'], ['(0018,5101)', 'AP'],
];
/** Days until the exam is made again. */
const WEEK_DAYS = 8;
/** A day at the site as the ledger writes it. */
const iso = before => day(before).replace(/(....)(..)(..)/, '$1-$2-$3');
const told = page => page.locator('main').innerText();
const all = async page => {
  if (await page.locator('.all > summary').count()) await page.locator('.all > summary').click();
  return told(page);
};

/** Reuses the prior of an order as a doctor, over the interface. */
async function reuse(archive, id) {
  const { decision } = await say(archive, 'POST', '/api/v1/reuse/check', { order: id });
  await say(archive, 'POST', '/api/v1/reuse/decisions', {
    decision: 'reuse', order: id, verdict: decision.priors[0].verdict, reasons: ['other'], text: 'đã xem', who: DOCTOR,
  });
}

/** A byte of the pixels of a sent file turned round where it stands in a pack. */
function damage(archive, file) {
  const bytes = fs.readFileSync(file);
  const needle = bytes.subarray(bytes.length - 600, bytes.length - 500);
  const packs = path.join(archive.folder, 'data/packs');
  for (const name of fs.readdirSync(packs)) {
    const pack = fs.readFileSync(path.join(packs, name));
    const at = pack.indexOf(needle);
    if (at < 0) continue;
    pack[at + 50] ^= 0x55;
    fs.writeFileSync(path.join(packs, name), pack);
    return;
  }
  assert.fail('the pixels are in no pack');
}

/** What is sent and said before, and what the page of the order has to say; `exam` is ordered, else the head CT. */
const CASES = [
  { name: 'side', from: '00002/xq-nguc-truoc', before: 9, more: KNEE_HEADER, exams: [KNEE], technique: '18.112', says: /Khác bên: chỉ định/, red: true },
  { name: 'old', before: 500, says: /500 ngày trước/ },
  { name: 'gap', before: 9, without: 5, says: /Thiếu lát cắt/ },
  { name: 'unread', before: 9, unread: true, says: /Chưa có kết quả đọc/ },
  {
    name: 'candidate', before: 9, patient: { patient_id: 'KHAC-1', issuer: 'BVTU' }, hidden: true,
    says: /Có thể cùng người, chưa xác nhận/,
  },
  { name: 'stranger', before: 9, patient: { issuer: 'BVTU', name: 'NGUYỄN THÀNH LONG', birth_date: '19910909', sex: 'M' }, nothing: true },
];

async function arrived(archive, one) {
  const study = send(archive, one.name, one.before, header(one.name, one.more), one);
  if (!one.unread) await report(archive, study);
  if (one.technique) await say(archive, 'POST', `/api/v1/studies/${study}/codes`, { techniques: [one.technique] });
  const id = await order(archive, { patient: person(one.name, one.patient), ...(one.exams && { exams: one.exams }) });
  return { ...one, study, id };
}

export const tests = [
  {
    name: 'each reason against a prior stands on the page of its order',
    test: context => withSite(async archive => {
      const cases = [];
      for (const one of CASES) cases.push(await arrived(archive, one));
      const { page, log, shot } = await openPage(context.browser, archive.base);
      for (const one of cases) {
        if (!one.nothing) await checked(archive, one.id, one.study, one.hidden);
        await page.goto(`${archive.base}/reuse?order=${one.id}`);
        const text = await all(page);
        await shot(`opposite-${one.name}`);
        if (one.nothing) {
          assert.match(text, /Chưa tìm thấy kết quả trước/, one.name);
          assert.doesNotMatch(text, new RegExp(NAMES[one.name]), one.name);
          continue;
        }
        assert.match(text, one.says, one.name);
        assert.equal(await page.locator('.prior .badge.received').count(), 0, `${one.name}: no green`);
        if (one.red) assert.match(await reasons(page), one.says, 'the reason that decides stands first');
        if (one.hidden) {
          assert.match(text, /được ẩn cho đến khi xác nhận/, one.name);
          assert.doesNotMatch(text, /xuất huyết/, 'the report is hidden');
          assert.equal(await page.locator('.prior img').count(), 0, 'the pictures are hidden');
        }
      }
      assert.deepEqual(log.errors, []);
    }),
  },
  {
    name: 'a link that is taken back, a damaged pack, an amended report and an exam repeated after a week show at once',
    test: context => withSite(async archive => {
      const { page, log, shot } = await openPage(context.browser, archive.base);
      const open = async (id, says, name) => {
        const text = await until(says.toString(), async () => {
          await page.goto(`${archive.base}/reuse?order=${id}`);
          return all(page);
        }, text => says.test(text));
        await shot(`opposite-${name}`);
        return text;
      };
      const made = {};
      for (const name of ['linked', 'damaged', 'amended', 'again']) made[name] = await arrived(archive, { name, before: 9 });
      for (const { id, study } of Object.values(made)) await checked(archive, id, study);

      // Linked by a person with another hospital's number, then parted: not listed, never offered again.
      const own = send(archive, 'own', 30, header('linked', [['(0010,0020)', 'KHAC-2'], ['(0010,0010)', 'MAI NGOC HO']]));
      const id = await order(archive, { patient: person('linked', { patient_id: 'KHAC-2', name: 'MAI NGỌC HỒ' }) });
      await checked(archive, id, own);
      const pair = { a: own, b: made.linked.study, document: 'CCCD', why: 'cùng người' };
      const link = await say(archive, 'POST', '/api/v1/patients/links', pair);
      const listed = async () => JSON.stringify(await say(archive, 'POST', '/api/v1/reuse/check', { order: id }));
      assert.match(await listed(), new RegExp(made.linked.study.replaceAll('.', '\\.')));
      await open(id, /9 ngày trước/, 'linked');
      await say(archive, 'POST', '/api/v1/patients/unlinks', { a: link.a, b: link.b, why: 'nhầm' });
      assert.doesNotMatch(await open(id, /30 ngày trước/, 'unlinked'), /9 ngày trước|HỒ NGỌC MAI/);
      assert.doesNotMatch(await listed(), new RegExp(made.linked.study.replaceAll('.', '\\.')));

      // A report that is amended after the decision: the flag stands on the page of the order.
      await reuse(archive, made.amended.id);
      await report(archive, made.amended.study, { status: 'amended', conclusion: 'Có xuất huyết nhỏ.' });
      await open(made.amended.id, /Kết quả đã được sửa, hủy hoặc thay thế sau quyết định này/, 'amended');

      // A byte of a pack turns over; `verify` finds it.
      damage(archive, archive.sent.damaged);
      await archive.verify();
      await open(made.damaged.id, /Ảnh hỏng: mã băm không khớp/, 'damaged');
      assert.equal(await page.locator('.prior .badge.received').count(), 0, 'no green');

      // A week goes by, and the exam is made all the same; what was avoided is taken back that day.
      await reuse(archive, made.again.id);
      await open(made.again.id, /Đã dùng lại kết quả trước/, 'reused');
      await archive.restart(WEEK_DAYS);
      assert.doesNotMatch(await open(made.again.id, /Đã dùng lại kết quả trước/, 'a-week-later'), /Đã chụp lại sau quyết định này/);
      send(archive, 'repeated', -WEEK_DAYS, header('again', [['(0008,0030)', '000001'], ['(0008,0032)', '000001']]));
      await open(made.again.id, /Đã chụp lại sau quyết định này/, 'repeated');
      const entries = await (await fetch(`${archive.base}/api/v1/ledger/entries?order=${made.again.id}`)).json();
      assert.deepEqual(entries.map(entry => [entry.event, entry.reversal ?? null, entry.day]), [
        ['exam_avoided', null, iso(0)], ['exam_reversed', 'exam_performed', iso(-WEEK_DAYS)],
      ]);
      await page.goto(`${archive.base}/ledger`);
      await shot('opposite-week-ledger');
      assert.match(await told(page), /Đảo: đã chụp lại/);
      assert.deepEqual(log.errors, []);
    }),
  },
];
