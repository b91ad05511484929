// What is changed in the files of OHIF's npm build. Each change insists on what it expects to find: a new version
// of the package must fail here, at packaging, and not in front of a radiologist.

const fail = what => {
  throw new Error(`${what}: the package is not the one that this script was written for`);
};

/** Replaces `from`, which has to occur `times`. */
function replaced(text, from, to, times, what) {
  const parts = text.split(from);
  if (parts.length - 1 !== times) fail(`${what}: found ${parts.length - 1} times, expected ${times}`);
  return parts.join(to);
}

const PUBLIC_PATH = '__webpack_require__.p = "/"';

/** Scripts ask for their parts below `base`. Returns null for a script that names no path. */
export function movedScript(text, base) {
  return text.includes(PUBLIC_PATH) ? text.replaceAll(PUBLIC_PATH, `__webpack_require__.p = "${base}"`) : null;
}

export const movedStyle = (text, base) => text.replaceAll('url(/', `url(${base}`);

/** The page: below `base`, without icons of devices and without inline scripts (app-config.js does their work). */
export function page(text, base) {
  let out = text.replace(/<link rel="(apple-touch|yandex|manifest)[^>]*>/g, '');
  out = out.replace(/<link rel="icon" type="image\/png" sizes="228x228"[^>]*>/, '');
  out = out.replace(/<meta name="(msapplication|apple-mobile)[^>]*>/g, '');
  out = replaced(out, '<script>console.time("scriptToView"),window.PUBLIC_URL="/"</script>', '', 1, 'inline script');
  const imports = '<script>function browserImportFunction(n){return import(n)}window.PUBLIC_URL="/"</script>';
  out = replaced(out, imports, '', 1, 'inline script');
  out = replaced(out, '<html lang="en">', '<html lang="vi">', 1, 'language of the page');
  out = out.replace(/(href|src)="\/(?!\/)/g, `$1="${base}`);
  if (/<script>/.test(out)) fail('an inline script of the page');
  if (!out.includes(`src="${base}app-config.js"`)) fail('app-config.js in the page');
  return out;
}

/** Priors are asked for only where the page's address names the patient: see app-config.js. */
export function priorsOfOnePatient(text) {
  const from = '  if (!mrn) {\n    return qidoForStudyUID;';
  const to = '  if (!mrn || !window.config.priorsOfOnePatient) {\n    return qidoForStudyUID;';
  return replaced(text, from, to, 1, 'the search for priors');
}
export const asksForPriors = text => text.includes('async function getStudiesForPatientByMRN(');

/** `texts` (group, English text, Vietnamese text) joined to the few that OHIF ships. */
export function vietnamese(text, texts) {
  const groups = new Map(Object.entries(texts));
  const literal = group => JSON.stringify(group);
  let out = text.replace(/var (vi_\w+_namespaceObject) = JSON\.parse\('(.*)'\)/g, (all, name, quoted) => {
    const group = name.slice('vi_'.length, -'_namespaceObject'.length);
    const shipped = JSON.parse(quoted.replace(/\\(['\\])/g, '$1'));
    const joined = { ...shipped, ...groups.get(group) };
    if (!groups.delete(group)) return all;
    return `var ${name} = ${literal(joined)}`;
  });
  const added = [...groups].map(([name, group]) => `    ${name}: ${literal(group)},\n`).join('');
  const start = 'const vi = ({\n  vi: {\n';
  out = replaced(out, start, start + added, 1, 'the Vietnamese texts');
  return out;
}
export const holdsTexts = text => text.includes('locales/vi/index.js');

/** The groups and texts that OHIF has in English, to see what lacks a translation or has become useless. */
export function englishTexts(text) {
  const groups = {};
  for (const [, name, quoted] of text.matchAll(/locales\/en-US\/(\w+)\.json\nvar \w+ = JSON\.parse\('(.*)'\)\n/g)) {
    groups[name] = JSON.parse(quoted.replace(/\\(['\\])/g, '$1'));
  }
  return groups;
}
