// The catalogue: find, add, change and remove labels.
import { ask, byId, el, number, showAlert } from "./shared.js";

const kPage = 50;
let next = null;
let timer = 0;
let running = null;
let refreshServed = async () => {};

const pathOf = (key) => `/v1/labels/${encodeURIComponent(key)}`;

function note(text) {
  byId("catalogue-note").textContent = text;
}

async function guarded(action) {
  showAlert("");
  note("");
  try {
    await action();
  } catch (error) {
    if (error.name !== "AbortError") showAlert(error.message);
  }
}

function edit(label) {
  byId("label-key").value = label.key;
  byId("label-name").value = label.name;
  byId("label-text").value = label.text === label.name ? "" : label.text;
  byId("label-form-title").textContent = "Change a label";
  byId("label-name").focus();
  byId("label-form").scrollIntoView({ block: "nearest" });
}

function confirmRemoval(label) {
  const dialog = byId("removal");
  byId("removal-name").textContent = label.name === label.key ? label.name : `${label.name} (${label.key})`;
  dialog.returnValue = "keep";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "remove"), { once: true }));
}

async function remove(label) {
  if (!await confirmRemoval(label)) return;
  await guarded(async () => {
    await ask("DELETE", pathOf(label.key));
    await list();
    note(`Removed ${label.name}.`);
    await refreshServed();
  });
  byId("find").focus();
}

function row(label) {
  return el("tr", {},
    el("td", {}, label.name),
    el("td", {}, el("small", {}, label.key === label.name ? "" : label.key)),
    el("td", {}, el("small", {}, label.text === label.name ? "" : label.text)),
    el("td", { class: "act" },
      el("button", { type: "button", class: "plain", "aria-label": `Change ${label.name}`, onclick: () => edit(label) }, "Change"),
      el("button", { type: "button", class: "plain", "aria-label": `Remove ${label.name}`, onclick: () => remove(label) }, "Remove")));
}

async function list(after = null) {
  running?.abort();
  running = new AbortController();
  const parameters = new URLSearchParams({ limit: kPage });
  const query = byId("find").value.trim();
  if (query) parameters.set("query", query);
  if (after !== null) parameters.set("after", after);
  const page = await ask("GET", `/v1/labels?${parameters}`, undefined, running.signal);
  const rows = page.labels.map(row);
  if (after === null) byId("labels").replaceChildren(...rows);
  else byId("labels").append(...rows);
  next = page.next;
  byId("more").hidden = next === null;
  const count = byId("labels").childElementCount;
  byId("catalogue-status").textContent = count === 0 ? "No label holds this in its name or key."
    : `${next === null ? "All" : "The first"} ${number(count)} ${query ? "that fit" : "labels"}`;
}

async function save(event) {
  event.preventDefault();
  await guarded(async () => {
    const label = await ask("PUT", pathOf(byId("label-key").value), { name: byId("label-name").value, text: byId("label-text").value });
    byId("label-form").reset();
    byId("find").value = label.name;
    await list();
    note(`Saved ${label.name}: it is on disk and counts for the next query.`);
    await refreshServed();
  });
}

export function startCatalogue(refresh) {
  refreshServed = refresh;
  byId("label-form").addEventListener("submit", save);
  byId("label-form").addEventListener("reset", () => {
    byId("label-form-title").textContent = "Add a label";
  });
  byId("find").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => guarded(list), 150);
  });
  byId("more").addEventListener("click", () => guarded(() => list(next)));
  return { enter: () => guarded(list) };
}
