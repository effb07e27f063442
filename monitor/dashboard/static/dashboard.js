// Makes a page live, its times local, its lists and heat maps usable by keys. Every page works
// without it, but for the charts. Nothing here knows what a panel means.
"use strict";

const body = document.body;
const address = () => new URL(window.location.href);

function localTimes(root) {
  if (body.dataset.tz !== "local") return;
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const two = (n) => String(n).padStart(2, "0");
    time.textContent = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
  }
}

// --- heat maps: one cell is in the tab order, arrows move, Enter or a click shows the window

function cellsOf(row) { return [...row.querySelectorAll("td:not(.figure)")]; }

function heatMaps(root) {
  for (const table of root.querySelectorAll("table.heat[role=grid]")) {
    const rows = [...table.tBodies[0].rows];
    rows.forEach((row, y) => cellsOf(row).forEach((cell, x) => { cell.tabIndex = y + x ? -1 : 0; }));
    const show = (cell) => {
      if (!cell || cell.classList.contains("cn")) return;
      const row = cell.parentElement;
      const width = Number(table.dataset.widthMs);
      const from = Date.parse(table.dataset.since) + cellsOf(row).indexOf(cell) * width;
      const target = new URL(table.dataset.base || "?", window.location.href);
      const text = (ms) => new Date(ms).toISOString().slice(0, 19) + "Z";
      target.searchParams.set("feature", row.dataset.column);
      target.searchParams.set("window_from", text(from));
      target.searchParams.set("window_to", text(from + width));
      target.hash = "distribution";
      window.location.assign(target);
    };
    table.addEventListener("click", (event) => show(event.target.closest("td:not(.figure)")));
    table.addEventListener("keydown", (event) => {
      const cell = event.target.closest("td");
      if (!cell) return;
      const y = rows.indexOf(cell.parentElement);
      const x = cellsOf(cell.parentElement).indexOf(cell);
      const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
      if (event.key === "Enter") { show(cell); return; }
      if (!step) return;
      event.preventDefault();
      const row = rows[Math.min(Math.max(y + step[0], 0), rows.length - 1)];
      const line = cellsOf(row);
      const next = line[Math.min(Math.max(x + step[1], 0), line.length - 1)];
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  }
}

// --- keys

let paused = false;

function moveRow(step) {
  const rows = [...document.querySelectorAll("tr[data-href]")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  rows.forEach((one) => one.classList.toggle("chosen", one === row));
  row.querySelector("a").focus();
}

document.addEventListener("keydown", (event) => {
  const writing = event.target.closest("input:not([type=radio]), select, textarea");
  if (writing && event.key === "Escape") writing.blur();
  if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
  const does = {
    "/": () => document.getElementById("find").focus(),
    "?": () => window.location.assign("/help"),
    m: () => document.querySelector(".top nav a").click(),
    a: () => document.querySelectorAll(".top nav a")[1].click(),
    u: () => document.getElementById("zone").click(),
    l: () => { paused = !paused; showLive(); if (!paused) refresh(); },
    j: () => moveRow(1),
    k: () => moveRow(-1),
  }[event.key];
  if (does) { event.preventDefault(); does(); }
});

// --- live: a message says that something was stored; the page asks for itself and swaps panels

const live = document.getElementById("live");
let state = "off";
let problem = "";
let last = null;
let busy = false;
let due = false;

function showLive() {
  const words = { on: "live", lost: "connection lost", off: "not live" }[state];
  live.className = "live " + (paused ? "" : problem ? "lost" : state);
  live.textContent = paused ? "paused" : problem ? "database away" : words;
  live.title = problem;
}

async function refresh() {
  if (busy) { due = true; return; }
  busy = true;
  document.getElementById("main").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(window.location.href, { headers: { accept: "text/html" } });
    if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch (error) {
    state = "lost";
    showLive();
  } finally {
    document.getElementById("main").removeAttribute("aria-busy");
    busy = false;
    if (due) { due = false; window.setTimeout(refresh, 1000); }
  }
}

function swap(page) {
  for (const fresh of page.querySelectorAll("main .panel[id], main .facts.strip")) {
    const old = fresh.id ? document.getElementById(fresh.id) : document.querySelector("main .facts.strip");
    if (!old || old.contains(document.activeElement) || old.querySelector("details[open]")) continue;
    if (old.dataset.was === undefined) old.dataset.was = "";
    if (old.dataset.was === fresh.innerHTML) continue;
    const was = fresh.innerHTML;
    old.replaceWith(fresh);
    fresh.dataset.was = was;
    dress(fresh);
  }
}

function listen() {
  if (body.dataset.live !== "on") return;
  const source = new EventSource("/api/v1/live");
  source.addEventListener("pulse", (event) => {
    const told = JSON.parse(event.data);
    problem = told.problem || "";
    delete told.problem;
    const now = JSON.stringify(told);
    state = "on";
    showLive();
    if (last !== null && now !== last && !paused && !problem) refresh();
    if (!problem) last = now;
  });
  source.addEventListener("error", () => { state = "lost"; showLive(); });
  window.addEventListener("pagehide", () => source.close());
}

function dress(root) {
  localTimes(root);
  heatMaps(root);
  if (window.drawCharts) window.drawCharts(root);
}

for (const panel of document.querySelectorAll("main .panel[id]")) panel.dataset.was = panel.innerHTML;
window.dress = dress;
localTimes(document);
heatMaps(document);
showLive();
listen();
