// A small colour clip as an ultrasound machine makes it, in Explicit VR Little Endian (PS3.5 section 7.1.2).
import fs from 'node:fs';

const LONG = new Set(['OB', 'OW', 'SQ', 'UN', 'UT']);
const ROWS = 96;
const COLUMNS = 128;
const FRAMES = 8;

function element(tag, vr, value) {
  let body = value;
  if (typeof value === 'string') body = Buffer.from(value, 'utf8');
  if (typeof value === 'number') {
    body = Buffer.alloc(vr === 'UL' ? 4 : 2);
    if (vr === 'UL') body.writeUInt32LE(value);
    else body.writeUInt16LE(value);
  }
  if (body.length % 2 === 1) body = Buffer.concat([body, Buffer.from(vr === 'UI' || vr === 'OB' ? '\0' : ' ')]);
  const head = Buffer.alloc(LONG.has(vr) ? 12 : 8);
  head.writeUInt16LE(tag >>> 16, 0);
  head.writeUInt16LE(tag & 0xffff, 2);
  head.write(vr, 4, 'latin1');
  if (LONG.has(vr)) head.writeUInt32LE(body.length, 8);
  else head.writeUInt16LE(body.length, 6);
  return Buffer.concat([head, body]);
}

/** A red and a blue field whose border wanders from frame to frame. */
function pixels() {
  const bytes = Buffer.alloc(ROWS * COLUMNS * FRAMES * 3);
  let at = 0;
  for (let frame = 0; frame < FRAMES; frame += 1) {
    for (let row = 0; row < ROWS; row += 1) {
      for (let column = 0; column < COLUMNS; column += 1) {
        const left = column < 16 + frame * 12;
        bytes[at] = left ? 220 : 20;
        bytes[at + 1] = 40;
        bytes[at + 2] = left ? 20 : 220;
        at += 3;
      }
    }
  }
  return bytes;
}

/** Writes the data set `data` (tag, VR, value) of the SOP class `classUid` to `file`, as PS3.10 has it. */
export function writeInstance(file, classUid, sop, data) {
  const meta = Buffer.concat([
    element(0x00020001, 'OB', Buffer.from([0, 1])), element(0x00020002, 'UI', classUid),
    element(0x00020003, 'UI', sop), element(0x00020010, 'UI', '1.2.840.10008.1.2.1'),
    element(0x00020012, 'UI', '2.25.4711'),
  ]);
  const length = element(0x00020000, 'UL', meta.length);
  const body = data.map(([tag, vr, value]) => element(tag, vr, value));
  fs.writeFileSync(file, Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), length, meta, ...body]));
}

/** Writes the clip to `file`; its UIDs start with `root`. */
export function makeColourClip(file, root) {
  const [classUid, sop] = ['1.2.840.10008.5.1.4.1.1.3.1', `${root}.3`];
  writeInstance(file, classUid, sop, [
    [0x00080005, 'CS', 'ISO_IR 192'], [0x00080016, 'UI', classUid], [0x00080018, 'UI', sop],
    [0x00080020, 'DA', '20251230'], [0x00080021, 'DA', '20251230'], [0x00080030, 'TM', '101500'],
    [0x00080031, 'TM', '101500'], [0x00080050, 'SH', 'MAU-01'], [0x00080060, 'CS', 'US'],
    [0x00081030, 'LO', 'SIÊU ÂM MÀU'], [0x0008103e, 'LO', 'DOPPLER'],
    [0x00100010, 'PN', 'ĐỖ^THỊ^MÀU'], [0x00100020, 'LO', 'MAU-0001'], [0x00100030, 'DA', '19900101'],
    [0x00100040, 'CS', 'F'], [0x00181063, 'DS', '100'], [0x0020000d, 'UI', `${root}.1`],
    [0x0020000e, 'UI', `${root}.2`], [0x00200011, 'IS', '1'], [0x00200013, 'IS', '1'],
    [0x00280002, 'US', 3], [0x00280004, 'CS', 'RGB'], [0x00280006, 'US', 0], [0x00280008, 'IS', String(FRAMES)],
    [0x00280010, 'US', ROWS], [0x00280011, 'US', COLUMNS], [0x00280100, 'US', 8], [0x00280101, 'US', 8],
    [0x00280102, 'US', 7], [0x00280103, 'US', 0], [0x7fe00010, 'OB', pixels()],
  ]);
}
