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

// What OHIF says in English whatever the language: a file that holds the first, what it becomes, how often it stands
// there. `window.config.say` is ours, of app-config.js.
const UNTRANSLATED = [
  ['"OHIF Viewer is", \' \'', 'window.config.say("OHIF Viewer is"), \' \'', 1],
  ["t('for investigational use only')", "window.config.say('for investigational use only')", 1],
  ["t('Learn more about OHIF Viewer')", "window.config.say('Learn more about OHIF Viewer')", 1],
  ["t('Confirm and hide')", "window.config.say('Confirm and hide')", 1],
  ["isMixedPatients ? 'Multiple Patients' : 'Patient'", "window.config.say(isMixedPatients ? 'Multiple Patients' : 'Patient')", 1],
  ["defaultSaveTitle = 'Create Report'", "defaultSaveTitle = window.config.say('Create Report')", 1],
  ["label: 'Create new series'", "label: window.config.say('Create new series')", 1],
  ['placeholder: "Report name"', 'placeholder: window.config.say("Report name")', 1],
  ['onClick: handleSave\n  }, "Save")', 'onClick: handleSave\n  }, window.config.say("Save"))', 1],
  [
    `i18n_src/* ["default"].t */.A.t('Do you want to continue tracking measurements for this study?')`,
    "window.config.say('Do you want to continue tracking measurements for this study?')", 1,
  ],
  ["id: 'no-hydrate',\n      type: 'secondary',\n      text: 'No'", "id: 'no-hydrate',\n      type: 'secondary',\n      text: window.config.say('No')", 1],
  ["id: 'yes-hydrate',\n      type: 'primary',\n      text: 'Yes'", "id: 'yes-hydrate',\n      type: 'primary',\n      text: window.config.say('Yes')", 1],
];

/** `text` with what OHIF never translates asked of app-config.js; `seen` counts what was found over all files. */
export function told(text, seen) {
  let out = text;
  for (const [from, to, times] of UNTRANSLATED) {
    if (!out.includes(from)) continue;
    out = replaced(out, from, to, times, from);
    seen.told += 1;
  }
  return out;
}
export const TOLD = UNTRANSLATED.length;

/** The groups and texts that OHIF has in English, to see what lacks a translation or has become useless. */
export function englishTexts(text) {
  const groups = {};
  for (const [, name, quoted] of text.matchAll(/locales\/en-US\/(\w+)\.json\nvar \w+ = JSON\.parse\('(.*)'\)\n/g)) {
    groups[name] = JSON.parse(quoted.replace(/\\(['\\])/g, '$1'));
  }
  return groups;
}
