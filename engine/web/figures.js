// What is served, how good it is, and how busy the server is.
import { ask, bytes, byId, el, number, showAlert } from "./shared.js";

const kRefreshMs = 2000;
let timer = 0;
let shown = false;
let former = null;  // the statistics read last, and when

function fact(name, value, isLong) {
  return el("div", {}, el("dt", {}, name), el("dd", { class: isLong ? "long" : null }, value));
}

function table(head, rows) {
  const cell = (tag, each, i) => el(tag, { class: i > 0 ? "number" : null, scope: tag === "th" ? "col" : null }, each);
  return el("table", {}, el("thead", {}, el("tr", {}, head.map((each, i) => cell("th", each, i)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((each, i) => cell("td", each, i))))));
}

function showInfo(info) {
  byId("facts").replaceChildren(
    fact("Labels", number(info.labels)), fact("Training documents", number(info.documents)),
    fact("Dimensions", number(info.encoder.dim)), fact("Generation", number(info.generation)),
    fact("Index", `${info.index.kind}, ${bytes(info.index.bytes)}`, true),
    fact("Encoder", `${info.encoder.kind}, ${info.encoder.fingerprint}`, true), fact("dexter", info.version, true));
}

function showLoad(stats, now) {
  const pace = former && now > former.when && stats.http_requests_total >= former.requests
    ? number((1000 * (stats.http_requests_total - former.requests)) / (now - former.when), 1) : "…";
  former = { requests: stats.http_requests_total, when: now };
  byId("load").replaceChildren(
    fact("Requests a second", pace), fact("Requests", number(stats.http_requests_total)),
    fact("Texts answered", number(stats.texts_total)), fact("Waiting texts", number(stats.queue_texts)),
    fact("Refused", number(stats.queries_refused_total)), fact("Connections", number(stats.connections)),
    fact("Memory", bytes(stats.process_resident_memory_bytes)), fact("Up for", `${number(stats.uptime_seconds / 60, 1)} min`));
  const rows = stats.requests.filter((each) => each.count > 0).map((each) => [
    `${each.method} ${each.route} ${each.status}`, number(each.count), number(each.p50_ms, 2), number(each.p99_ms, 2)]);
  byId("load-routes").replaceChildren(table(["Route and status", "Answers", "Median ms", "99 % ms"], rows));
  byId("load-card").hidden = false;
}

async function refreshLoad() {
  try {
    const stats = await ask("GET", "/v1/stats");
    showLoad(stats, performance.now());
    if (shown) timer = setTimeout(refreshLoad, kRefreshMs);
  } catch (error) {
    byId("load-card").hidden = true;  // an older server, or one that counts nothing
  }
}

function showQuality(evaluation) {
  if (!evaluation) {
    byId("quality").replaceChildren(el("p", { class: "soft" }, "No evaluation is kept in this store. ",
      el("code", {}, "dexter eval --store STORE"), " scores the test part and keeps its figures; start or reload the server afterwards."));
    return;
  }
  const interval = (name) => (evaluation.intervals[name] === undefined ? "" : ` ±${number(evaluation.intervals[name], 1)}`);
  const names = Object.keys(evaluation).filter((name) => /^(P|nDCG|PSP|R)@\d+$/.test(name));
  const bands = Object.entries(evaluation.bands).filter(([, band]) => band.positives > 0).map(([name, band]) => [
    name, number(band.labels), number(band.positives), number(band["R@5"], 1), number(band["R@10"], 1)]);
  byId("quality").replaceChildren(
    el("p", { class: "soft" }, `Percent over ${number(evaluation.documents)} documents (${evaluation.data}), with 95 % intervals.`),
    el("dl", { class: "facts" }, names.map((name) => fact(name, `${number(evaluation[name], 1)}${interval(name)}`))),
    el("p", {}), el("div", { class: "scroll" }, table(["Training documents of a label", "Labels", "Pairs", "R@5", "R@10"], bands)));
}

function svg(tag, attributes, ...parts) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...parts);
  return element;
}

// Precision at 1 on held-out documents, epoch by epoch.
function trainingChart(epochs) {
  const width = 640, height = 190, left = 44, bottom = 26, top = 12;
  const values = epochs.map((epoch) => epoch.validation_p1);
  const low = Math.floor(Math.min(...values) - 0.5), high = Math.ceil(Math.max(...values) + 0.5);
  const x = (i) => left + ((width - left - 16) * i) / Math.max(1, epochs.length - 1);
  const y = (value) => top + ((height - top - bottom) * (high - value)) / (high - low);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img",
    "aria-label": `Held-out P@1 by epoch, from ${number(values[0], 1)} to ${number(values.at(-1), 1)} percent` });
  for (const value of [low, (low + high) / 2, high]) {
    chart.append(svg("line", { class: "grid", x1: left, x2: width - 16, y1: y(value), y2: y(value) }),
      svg("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value, 1)));
  }
  chart.append(svg("polyline", { class: "line", points: values.map((value, i) => `${x(i)},${y(value)}`).join(" ") }));
  const every = Math.ceil(epochs.length / 12);
  epochs.forEach((epoch, i) => {
    chart.append(svg("circle", { class: "dot", cx: x(i), cy: y(values[i]), r: 3.5 }));
    if (i % every === 0) chart.append(svg("text", { x: x(i), y: height - 6, "text-anchor": "middle" }, epoch.epoch));
  });
  return chart;
}

function showTraining(history) {
  const epochs = history?.epochs ?? [];
  byId("training-card").hidden = epochs.length === 0;
  if (epochs.length === 0) return;
  byId("training").replaceChildren(
    el("p", { class: "soft" }, `P@1 on held-out documents after each of ${epochs.length} epochs, ${number(history.seconds)} s in all; epoch ${history.best_epoch} is served.`),
    trainingChart(epochs));
}

function leave() {
  shown = false;
  clearTimeout(timer);
}

async function enter() {
  leave();
  shown = true;
  former = null;
  try {
    showInfo(await ask("GET", "/v1/info"));
    const report = await ask("GET", "/v1/report");
    showQuality(report.evaluation);
    showTraining(report.history);
  } catch (error) {
    showAlert(error.message);
  }
  await refreshLoad();
}

export function startFigures() {
  return { enter, leave };
}
