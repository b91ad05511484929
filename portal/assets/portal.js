// Keeps the study list fresh and gives it keys. Every page works without it.
"use strict";
(() => {
  const live = document.getElementById("live");
  const offline = document.getElementById("offline");
  if (!live) return;

  // --- Freshness: the part that changes is asked for again; "not modified" costs nobody anything.
  const address = new URL(location.href);
  address.searchParams.set("part", "1");
  let etag = `"${live.dataset.etag}"`;
  let asking = false;

  async function refresh() {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(address, {
        headers: { "If-None-Match": etag }, cache: "no-store", redirect: "error",
        signal: AbortSignal.timeout(15000),
      });
      if (answer.status === 200) {
        const html = await answer.text();
        etag = answer.headers.get("ETag") || "";
        replace(html);
      } else if (answer.status === 401) {
        // The session has ended: the page leads to where one signs in.
        location.reload();
      } else if (answer.status !== 304) {
        throw new Error(String(answer.status));
      }
      offline.hidden = true;
    } catch {
      offline.hidden = false;
    } finally {
      asking = false;
    }
  }

  // All but the rows: where that stays, only rows that changed are touched, and nothing flickers.
  const around = (html) => html.replace(/<tbody>[^]*<\/tbody>/, "");
  let shown = around(live.innerHTML);
  const key = (row) => row.querySelector("a.name").getAttribute("href");
  const text = (row) => row.innerHTML;

  // The reader's place is the study, not its line: it stays where new studies push it.
  function replace(html) {
    const made = document.createElement("template");
    made.innerHTML = html;
    const fresh = made.content.querySelector("table.studies tbody");
    const body = live.querySelector("table.studies tbody");
    const same = fresh && body && around(html) === shown;
    shown = around(html);
    if (!same) return replaceAll(html);
    const known = new Map([...body.rows].map((row) => [key(row), row]));
    let at = body.firstElementChild;
    for (const row of [...fresh.rows]) {
      const old = known.get(key(row));
      if (old && text(old) !== text(row)) old.innerHTML = row.innerHTML;
      const keep = old || row;
      if (keep === at) at = at.nextElementSibling;
      else body.insertBefore(keep, at);
    }
    while (at) {
      const gone = at;
      at = at.nextElementSibling;
      gone.remove();
    }
    const link = chosen && chosen.getAttribute("href");
    if (link && !chosen.isConnected) {
      const again = names().find((name) => name.getAttribute("href") === link);
      const focused = document.activeElement === document.body;
      chosen = null;
      if (again) choose(again, focused);
    }
  }

  function replaceAll(html) {
    const at = chosen && chosen.getAttribute("href");
    const focused = at && document.activeElement === chosen;
    live.innerHTML = html;
    chosen = null;
    const again = at && names().find((name) => name.getAttribute("href") === at);
    if (again) choose(again, focused);
  }

  setInterval(refresh, Number(live.dataset.seconds) * 1000);
  document.addEventListener("visibilitychange", refresh);

  // --- Keys.
  const box = document.getElementById("q");
  const names = () => [...live.querySelectorAll("a.name")];
  let chosen = null;

  function choose(name, focus) {
    if (chosen) chosen.closest("tr").classList.remove("current");
    chosen = name;
    name.closest("tr").classList.add("current");
    if (focus) {
      name.focus({ preventScroll: true });
      name.closest("tr").scrollIntoView({ block: "nearest" });
    }
  }

  function move(by) {
    const all = names();
    if (all.length === 0) return;
    const at = chosen ? all.indexOf(chosen) + by : by > 0 ? 0 : all.length - 1;
    if (at < 0) box.focus();
    else choose(all[Math.min(at, all.length - 1)], true);
  }

  function follow(link) {
    if (link) link.click();
  }

  const keys = {
    "/": () => box.select(),
    ArrowDown: () => move(1), j: () => move(1),
    ArrowUp: () => move(-1), k: () => move(-1),
    v: () => chosen && follow(chosen.closest("tr").querySelector("a.view")),
    ArrowRight: () => follow(live.querySelector("a[rel=next]")),
    ArrowLeft: () => follow(live.querySelector("a[rel=prev]")),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const typing = event.target.closest("input, select, textarea");
    if (typing) {
      if (event.target !== box) return;
      if (event.key === "ArrowDown") move(1);
      else if (event.key === "Escape") box.blur();
      else return;
    } else if (keys[event.key]) {
      keys[event.key]();
    } else {
      return;
    }
    event.preventDefault();
  });
  live.addEventListener("focusin", (event) => {
    const name = event.target.closest("a.name");
    if (name && name !== chosen) choose(name, false);
  });
})();
