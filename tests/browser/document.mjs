// A printed report as a scanner sends it: an Encapsulated PDF (PS3.3 A.45.1) of several kilobytes.
import { writeInstance } from './colour.mjs';

const CLASS = '1.2.840.10008.5.1.4.1.1.104.1';

/** A PDF of one page that is black in its lower half; `room` bytes of it are a comment. */
function pdf(room) {
  const drawing = '0 g 0 0 595 421 re f';
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>',
    `<< /Length ${drawing.length} >>\nstream\n${drawing}\nendstream`,
  ];
  let text = `%PDF-1.4\n%${'x'.repeat(room)}\n`;
  const starts = objects.map((object, n) => {
    const start = text.length;
    text += `${n + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(start).padStart(10, '0')} 00000 n \n`;
  });
  const table = text.length;
  text += `xref\n0 5\n0000000000 65535 f \n${starts.join('')}trailer\n<< /Size 5 /Root 1 0 R >>\n`;
  return Buffer.from(`${text}startxref\n${table}\n%%EOF\n`, 'latin1');
}

/** Writes the document to `file`; its UIDs start with `root`. */
export function makeDocument(file, root) {
  const sop = `${root}.3`;
  writeInstance(file, CLASS, sop, [
    [0x00080005, 'CS', 'ISO_IR 192'], [0x00080016, 'UI', CLASS], [0x00080018, 'UI', sop],
    [0x00080020, 'DA', '20251229'], [0x00080023, 'DA', '20251229'], [0x00080030, 'TM', '093000'],
    [0x00080033, 'TM', '093000'], [0x00080050, 'SH', 'GIAY-01'], [0x00080060, 'CS', 'DOC'],
    [0x00080064, 'CS', 'SD'], [0x00081030, 'LO', 'GIẤY KẾT QUẢ'], [0x0008103e, 'LO', 'BẢN QUÉT'],
    [0x00100010, 'PN', 'ĐỖ^VĂN^GIẤY'], [0x00100020, 'LO', 'GIAY-0001'], [0x00100030, 'DA', '19600101'],
    [0x00100040, 'CS', 'M'], [0x0020000d, 'UI', `${root}.1`], [0x0020000e, 'UI', `${root}.2`],
    [0x00200011, 'IS', '1'], [0x00200013, 'IS', '1'], [0x00280301, 'CS', 'YES'],
    [0x00420010, 'ST', 'KẾT QUẢ'], [0x00420011, 'OB', pdf(9000)], [0x00420012, 'LO', 'application/pdf'],
  ]);
}
