// What a reader does in OHIF, and what must never happen.
import assert from 'node:assert/strict';
import { search } from './archive.mjs';
import { openPage, until, untilPictures, untilStill, untilThumbnails } from './browser.mjs';

export const lit = share => all => all.length > 0 && all[0].lit > share;

/** The study of `studies` that the function accepts. */
export function one(studies, accept, what) {
  const found = studies.filter(accept);
  assert.equal(found.length, 1, `${what}: ${found.length} studies`);
  return found[0];
}
export const chest = studies => {
  const all = studies.filter(s => s.patientId === '2600012345' && /NGHI/.test(s.description));
  assert.equal(all.length, 2, 'the chest X-ray and its prior');
  return all.sort((a, b) => b.date.localeCompare(a.date));
};
export const stranger = studies => one(studies, s => s.patientId === '2600012345' && /PHẠM/.test(s.patientName), 'the stranger');

/** The viewer's address of a study, as the start page links it: limited to the patient. */
async function linkOf(base, study) {
  const text = await (await fetch(`${base}/`)).text();
  const links = [...text.matchAll(/href="(\/ohif\/viewer\?[^"]*)"/g)].map(([, link]) => link.replaceAll('&amp;', '&'));
  const link = links.find(link => link.includes(`StudyInstanceUIDs=${study.study}&`));
  assert.match(link ?? 'no link', /&scope=[0-9a-f]{32}&/, study.description);
  return link;
}

export async function open(context, study) {
  const opened = await openPage(context.browser, context.base);
  await opened.page.goto(context.base + (await linkOf(context.base, study)));
  return opened;
}

/** Nothing was asked of another host, nothing failed, nothing was blocked. */
export function clean(log) {
  assert.deepEqual(log.foreign, [], 'requests to other hosts');
  assert.deepEqual(log.failed, [], 'failed requests');
  assert.deepEqual(log.refused, [], 'what the content security policy blocked');
  assert.deepEqual(log.errors, [], 'errors of scripts');
}

export const body = page => page.evaluate(() => document.body.innerText);

/** The small pictures of series in the viewer. */
export const THUMBNAILS = '[data-cy="study-browser-thumbnail"] img';

/** Waits until the answers to requests whose address `accept`s are there. */
const answered = (log, accept, what) => until(what, () => log.answered.some(accept));

/** Waits until the browser's own viewer shows a page of paper in `place`: much white with something dark on it. */
async function untilPaper(page, place) {
  await place.waitFor();
  await until('the page of a PDF', async () => {
    const clip = await place.boundingBox();
    const picture = (await page.screenshot({ clip })).toString('base64');
    return page.evaluate(async picture => {
      const image = new Image();
      image.src = `data:image/png;base64,${picture}`;
      await image.decode();
      const copy = document.createElement('canvas');
      [copy.width, copy.height] = [image.width, image.height];
      const pen = copy.getContext('2d');
      pen.drawImage(image, 0, 0);
      const { data } = pen.getImageData(0, 0, image.width, image.height);
      let [white, dark] = [0, 0];
      for (let i = 0; i < data.length; i += 4) {
        const most = Math.max(data[i], data[i + 1], data[i + 2]);
        if (Math.min(data[i], data[i + 1], data[i + 2]) > 250) white += 1;
        if (most < 25) dark += 1;
      }
      return { white: white / (data.length / 4), dark };
    }, picture);
  }, ({ white, dark }) => white > 0.2 && dark > 100);
}

/** Waits for a text on the page. */
export const says = (page, text) => page.getByText(text).first().waitFor();

/** Starts the clip by its player, which stands on every clip. */
async function play(page) {
  await page.locator('[data-cy="cine-player-play-pause"]').first().click();
}

export const tests = [
  {
    name: 'the viewer has no study list of its own',
    async test({ base }) {
      for (const address of ['/ohif', '/ohif/', '/ohif/index.html']) {
        const answer = await fetch(base + address, { redirect: 'manual' });
        assert.equal(answer.status, 302, address);
        assert.equal(answer.headers.get('location'), '/', address);
      }
    },
  },
  {
    name: 'an X-ray is shown, in Vietnamese, by this server alone',
    async test(context) {
      const [study] = chest(context.studies);
      const { page, log, shot } = await open(context, study);
      await untilPictures(page, lit(0.2), 'the X-ray');
      await says(page, 'Danh sách ca chụp');
      await untilThumbnails(page, THUMBNAILS, 2);
      await shot('viewer-x-ray');
      const text = await body(page);
      assert.match(text, /Ca chụp/);
      assert.match(text, /NGUYỄN THỊ HỒNG ÁNH/);
      assert.match(text, /05\/01\/2026/);
      assert.ok(log.requests.some(url => url.includes('/frames/')), 'pixels by frames');
      clean(log);
    },
  },
  {
    name: 'English is one parameter away and is remembered',
    async test(context) {
      const [study] = chest(context.studies);
      const { page, log, shot } = await openPage(context.browser, context.base);
      const plain = `${context.base}/ohif/viewer?StudyInstanceUIDs=${study.study}`;
      await page.goto(`${plain}&lng=en-US`);
      await untilPictures(page, lit(0.2), 'the X-ray');
      await says(page, 'Study list');
      await page.goto(plain);
      await untilPictures(page, lit(0.2), 'the X-ray');
      await says(page, 'Study list');
      await shot('viewer-english');
      clean(log);
    },
  },
  {
    name: 'a CT is scrolled',
    async test(context) {
      const study = one(context.studies, s => /TRẦN VĂN BÌNH/.test(s.patientName), 'the CT');
      const { page, log, shot } = await open(context, study);
      await untilPictures(page, lit(0.1), 'the CT');
      // The scout comes first; the slices are the series with most images.
      await page.locator('[data-cy="study-browser-thumbnail"]').nth(1).dblclick();
      await answered(log, url => /\/frames\//.test(url), 'slices');
      await page.locator('[data-cy="viewport-overlay-top-left"]').getByText(/NGUC/).waitFor();
      const [before] = await untilStill(page, lit(0.1), 'the slices');
      await untilThumbnails(page, THUMBNAILS, 2);
      await shot('viewer-ct');
      await page.locator('canvas.cornerstone-canvas').first().hover();
      for (let n = 0; n < 10; n += 1) await page.mouse.wheel(0, 120);
      const [after] = await untilPictures(page, all => lit(0.1)(all) && all[0].sum !== before.sum, 'another slice');
      assert.notEqual(after.sum, before.sum);
      await untilStill(page, lit(0.1), 'the slice');
      await shot('viewer-ct-scrolled');
      clean(log);
    },
  },
  {
    name: 'priors of the patient are listed, a stranger under the same number is not',
    async test(context) {
      const [study, prior] = chest(context.studies);
      const other = stranger(context.studies);
      const { page, log, shot } = await open(context, study);
      await untilPictures(page, lit(0.2), 'the X-ray');
      const shown = ({ date }) => `${date.slice(6)}/${date.slice(4, 6)}/${date.slice(0, 4)}`;
      await says(page, shown(prior));
      await untilThumbnails(page, THUMBNAILS, 2);
      await shot('viewer-prior-listed');
      // A whole line: the same woman's X-ray from the district, linked by her personal number, is described with more words.
      const lines = (await body(page)).split('\n').map(line => line.trim());
      assert.ok(!lines.includes(shown(other)) && !lines.includes(other.description), 'the stranger is listed');
      assert.ok(!log.requests.some(url => url.includes(other.study)), 'the stranger was asked for');
      await page.getByText(shown(prior)).first().click();
      await untilThumbnails(page, THUMBNAILS, 4);
      await page.locator(`[data-cy="study-browser-thumbnail"]`).last().dblclick();
      const ofPrior = url => url.includes(`/studies/${prior.study}/`) && url.includes('/frames/');
      await answered(log, ofPrior, 'pixels of the prior');
      await page.locator('[data-cy="viewport-overlay-top-left"]').getByText(shown(prior)).waitFor();
      await untilStill(page, lit(0.2), 'the prior');
      await shot('viewer-prior');
      assert.ok(!log.requests.some(url => url.includes(other.study)), 'the stranger was asked for');
      clean(log);
    },
  },
  {
    name: 'an address without a patient never leads to a stranger',
    async test(context) {
      const [study] = chest(context.studies);
      const { page, log } = await openPage(context.browser, context.base);
      const answer = await page.goto(`${context.base}/ohif/viewer?StudyInstanceUIDs=${study.study}`);
      await untilPictures(page, lit(0.2), 'the X-ray');
      // The server sends such an address on to the patient's own.
      assert.match(answer.url(), /&scope=[0-9a-f]{32}/);
      await answered(log, url => /00100020=|PatientID=/.test(url), 'the search for priors');
      await untilThumbnails(page, THUMBNAILS, 2);
      assert.ok(!log.requests.some(url => /\/dicom-web\//.test(url) && !/\/patients\/[0-9a-f]{32}\//.test(url)));
      assert.ok(!log.requests.some(url => url.includes(stranger(context.studies).study)), 'the stranger was asked for');
      clean(log);
    },
  },
  {
    name: 'colour ultrasound is shown in colour and plays',
    async test(context) {
      const study = one(context.studies, s => s.patientId === 'MAU-0001', 'the colour clip');
      const { page, log, shot } = await open(context, study);
      await untilPictures(page, all => lit(0.2)(all) && all[0].coloured > 0.2, 'the clip');
      await untilThumbnails(page, THUMBNAILS, 1);
      const [before] = await untilStill(page, all => all[0].coloured > 0.2, 'the clip');
      await shot('viewer-us-colour');
      await play(page);
      await untilPictures(page, all => all[0].coloured > 0.2 && all[0].sum !== before.sum, 'another frame');
      clean(log);
    },
  },
  {
    name: 'a run-length encoded clip of 40 frames is shown and plays',
    async test(context) {
      const study = one(context.studies, s => /HUỲNH/.test(s.patientName), 'the ultrasound');
      const { page, log, shot } = await open(context, study);
      await untilPictures(page, lit(0.05), 'the ultrasound');
      await untilThumbnails(page, THUMBNAILS, 1);
      const [before] = await untilStill(page, lit(0.05), 'the ultrasound');
      await shot('viewer-us');
      await play(page);
      await untilPictures(page, all => lit(0.05)(all) && all[0].sum !== before.sum, 'another frame');
      clean(log);
    },
  },
  {
    name: 'a PDF is shown',
    async test(context) {
      const study = one(context.studies, s => s.modalities.includes('DOC') && s.modalities.includes('CT'), 'the CT');
      const { page, log, shot } = await open(context, study);
      await untilPictures(page, lit(0.1), 'the CT');
      await page.locator('[data-cy="study-browser-thumbnail-no-image"]').filter({ hasText: /DOC/ }).first().dblclick();
      await untilPaper(page, page.locator('object[type="application/pdf"]'));
      await shot('viewer-pdf');
      clean(log);
    },
  },
  {
    name: 'a large PDF is shown although its page may do nothing else; a short one has an address too',
    async test(context) {
      const study = one(context.studies, s => s.patientId === 'GIAY-0001', 'the scanned report');
      const { page, log, shot } = await open(context, study);
      await untilPaper(page, page.locator('object[type="application/pdf"]'));
      await shot('viewer-pdf-large');
      clean(log);
      const short = one(context.studies, s => s.modalities.includes('DOC') && s.modalities.includes('CT'), 'the CT');
      for (const { study: uid } of [study, short]) {
        const [found] = await search(context.base, `studies/${uid}/instances?Modality=DOC`);
        const address = `/dicom-web/studies/${uid}/series/${found.series}/instances/${found.instance}/rendered`;
        const answer = await fetch(context.base + address);
        assert.equal(answer.status, 200, address);
        assert.equal(answer.headers.get('content-type'), 'application/pdf');
        assert.match(answer.headers.get('content-security-policy'), /default-src 'none';.* sandbox$/);
        assert.equal((await answer.text()).slice(0, 5), '%PDF-');
      }
    },
  },
  {
    name: 'a phone shows the picture',
    async test(context) {
      const [study] = chest(context.studies);
      const { page, log, shot } = await openPage(context.browser, context.base);
      await page.setViewportSize({ width: 390, height: 844 });
      await page.goto(context.base + (await linkOf(context.base, study)));
      await untilPictures(page, lit(0.2), 'the X-ray');
      await untilStill(page, lit(0.2), 'the X-ray');
      await shot('phone-viewer');
      const { width } = await page.locator('canvas.cornerstone-canvas').first().boundingBox();
      assert.ok(width > 300, `the picture is ${width} pixels wide`);
      clean(log);
    },
  },
  {
    name: 'the second visit loads no script again',
    async test(context) {
      const [study] = chest(context.studies);
      const first = await open(context, study);
      await untilPictures(first.page, lit(0.2), 'the X-ray');
      await first.page.close();
      const second = await openPage(context.browser, context.base);
      const loaded = [];
      second.page.on('response', async response => {
        const file = new URL(response.url()).pathname;
        if (/^\/ohif\/.*\.[0-9a-f]{16}\.js$/.test(file) && !response.fromServiceWorker()) {
          const sizes = await response.request().sizes().catch(() => null);
          if (sizes && sizes.responseBodySize > 0) loaded.push(`${file}: ${sizes.responseBodySize}`);
        }
      });
      await second.page.goto(context.base + (await linkOf(context.base, study)));
      await untilPictures(second.page, lit(0.2), 'the X-ray');
      assert.deepEqual(loaded, []);
    },
  },
  {
    name: 'a linked prior under another number is opened, and parted again is not there',
    async test(context) {
      const [study] = chest(context.studies);
      const prior = one(context.studies, s => s.patientId === '00004711', 'the study of the other hospital');
      const say = async (what, why) => {
        const body = JSON.stringify({ a: study.study, b: prior.study, who: 'BS. Thử', document: 'CCCD', why });
        const headers = { 'content-type': 'application/json' };
        return fetch(`${context.base}/api/v1/patients/${what}`, { method: 'POST', headers, body });
      };
      assert.equal((await say('links', 'cùng số định danh')).status, 201);
      const { page, log } = await open(context, study);
      await untilPictures(page, lit(0.2), 'the X-ray');
      const d = prior.date;
      await page.getByText(`${d.slice(6)}/${d.slice(4, 6)}/${d.slice(0, 4)}`).first().click();
      await untilThumbnails(page, THUMBNAILS, 3);
      await page.locator('[data-cy="study-browser-thumbnail"]').last().dblclick();
      await answered(log, url => url.includes(`/studies/${prior.study}/`) && url.includes('/frames/'), 'its pixels');
      assert.ok(!log.requests.some(url => url.includes(stranger(context.studies).study)));
      clean(log);
      await page.close();
      assert.equal((await say('unlinks', 'nhầm người')).status, 201);
      const later = await open(context, study);
      await untilPictures(later.page, lit(0.2), 'the X-ray');
      assert.ok(!later.log.requests.some(url => url.includes(prior.study)), 'the parted study is asked for');
    },
  },
];
