// A text and the labels that fit it, while it is typed.
import { ask, byId, el, number, showAlert } from "./shared.js";

const kPauseMs = 150;
const kExamples = 5;
const chosen = new Map();  // keys of the filter and their names
let suggested = new Map();
let timer = 0;
let running = null;
let hasDocuments = false;

const spaceOf = () => (hasDocuments ? new FormData(byId("query-form")).get("space") : "labels");

function requestOf(space, k) {
  const request = { text: byId("text").value, k, timing: true };
  if (space === "documents") request.space = "documents";
  const threshold = Number(byId("threshold").value);
  if (threshold >= 0) request.threshold = threshold;
  if (space === "labels" && chosen.size > 0) request.filter = { keys: [...chosen.keys()] };
  return request;
}

function row(name, detail, score) {
  const below = detail && detail !== name ? el("small", {}, detail) : null;
  return el("li", {}, el("span", { class: "name" }, name, below), el("span", { class: "score" }, number(score, 3)),
    el("div", { class: "bar", "aria-hidden": "true" }, el("span", { share: score })));
}

function showTiming(timing, whole) {
  const known = timing.wait_ms + timing.encode_ms + timing.search_ms;
  const stages = [["wait", "in the queue", timing.wait_ms], ["encode", "encoding", timing.encode_ms],
    ["search", "searching", timing.search_ms], ["rest", "network and page", Math.max(0, whole - known)]];
  byId("stages").replaceChildren(...stages.map(([name, , ms]) => el("span", { class: name, share: ms / whole })));
  byId("stages-legend").replaceChildren(...stages.map(([name, meaning, ms]) => el("li", { class: name }, `${meaning} ${number(ms, 2)} ms`)));
}

function documentRow(found) {
  const labels = (found.labels ?? []).map((label) => label.name).join(" · ");
  return row(found.text || found.key, labels || found.key, found.score);
}

async function showExamples(signal) {
  byId("examples-card").hidden = true;
  if (!hasDocuments || spaceOf() === "documents") return;
  const answer = await ask("POST", "/v1/query", { text: byId("text").value, k: kExamples, space: "documents", fields: ["key", "text", "score"] }, signal);
  const documents = answer.results[0].documents ?? [];
  byId("examples").replaceChildren(...documents.map(documentRow));
  byId("examples-card").hidden = documents.length === 0;
}

async function update() {
  running?.abort();
  const text = byId("text").value.trim();
  byId("query-answer").hidden = text === "" || byId("query-answer").hidden;
  showAlert("");
  if (text === "") {
    byId("query-status").textContent = "Type a text: answers come while you type.";
    return;
  }
  if (!byId("k").reportValidity()) return;
  running = new AbortController();
  const { signal } = running;
  const space = spaceOf();
  const begin = performance.now();
  try {
    const request = requestOf(space, Number(byId("k").value));
    if (space === "documents") request.fields = ["key", "text", "score"];
    const answer = await ask("POST", "/v1/query", request, signal);
    const whole = performance.now() - begin;
    const found = answer.results[0][space] ?? [];
    const rows = found.map((each) => (space === "documents" ? documentRow(each) : row(each.name, each.key, each.score)));
    byId("ranked-title").textContent = space === "documents" ? "Documents" : "Labels";
    byId("ranked").replaceChildren(...rows);
    showTiming(answer.timing, whole);
    byId("query-answer").hidden = found.length === 0;
    const what = space === "documents" ? "document" : "label";
    byId("query-status").textContent = found.length === 0
      ? `No ${what}: no word of it is known, or none reaches the score.`
      : `${found.length} ${what}${found.length === 1 ? "" : "s"} of generation ${answer.generation} in ${number(whole, 1)} ms`;
    await showExamples(signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    byId("query-answer").hidden = true;
    byId("query-status").textContent = "";
    showAlert(error.message);
  }
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(update, kPauseMs);
}

function showChips() {
  byId("filter-chips").replaceChildren(...[...chosen].map(([key, name]) => el("li", {}, name, el("button", {
    type: "button",
    "aria-label": `Allow others than ${name} again`,
    onclick: () => {
      chosen.delete(key);
      showChips();
      byId("filter-input").focus();
      update();
    },
  }, "×"))));
}

// Whether the name is one that was suggested; it is among those that may be answered then.
function choose(name) {
  if (!suggested.has(name)) return false;
  chosen.set(suggested.get(name), name);
  byId("filter-input").value = "";
  showChips();
  update();
  return true;
}

// A choice from the list is the input's value at once; other text asks for names like it.
async function followFilter() {
  const value = byId("filter-input").value;
  if (choose(value)) return;
  if (value.trim() === "") return;
  try {
    const { labels } = await ask("GET", `/v1/labels?limit=20&query=${encodeURIComponent(value.trim())}`);
    suggested = new Map(labels.map((label) => [label.name, label.key]));
    byId("filter-list").replaceChildren(...labels.map((label) => el("option", { value: label.name }, label.key)));
  } catch (error) {
    showAlert(error.message);
  }
}

// Whether this store answers with documents too: a server that cannot does not describe it.
async function findDocuments() {
  try {
    const api = await ask("GET", "/openapi.json");
    if (!api.components.schemas.Query.properties.space) return false;
    await ask("POST", "/v1/query", { text: "a", k: 1, space: "documents" });
    return true;
  } catch {
    return false;
  }
}

export function startQuery() {
  byId("query-form").addEventListener("submit", (event) => {
    event.preventDefault();
    update();
  });
  for (const id of ["text", "k"]) byId(id).addEventListener("input", soon);
  byId("spaces").addEventListener("change", update);
  byId("threshold").addEventListener("input", () => {
    const value = Number(byId("threshold").value);
    byId("threshold-value").textContent = value < 0 ? "any value" : `${number(value, 2)} or more`;
    soon();
  });
  byId("filter-input").addEventListener("input", followFilter);
  byId("filter-input").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    choose(event.target.value);
  });
  return {
    enter: () => byId("text").focus(),
    served: async (info) => {
      hasDocuments = info !== null && await findDocuments();
      byId("spaces").hidden = !hasDocuments;
      if (byId("text").value) update();
    },
  };
}
