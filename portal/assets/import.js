// The page where files are dropped: finds them, sends them one by one, tells what became of them. What was not sent is
// sent again; the archive knows what it has, so that nothing is lost or doubled by it.
"use strict";
(() => {
  const form = document.getElementById("import");
  if (!form) return;
  const get = (id) => document.getElementById(id);
  const [drop, progress, said, bar, trouble, result] = ["drop", "progress", "said", "bar", "trouble", "result"].map(get);
  const [rows, csv, stopButton, goOn] = ["rows", "csv", "stop", "continue"].map(get);
  const words = form.dataset;
  const put = (text, n, m) => text.replace("{n}", n).replace("{m}", m);
  const number = (n) => n.toLocaleString(document.documentElement.lang);
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  const AT_ONCE = 4;      // files under way
  const TRIES = 6;        // of one file, when the connection breaks
  const COUNTS = ["stored", "duplicates", "versions", "not_dicom", "dicomdir"];

  let queue = [];         // { file, path, tries }
  let found = 0, sent = 0, bytes = 0, bytesSent = 0, looking = 0;
  let under = new Map();  // bytes of files under way
  let id = null, status = null, earlier = [], failed = [];
  let working = false, stopped = false, lost = false, zip = false;

  // --- Finding files.

  function add(file, path) {
    queue.push({ file, path, tries: 0 });
    found += 1;
    bytes += file.size;
  }

  async function walk(entry) {
    if (entry.isFile) {
      try {
        add(await new Promise((resolve, reject) => entry.file(resolve, reject)), entry.fullPath.replace(/^\//, ""));
      } catch (error) {
        failed.push({ path: entry.fullPath, why: String(error.message || error) });
      }
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
        if (some.length === 0) break;
        for (const one of some) await walk(one);
        show();
      }
    }
  }

  async function dropped(transfer) {
    // Entries have to be taken before anything is waited for.
    const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry());
    const files = [...transfer.files];
    looking += 1;
    start();
    if (entries.some(Boolean)) for (const entry of entries.filter(Boolean)) await walk(entry);
    else for (const file of files) add(file, file.name);
    looking -= 1;
  }

  function chosen(input) {
    for (const file of input.files) add(file, file.webkitRelativePath || file.name);
    input.value = "";
    if (queue.length) start();
  }

  // --- Talking to the server.

  async function begin() {
    const option = (name) => (form.elements[name] ? form.elements[name].value : "");
    const text = (name) => option(name).trim();
    const body = { facility: text("facility"), issuer: text("issuer"), source: text("source") };
    if (text("patient_id")) {
      body.patient = { patient_id: text("patient_id"), facility: text("patient_facility") || null };
      if (form.elements.who) body.who = text("who");
    }
    for (;;) {
      try {
        const answer = await fetch("/api/v1/imports", {
          method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
        });
        if (answer.status === 201) return (await answer.json()).id;
        const why = (await answer.json().catch(() => ({}))).title || String(answer.status);
        if (answer.status < 500) throw Object.assign(new Error(why), { final: true });
        warn(put(words.waiting, why));
      } catch (error) {
        if (error.final) throw error;
        warn(words.noServer);
      }
      await sleep(3000);
    }
  }

  function send(item, onBytes) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("PUT", `/api/v1/imports/${id}/files?path=${encodeURIComponent(item.path)}`);
      request.responseType = "json";
      request.upload.onprogress = (event) => onBytes(event.loaded);
      request.onload = () => resolve({ code: request.status, told: request.response || {} });
      request.onerror = request.onabort = () => resolve({ code: 0, told: {} });
      request.send(item.file);
      item.request = request;
    });
  }

  const isZip = (item) => /\.zip$/i.test(item.path);

  // The next file; of zip archives one at a time, when the server has read the one before.
  function next() {
    const busy = zip || (status && status.zips.some((one) => one.open));
    const at = busy ? queue.findIndex((item) => !isZip(item)) : 0;
    if (at < 0 || queue.length === 0) return null;
    const [item] = queue.splice(at, 1);
    if (isZip(item)) zip = true;
    return item;
  }

  async function work() {
    while (!stopped && !lost) {
      const item = next();
      if (!item) {
        if (queue.length === 0 && !looking && under.size === 0) return;
        await sleep(200);
        continue;
      }
      under.set(item, 0);
      const { code, told } = await send(item, (n) => { under.set(item, n); });
      under.delete(item);
      if (isZip(item)) {
        if (code === 202) await ask();
        zip = false;
      }
      await after(item, code, told);
      show();
    }
  }

  async function after(item, code, told) {
    if (code === 200 || code === 202) {
      sent += 1;
      bytesSent += item.file.size;
      warn("");
    } else if (stopped) {
      queue.unshift(item);
    } else if (code === 404 || code === 409) {
      queue.unshift(item);
      lost = true;
    } else if (code === 401 || code === 403) {
      queue.unshift(item);
      stopped = true;
      warn(put(words.refused, told.title || code));
    } else if (code === 503) {
      queue.unshift(item);
      warn(put(words.waiting, told.title || code));
      await sleep(3000);
    } else {
      item.tries += 1;
      if (item.tries < TRIES) {
        queue.unshift(item);
        warn(words.noServer);
        await sleep(1000 * 2 ** Math.min(item.tries, 5));
      } else {
        sent += 1;
        failed.push({ path: item.path, why: told.title || words.noServer });
      }
    }
  }

  async function ask() {
    if (!id) return;
    try {
      const answer = await fetch(`/api/v1/imports/${id}`, { cache: "no-store" });
      if (answer.status === 404) lost = true;
      else if (answer.ok) status = await answer.json();
    } catch { /* The next one may get through. */ }
    show();
  }

  // --- The whole of it.

  // What has to be said before anything is sent for a patient; the first field that lacks it.
  function lacking() {
    const value = (name) => form.elements[name] && form.elements[name].value.trim();
    if (!value("patient_id")) return null;
    if (!value("facility")) return [form.elements.facility, words.needsFacility];
    if (form.elements.who && !value("who")) return [form.elements.who, words.needsWho];
    return null;
  }

  async function start() {
    const lacks = lacking();
    if (lacks) {
      stopped = true;
      progress.hidden = goOn.hidden = false;
      stopButton.hidden = true;
      said.textContent = "";
      warn(lacks[1]);
      lacks[0].focus();
      return;
    }
    stopped = false;
    warn("");
    progress.hidden = false;
    show();
    if (working || lost) return;
    working = true;
    goOn.hidden = true;
    stopButton.hidden = false;
    try {
      if (!id) id = await begin();
      const every = setInterval(ask, 1000);
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      if (!stopped && !lost) await end();
      clearInterval(every);
    } catch (error) {
      stopped = true;
      warn(put(words.refused, error.message));
    }
    working = false;
    await ask();
    finish();
  }

  async function end() {
    const of = id;
    for (;;) {
      const answer = await fetch(`/api/v1/imports/${of}/end`, { method: "POST" }).catch(() => null);
      if (answer && answer.status === 404) { lost = true; return; }
      if (answer && answer.ok) break;
      await sleep(2000);
    }
    while (!stopped && !lost) {
      await ask();
      if (status && status.state === "ended") return;
      await sleep(500);
    }
  }

  function finish() {
    stopButton.hidden = true;
    if (lost) {
      if (status) earlier.push(status);
      [id, status] = [null, null];
      warn(words.lost);
      goOn.hidden = false;
    } else if (stopped) {
      goOn.hidden = queue.length === 0;
    } else if (queue.length) {
      // Dropped while the last ones were under way.
      if (status) earlier.push(status);
      [id, status] = [null, null];
      start();
      return;
    } else {
      csv.href = `/api/v1/imports/${id}/report.csv`;
      csv.hidden = false;
      if (status) earlier.push(status);
      [id, status] = [null, null];
    }
    show(!lost && !stopped);
  }

  // --- Showing.

  function warn(text) {
    trouble.textContent = text;
    trouble.hidden = text === "";
  }

  // The person is confirmed on a page of its own.
  function unconfirmed() {
    const noted = [...earlier, status].filter(Boolean).map((one) => one.intake).filter(Boolean).pop();
    const banner = get("confirm");
    banner.hidden = !noted;
    if (noted) banner.querySelector("a").href = `/intakes/${noted}`;
  }

  function show(done) {
    const open = status && status.zips.find((one) => one.open);
    if (done) said.textContent = put(words.done, number(total("files") + failed.length));
    else if (stopped) said.textContent = words.stopped;
    else if (looking && found === 0) said.textContent = put(words.looking, number(found));
    else if (open && queue.length === 0) said.textContent = put(words.unpacking, number(open.done), number(open.files));
    else said.textContent = put(words.sending, number(sent), number(found));
    let part = bytesSent;
    for (const n of under.values()) part += n;
    if (done) bar.value = 1000;
    else if (open && queue.length === 0 && open.files) bar.value = Math.floor((1000 * open.done) / open.files);
    else bar.value = bytes ? Math.floor((1000 * part) / bytes) : 0;
    if (status && status.waiting) warn(put(words.waiting, status.waiting));
    unconfirmed();
    table();
  }

  function total(name) {
    return [...earlier, status].filter(Boolean).reduce((sum, one) => sum + one[name], 0);
  }

  function table() {
    const reports = [...earlier, status].filter(Boolean);
    if (reports.length === 0 && failed.length === 0) return;
    result.hidden = false;
    const names = [words.stored, words.duplicates, words.versions, words.notDicom, words.dicomdir];
    const lines = COUNTS.map((name, n) => [names[n], total(name), ""]);
    for (const report of reports) {
      for (const refusal of report.refusals) {
        lines.push([`${words.refusals}: ${refusal.reason}`, refusal.count, refusal.examples.join("\n"), "lacks"]);
      }
    }
    const whys = new Map();
    for (const { path, why } of failed) whys.set(why, [...(whys.get(why) || []), path]);
    for (const [why, paths] of whys) {
      lines.push([`${words.notSent}: ${why}`, paths.length, paths.slice(0, 5).join("\n"), "lacks"]);
    }
    const made = lines.filter(([, n], at) => n > 0 || at === 0).map(([name, n, examples, kind]) => {
      const row = document.createElement("tr");
      const cell = (tag, text, kind) => {
        const made = document.createElement(tag);
        made.textContent = text;
        if (kind) made.className = kind;
        row.append(made);
        return made;
      };
      cell("th", name, kind || "").scope = "row";
      cell("td", number(n), "number");
      cell("td", examples, "examples");
      return row;
    });
    rows.replaceChildren(...made);
  }

  // --- Hands.

  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    dropped(event.dataTransfer);
  });
  for (const input of ["folder", "files"].map(get)) input.addEventListener("change", () => chosen(input));
  form.addEventListener("submit", (event) => event.preventDefault());
  stopButton.addEventListener("click", () => {
    stopped = true;
    for (const item of under.keys()) item.request.abort();
    show();
  });
  goOn.addEventListener("click", () => {
    lost = false;
    warn("");
    start();
  });
  addEventListener("beforeunload", (event) => {
    if (working) event.preventDefault();
  });
})();
