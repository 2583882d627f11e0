// What the pages share: elements without markup in strings, and requests to this server.

// An element; `parts` are texts, elements or null. Attributes only, no markup: texts stay texts.
export function el(tag, attributes = {}, ...parts) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "share") element.style.setProperty("--share", `${(100 * Math.min(1, Math.max(0, value))).toFixed(2)}%`);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...parts.flat().filter((part) => part !== null && part !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

export function number(value, digits = 0) {
  return Number(value).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; ++unit) value /= 1024;
  return `${number(value, unit === 0 ? 0 : 1)} ${units[unit]}`;
}

export function showAlert(text) {
  byId("alert").textContent = text;
  byId("alert").hidden = text === "";
}

// An error's message is what the server says of it.
export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// The key lives as long as the tab.
export function followKey() {
  const field = byId("key");
  field.value = sessionStorage.getItem("dexter-key") ?? "";
  byId("key-form").addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", () => sessionStorage.setItem("dexter-key", field.value));
}

export function headers(body) {
  const key = byId("key").value.trim();
  return { ...(key ? { Authorization: `Bearer ${key}` } : {}), ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
}

export async function ask(method, path, body, signal) {
  let reply;
  try {
    reply = await fetch(path, { method, headers: headers(body), signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer. Is it still running?");
  }
  const text = await reply.text();
  const isJson = (reply.headers.get("Content-Type") ?? "").includes("json");
  const answer = isJson && text ? JSON.parse(text) : text;
  if (reply.ok) return answer;
  const hint = reply.status === 401 ? " Give a key under “API key”." : "";
  throw new Problem(reply.status, `${answer.detail ?? `The server answered ${reply.status}.`}${hint}`);
}
