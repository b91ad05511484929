// Keys for pages where something is decided. A button or link says its own key; every page works without this.
"use strict";
(() => {
  const tasks = [...document.querySelectorAll(".task")];
  let current = null;

  function choose(task, scroll) {
    if (current) current.classList.remove("current");
    current = task;
    if (!task) return;
    task.classList.add("current");
    if (scroll) task.scrollIntoView({ block: "nearest" });
  }
  choose(tasks[0] || null, false);

  function move(by) {
    const at = tasks.indexOf(current) + by;
    if (tasks.length > 1) choose(tasks[Math.max(0, Math.min(at, tasks.length - 1))], true);
  }

  // What a key means: in the current task, else on the page.
  const meant = (key) => {
    const name = `[data-key="${CSS.escape(key)}"]`;
    return (current && current.querySelector(name)) || document.querySelector(name);
  };

  function use(element) {
    if (element.disabled || element.closest("[hidden]")) return;
    const fold = element.closest("details:not([open])");
    if (fold && element.tagName !== "SUMMARY") fold.open = true;
    if (element.matches("input:not([type=checkbox]), select, textarea")) element.focus();
    else element.click();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const field = event.target.closest("input:not([type=checkbox], [type=radio]), select, textarea");
    if (field) {
      const button = event.key === "Enter" && document.querySelector(`[data-enter="${CSS.escape(field.id)}"]`);
      if (button) button.click();
      else if (event.key === "Escape") field.blur();
      else return;
    } else if (event.key === "j" || event.key === "k") {
      move(event.key === "j" ? 1 : -1);
    } else {
      const element = document.querySelector(".panel:target") ? null : meant(event.key);
      if (!element) return;
      use(element);
    }
    event.preventDefault();
  });

  for (const task of tasks) {
    task.addEventListener("focusin", () => choose(task, false));
    task.addEventListener("pointerdown", () => choose(task, false));
  }

  // Who decides, where nobody signs in: typed once a day, not once a decision.
  for (const who of document.querySelectorAll("#who, [data-who]")) {
    try {
      who.value = who.value || sessionStorage.getItem("who") || "";
      who.addEventListener("change", () => sessionStorage.setItem("who", who.value));
      if (who.form) who.form.addEventListener("submit", () => sessionStorage.setItem("who", who.value));
    } catch {
      // A browser that keeps nothing asks each time.
    }
  }

  // What opened over the page goes away with Escape, and its first field is ready.
  const opened = () => location.hash.length > 1 && document.querySelector(".panel:target");
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && opened()) location.hash = "#";
  });
  window.addEventListener("hashchange", () => {
    const panel = opened();
    const empty = panel && [...panel.querySelectorAll("input:not([type=hidden])")].find((field) => !field.value || field.type === "radio");
    if (empty) empty.focus();
    else if (panel) panel.querySelector("button").focus();
  });
})();
