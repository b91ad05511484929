// A measurement that a reader makes in OHIF, kept as a structured report and found again.
import assert from 'node:assert/strict';
import { search } from './archive.mjs';
import { until, untilStill } from './browser.mjs';
import { clean, lit, one, open, says } from './viewer.mjs';

/** Comprehensive SR and its relatives (PS3.4 B.5). */
const REPORT = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\./;
const NAME = 'ĐO THỬ';

/** Draws a length over the first picture of the page. */
async function measure(page) {
  await page.locator('[data-cy="Length-btn"]').click();
  const { x, y, width, height } = await page.locator('canvas.cornerstone-canvas').first().boundingBox();
  const at = (right, down) => [x + width * right, y + height * down];
  await page.mouse.move(...at(0.4, 0.4));
  await page.mouse.down();
  await page.mouse.move(...at(0.5, 0.45), { steps: 5 });
  await page.mouse.move(...at(0.6, 0.5), { steps: 5 });
  await page.mouse.up();
}

/** The lengths that stand on the pictures of the page, in millimetres. */
const lengths = page =>
  page.evaluate(() => [...document.querySelectorAll('svg text')]
    .map(text => /([\d.]+) mm/.exec(text.textContent)).filter(Boolean).map(([, number]) => Number(number)));

export const tests = [
  {
    name: 'a report saved from the viewer is found again',
    async test(context) {
      const study = one(context.studies, s => /TRẦN VĂN BÌNH/.test(s.patientName), 'the CT');
      const reports = async () =>
        (await search(context.base, `studies/${study.study}/instances?Modality=SR`)).map(row => row.instance);
      const before = await reports();
      const { page, log, shot } = await open(context, study);
      await untilStill(page, lit(0.1), 'the CT');
      await page.locator('[data-cy="confirm-and-hide-button"]').click();
      await measure(page);
      await page.locator('[data-cy="prompt-begin-tracking-yes-btn"]').click();
      await page.locator('[data-cy="trackedMeasurements-btn"]').click();
      const [length] = await until('the measurement', () => lengths(page), all => all.length === 1);
      await page.getByText('Lưu thành báo cáo SR').click();
      await page.locator('[role="dialog"] input').fill(NAME);
      await shot('viewer-report-saving');
      const stored = page.waitForResponse(answer => answer.request().method() === 'POST');
      await page.locator('[role="dialog"] button').filter({ hasText: /^(Save|Lưu)$/ }).click();
      const answer = await stored;
      assert.equal(answer.status(), 200, await answer.text());
      const stowed = (await answer.json())['00081199'].Value[0];
      assert.match(stowed['00081150'].Value[0], REPORT);
      const uid = stowed['00081155'].Value[0];
      const after = await reports();
      assert.ok(!before.includes(uid) && after.includes(uid), `${uid} is not among ${after}`);
      assert.equal(after.length, before.length + 1);
      clean(log);

      const again = await open(context, study);
      await untilStill(again.page, lit(0.1), 'the CT');
      await again.page.locator('[data-cy="confirm-and-hide-button"]').click();
      const item = again.page.locator('[data-cy="study-browser-thumbnail-no-image"]').filter({ hasText: NAME });
      await item.dblclick();
      // The measurement stands on the picture again; only then can it be taken up for more work.
      await says(again.page, 'Tiếp tục theo dõi các phép đo của ca chụp này?');
      // On a busy machine the viewer draws it with the next thing that happens on the picture.
      const { x, y, width, height } = await again.page.locator('canvas.cornerstone-canvas').first().boundingBox();
      let turn = 0;
      const pointed = async () => {
        turn += 1;
        await again.page.mouse.move(x + width * (turn % 2 ? 0.3 : 0.7), y + height * 0.7);
        return lengths(again.page);
      };
      const [drawn] = await until('the measurement again', pointed, all => all.length === 1);
      assert.ok(Math.abs(drawn - length) < 1, `${drawn} mm were saved as ${length} mm`);
      await untilStill(again.page, lit(0.1), 'the CT');
      await again.shot('viewer-report');
      clean(again.log);
    },
  },
];
