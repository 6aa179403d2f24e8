// The dashboard's page: draws the moments that the program sends. Asks for nothing from anywhere else.
"use strict";

const POINTS_MAX = 1500;
const STRIP_EVERY_MS = 2500;
const QUARANTINED_EVERY_MS = 5000;
const RUNS_EVERY_MS = 15000;
const AGAIN_MS = 5000;

const find = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
const grouped = (number) => Math.round(number).toLocaleString("en-US");
const digits = (number, count) => (number === null || number === undefined ? "–" : Number(number).toPrecision(count));
const tenths = (number) => (number < 10 ? number.toFixed(1) : grouped(number));
const milliseconds = (ms) => (ms === null || ms === undefined ? "–" : `${tenths(ms)} ms`);

function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
  return `${count < 10 && unit > 0 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

// An element with its text (never markup: names come from files) and children.
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

// Makes the children of an element like those given, and touches only what differs: what didn't change keeps a screen
// reader's place, a selection and a tooltip.
function show(parent, children) {
  while (parent.childNodes.length > children.length) parent.lastChild.remove();
  children.forEach((child, at) => {
    if (at < parent.childNodes.length) become(parent.childNodes[at], child);
    else parent.append(child);
  });
}

function become(old, wanted) {
  if (old.nodeName !== wanted.nodeName) { old.replaceWith(wanted); return; }
  if (old.nodeType === Node.TEXT_NODE) { if (old.data !== wanted.data) old.data = wanted.data; return; }
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) === value) continue;
    // The page's policy allows styles that a script sets, but not the attribute.
    if (name === "style") old.style.cssText = value;
    else old.setAttribute(name, value);
  }
  show(old, [...wanted.childNodes]);
}

function setText(element, text) {
  // Screen readers tell what changes; the same again is no change.
  if (element.textContent !== text) element.textContent = text;
}

function rows(body, cells) {
  show(body, cells.map((row) => make("tr", "", ...row.map((cell, at) => make("td", at > 0 ? "number" : "", cell)))));
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
// What can't be had now is asked for again the next time.
const quietly = (work) => () => work().catch(() => {});

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// ---- charts ----

const trainer = (moment) => moment.trainer || {};
// Of each line: its name, the variable of its colour, its value at a moment, and what is said of that.
const charts = [
  { title: "Images per second", lines: [["", "--busy", (m) => trainer(m).images_per_s, (v) => grouped(v || 0)]] },
  { title: "Queue readiness, %", range: [0, 100], lines: [
      ["batches", "--ready", (m) => 100 * m.batch_readiness, (v) => Math.round(v || 0)],
      ["decode", "--busy", (m) => 100 * stage(m, "decode").readiness, (v) => Math.round(v || 0)]] },
  { title: "A step, ms", lines: [
      ["work", "--busy", (m) => trainer(m).step_ms, milliseconds],
      ["wait", "--input", (m) => waitOf(trainer(m)), milliseconds]] },
  { title: "Training loss", lines: [["", "--second", (m) => trainer(m).loss, (v) => digits(v, 4)]] },
  { title: "Validation accuracy, %", lines: [["", "--busy", accuracyOf, (v) => (v === null || v === undefined ? "none yet" : v.toFixed(2))]] },
  { title: "Learning rate", lines: [["", "--ready", (m) => trainer(m).lr, (v) => digits(v, 3)]] },
];

function stage(moment, name) {
  return (moment.stages || []).find((stage) => stage.name === name) || { readiness: 0 };
}

function waitOf(trainer) {
  const { step_ms: step, input_wait_share: wait } = trainer;
  return step === null || step === undefined || wait >= 1 ? null : (step * wait) / (1 - wait);
}

function accuracyOf(moment) {
  const accuracy = trainer(moment).accuracy;
  return accuracy === null || accuracy === undefined ? null : 100 * accuracy;
}

let moments = [];
// Moments that come while those before them are asked for; null when these are there.
let arrived = null;

// Texts, each beside a swatch in the colour of its line: the stylesheet has a class for every variable of such a colour.
function keyOf(entries) {
  return entries.flatMap(([variable, text]) => [make("span", "entry", make("span", `swatch ${variable.slice(2)}`), text), new Text(" ")]);
}

function plotOf(chart) {
  const line = colour("--line"), faint = colour("--faint");
  const axis = { stroke: faint, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui", size: 48 };
  return new uPlot({
    width: Math.max(chart.place.clientWidth, 200), height: 170, padding: [8, 8, 0, 0],
    cursor: { show: false }, legend: { show: false },
    scales: { x: { time: false }, y: chart.range ? { range: chart.range } : {} },
    axes: [{ ...axis, size: 30, values: (_, seconds) => seconds.map(clock) }, { ...axis }],
    series: [{}, ...chart.lines.map(([label, name]) => ({ label, stroke: colour(name), width: 1.6, spanGaps: true, points: { show: false } }))],
  }, dataOf(chart), chart.place);
}

function clock(seconds) {
  const whole = Math.round(seconds), pad = (n) => String(n).padStart(2, "0");
  return whole < 3600 ? `${Math.floor(whole / 60)}:${pad(whole % 60)}` : `${Math.floor(whole / 3600)}:${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
}

function dataOf(chart) {
  const value = (read) => (moment) => { const found = read(moment); return found === undefined ? null : found; };
  return [moments.map((moment) => moment.seconds), ...chart.lines.map(([, , read]) => moments.map(value(read)))];
}

function buildCharts() {
  find("charts").replaceChildren();
  for (const chart of charts) {
    chart.now = make("span");
    chart.place = make("div", "plot");
    chart.place.setAttribute("role", "img");
    const card = make("div", "chart", make("h3", "", chart.title, chart.now), chart.place);
    find("charts").append(card);
    chart.plot = plotOf(chart);
    new ResizeObserver(() => chart.plot.setSize({ width: Math.max(chart.place.clientWidth, 200), height: 170 })).observe(chart.place);
  }
}

function drawCharts() {
  for (const chart of charts) {
    const data = dataOf(chart);
    chart.plot.setData(data);
    const texts = chart.lines.map(([name, , , said], at) => `${name} ${said(data[at + 1].at(-1))}`.trim());
    show(chart.now, texts.length > 1 ? keyOf(texts.map((text, at) => [chart.lines[at][1], text])) : [new Text(texts[0])]);
    chart.place.setAttribute("aria-label", `${chart.title}: ${texts.join(", ")} now`);
  }
}

// ---- the moment ----

function bar(busy, input, output) {
  const part = (name, share) => { const span = make("span", name); span.style.width = `${100 * share}%`; return span; };
  const element = make("div", "bar", part("busy", busy), part("input", input), part("output", output));
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", `works ${percent(busy)}, waits for input ${percent(input)}, waits for room ${percent(output)}`);
  return element;
}

function box(name, note, limits, shares, facts) {
  const list = make("dl");
  for (const [term, value] of facts) list.append(make("dt", "", term), make("dd", "", value));
  return make("div", limits ? "stage limits" : "stage", make("h3", "", name, make("small", "", note)), bar(...shares), list);
}

function queue(readiness, name) {
  const tube = make("i");
  tube.style.setProperty("--filled", `${100 * readiness}%`);
  const element = make("span", "queue", tube, percent(readiness));
  element.title = `${name}: share of the time that it holds something`;
  return element;
}

function drawFlow(moment) {
  const items = (moment.stages || []).map((stage, at) => {
    const crew = stage.workers === 0 ? "in the decoders" : `${stage.workers_alive} of ${stage.workers}`;
    const facts = [["images/s", grouped(stage.images_per_s)], ["p50", milliseconds(stage.service_p50_ms)], ["p99", milliseconds(stage.service_p99_ms)]];
    if (stage.restarts > 0) facts.push(["restarts", grouped(stage.restarts)]);
    const element = box(stage.name, crew, moment.bottleneck === stage.name,
      [stage.busy_share, stage.wait_input_share, stage.wait_output_share], facts);
    const item = make("li");
    if (at > 0 && stage.workers > 0) item.append(queue(stage.readiness, `queue before ${stage.name}`));
    item.append(element);
    return item;
  });
  const { images_per_s: rate = 0, step_ms: step, input_wait_share: wait = 0 } = trainer(moment);
  items.push(make("li", "", queue(moment.batch_readiness, "batch channel"),
    box("trainer", "owns the device", moment.bottleneck === "trainer", [1 - wait, wait, 0],
      [["images/s", grouped(rate)], ["step", milliseconds(step)], ["waits", percent(wait)]])));
  show(find("flow"), items);
}

const LIMITS = { read: "Reading limits", decode: "Decoding limits", augment: "Augmenting limits", sequence: "Sequencing limits",
  trainer: "The trainer limits", balanced: "Balanced" };

function drawMoment(moment) {
  const place = moment.place || {};
  setText(find("bottleneck"), LIMITS[moment.bottleneck] || "…");
  setText(find("verdict"), moment.verdict || "Nothing can be said yet.");
  setText(find("place"), `${place.recipe} · run ${place.run || "–"} of ${place.runs} · epoch ${place.epoch || "–"} of ${place.epochs || "–"} · ${place.phase}`);
  document.title = `${place.recipe}: ${LIMITS[moment.bottleneck] || "starting"}`;
  find("progress").value = place.total > 0 ? place.done / place.total : 0;
  setText(find("progress-text"), `${grouped(place.done || 0)} of ${grouped(place.total || 0)} examples`);
  drawFlow(moment);
  const reasons = (moment.quarantined || []).map(({ name, tickets }) => [name.replaceAll("_", " "), grouped(tickets)]);
  rows(find("quarantine"), reasons.length > 0 ? reasons : [["none", "0"]]);
  const held = moment.held || {}, count = moment.count || {};
  const memory = [["batches", bytes(held.slab_bytes), bytes(held.slab_bytes)], ["encoded images", bytes(held.encoded_bytes), bytes(held.encoded_bytes_max)]];
  if (held.cache_bytes !== null && held.cache_bytes !== undefined) memory.push(["cache", bytes(held.cache_bytes), bytes(held.cache_bytes_max)]);
  memory.push(["resident", bytes(held.resident_bytes), "–"]);
  const device = trainer(moment).peak_device_bytes;
  if (device !== null && device !== undefined) memory.push(["device, at its most", bytes(device), "–"]);
  const credits = (count.credits_free || 0) + (count.credits_in_slabs || 0);
  memory.push(["rows in slabs", grouped(count.credits_in_slabs || 0), grouped(credits)]);
  rows(find("memory"), memory);
}

function take(moment) {
  if (arrived !== null) { arrived.push(moment); return; }
  const last = moments[moments.length - 1];
  if (last && moment.seconds <= last.seconds) return;
  moments.push(moment);
  if (moments.length > POINTS_MAX) moments = moments.filter((_, at) => at % 2 === 0 || at > POINTS_MAX - 100);
}

// Asks for what was before this connection: after a break something is missing, and the program may be another one by now,
// which counts its seconds from nought.
async function catchUp() {
  const meanwhile = [];
  arrived = meanwhile;
  let past = null;
  while (past === null) {
    past = await ask("past.json").catch(() => null);
    // The connection broke again, and who opened the next one catches up.
    if (arrived !== meanwhile) return;
    if (past === null) await pause(AGAIN_MS);
  }
  moments = past;
  arrived = null;
  meanwhile.forEach(take);
  drawCharts();
}

// ---- pictures, quarantined records ----

async function drawStrip() {
  if (document.hidden) return;
  const seen = await ask("strip.json");
  if (seen === null) return;
  const picture = new Image();
  picture.src = `data:image/png;base64,${seen.png}`;
  await picture.decode();
  const width = picture.width / seen.names.length;
  const strip = find("strip");
  show(strip, seen.names.map((name) => {
    const canvas = make("canvas");
    canvas.width = width;
    canvas.height = picture.height;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", name);
    return make("div", "", canvas, name);
  }));
  strip.querySelectorAll("canvas").forEach((canvas, at) => canvas.getContext("2d").drawImage(picture, -at * width, 0));
  setText(find("strip-text"), `From example ${grouped(seen.first_seq)} of the epoch on, ${seen.width} × ${seen.height} px, as they leave the pipeline; what the recipe changes on the device comes after.`);
}

async function drawQuarantined() {
  if (document.hidden) return;
  const told = await ask("quarantined.json");
  show(find("quarantined"), told.reverse().map((sentence) => make("li", "", sentence)));
}

// ---- series of the past ----

let chosen = [];
let series = [];

function cellsOf({ report }) {
  if (!report) return ["no report", "", "", "", ""];
  const epochs = report.runs.flatMap((run) => run.epochs);
  const mean = (read) => {
    const values = epochs.map(read).filter((value) => value !== null);
    return values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : null;
  };
  const spread = report.accuracy_std_population === null ? "" : ` ± ${(100 * report.accuracy_std_population).toFixed(2)}`;
  const accuracy = report.accuracy_mean === null ? "–" : `${(100 * report.accuracy_mean).toFixed(2)} %${spread}`;
  const rate = mean((epoch) => epoch.images_per_s), wait = mean((epoch) => epoch.input_wait_share);
  return [accuracy, report.runs.length, epochs.length, rate === null ? "–" : grouped(rate), wait === null ? "–" : percent(wait)];
}

function drawRuns() {
  find("runs").replaceChildren(...series.map((entry) => {
    const tick = make("input");
    tick.type = "checkbox";
    tick.checked = chosen.includes(entry.name);
    tick.disabled = !entry.report;
    tick.setAttribute("aria-label", `compare ${entry.name}`);
    tick.addEventListener("change", () => {
      chosen = tick.checked ? [...chosen, entry.name].slice(-2) : chosen.filter((name) => name !== entry.name);
      drawRuns();
      find("runs").querySelector(`[aria-label="${CSS.escape(tick.getAttribute("aria-label"))}"]`)?.focus();
    });
    return make("tr", "", make("td", "", tick), make("td", "", entry.name), ...cellsOf(entry).map((cell) => make("td", "number", cell)));
  }));
  drawComparison();
}

function drawComparison() {
  const place = find("comparison");
  place.replaceChildren();
  const pair = chosen.map((name) => series.find((entry) => entry.name === name)).filter(Boolean);
  if (pair.length < 2) return;
  const runsOf = (entry) => entry.report.runs;
  const epochs = [...new Set(pair.flatMap(runsOf).flatMap((run) => run.epochs.map((epoch) => epoch.epoch)))].sort((a, b) => a - b);
  const meanAt = (entry, epoch, key) => {
    const values = runsOf(entry).flatMap((run) => run.epochs).filter((row) => row.epoch === epoch).map((row) => row[key]).filter((value) => value !== null);
    return values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : null;
  };
  const head = make("tr", "", make("th", "", "Epoch"), ...["accuracy", "valid loss"].flatMap((what) => pair.map(({ name }) => make("th", "number", `${what}, ${name}`))));
  const body = make("tbody");
  rows(body, epochs.map((epoch) => [epoch,
    ...pair.map((entry) => { const value = meanAt(entry, epoch, "accuracy"); return value === null ? "–" : `${(100 * value).toFixed(2)} %`; }),
    ...pair.map((entry) => digits(meanAt(entry, epoch, "valid_loss"), 4))]));
  const colours = ["--busy", "--second"];
  const key = make("p", "key", "Validation accuracy by epoch, %: ", ...keyOf(pair.map(({ name }, at) => [colours[at], name])));
  const chart = make("div", "plot");
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", "Validation accuracy by epoch of both series; the table below has the numbers");
  place.append(key, chart, make("div", "scroll", make("table", "", make("thead", "", head), body)));
  const line = colour("--line"), axis = { stroke: colour("--faint"), grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const values = (entry) => epochs.map((epoch) => { const value = meanAt(entry, epoch, "accuracy"); return value === null ? null : 100 * value; });
  new uPlot({
    width: Math.max(place.clientWidth, 200), height: 200, cursor: { show: false }, legend: { show: false }, scales: { x: { time: false } },
    axes: [{ ...axis, values: (_, at) => at.map((epoch) => (Number.isInteger(epoch) ? epoch : "")) }, axis],
    series: [{}, ...pair.map(({ name }, at) => ({ label: name, stroke: colour(colours[at]), width: 2 }))],
  }, [epochs, ...pair.map(values)], chart);
}

async function readRuns() {
  if (document.hidden) return;
  const found = await ask("runs.json");
  if (JSON.stringify(found) === JSON.stringify(series)) return;
  series = found;
  drawRuns();
}

// ---- start ----

let waiting = null;

function drawSoon(moment) {
  if (waiting === null) requestAnimationFrame(() => { drawMoment(waiting); drawCharts(); waiting = null; });
  waiting = moment;
}

function tellLink(state, text) {
  find("link").className = state;
  setText(find("link"), text);
}

// What the program says of why it sends nothing (a token is wanted, say); null where somebody else answers, or nobody.
async function refusal() {
  try {
    const answer = await fetch("events", { cache: "no-store", signal: AbortSignal.timeout(AGAIN_MS) });
    if (answer.ok) await answer.body.cancel();
    const isOurs = [401, 403, 503].includes(answer.status) && /^text\/plain/.test(answer.headers.get("content-type"));
    return isOurs ? await answer.text() : null;
  } catch {
    return null;
  }
}

function listen() {
  const source = new EventSource("events");
  source.onopen = () => { tellLink("", "live"); catchUp(); };
  source.onerror = async () => {
    // A browser tries again by itself where nobody answers, but never after another answer than it hoped for.
    const isOver = source.readyState === EventSource.CLOSED;
    const reason = isOver ? await refusal() : null;
    tellLink("broken", reason || "connection lost; the run may have ended, trying again");
    if (isOver) setTimeout(listen, AGAIN_MS);
  };
  source.onmessage = (event) => { const moment = JSON.parse(event.data); take(moment); drawSoon(moment); };
}

function start() {
  buildCharts();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { buildCharts(); drawCharts(); drawComparison(); });
  listen();
  for (const [work, everyMs] of [[drawStrip, STRIP_EVERY_MS], [drawQuarantined, QUARANTINED_EVERY_MS], [readRuns, RUNS_EVERY_MS]]) {
    quietly(work)();
    setInterval(quietly(work), everyMs);
    // Nothing is asked for a page that nobody looks at.
    document.addEventListener("visibilitychange", quietly(work));
  }
}

start();
