// The interface to read and to try, out of /openapi.json.
import { ask, byId, el, followKey, headers, showAlert } from "./shared.js";

let api;

function resolve(value) {
  if (!value || !value.$ref) return value;
  return value.$ref.slice(2).split("/").reduce((inner, name) => inner[name], api);
}

// Text in which `backticks` stand around what is code.
const prose = (text) => (text ?? "").split("`").map((part, i) => (i % 2 === 1 ? el("code", {}, part) : part));

const nameOf = (schema) => (schema.$ref ? schema.$ref.split("/").pop() : null);

function typeOf(schema) {
  if (schema.$ref) return nameOf(schema);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.filter((each) => each !== null).map((each) => JSON.stringify(each)).join(" | ");
  const types = [schema.type].flat().filter((type) => type && type !== "null");
  return types.map((type) => (type === "array" ? `list of ${typeOf(schema.items ?? {})}` : type)).join(" or ") || "anything";
}

function limitsOf(schema) {
  const parts = [];
  const range = (low, high, what) => {
    if (low !== undefined && high !== undefined) parts.push(low === high ? `${low}${what}` : `${low} to ${high}${what}`);
    else if (low !== undefined) parts.push(`${low}${what} at least`);
    else if (high !== undefined) parts.push(`${high}${what} at most`);
  };
  range(schema.minimum, schema.maximum, "");
  range(schema.minLength, schema.maxLength, " characters");
  range(schema.minItems, schema.maxItems, " elements");
  if (schema.default !== undefined) parts.push(`default ${JSON.stringify(schema.default)}`);
  return parts.join(", ");
}

function fieldsTable(rows) {
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...["Name", "Type", "Meaning"].map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows.map(([name, schema, isRequired, place, description]) => el("tr", {},
      el("td", {}, el("code", {}, name), isRequired ? el("small", {}, " required") : null),
      el("td", {}, typeOf(schema), place ? el("small", {}, ` in ${place}`) : null),
      el("td", {}, prose([description ?? schema.description, limitsOf(schema)].filter(Boolean).join("; "))))))));
}

// The fields of a schema and of those it names, each once.
function schemaTables(schema, seen = new Set()) {
  const found = resolve(schema);
  const name = nameOf(schema);
  if (name && seen.has(name)) return [];
  if (name) seen.add(name);
  const parts = [];
  const inner = [];
  if (found.properties) {
    const choice = (found.oneOf ?? []).map((each) => each.required.join()).join(", ");
    parts.push(el("p", {}, el("strong", {}, name ?? "object"), choice ? `: exactly one of ${choice}` : ""),
      fieldsTable(Object.entries(found.properties).map(([key, value]) => [key, value, (found.required ?? []).includes(key)])));
    inner.push(...Object.values(found.properties));
  } else if (name) {
    parts.push(el("p", {}, el("strong", {}, name), `: ${typeOf(found)} ${limitsOf(found)}`));
  }
  if (found.items) inner.push(found.items);
  for (const each of inner) {
    const nested = each.items ?? each;
    if (nested.$ref || nested.properties) parts.push(...schemaTables(nested, seen));
  }
  return parts;
}

function responsesTable(responses) {
  return el("div", { class: "scroll" }, el("table", {}, el("tbody", {}, Object.entries(responses).map(([status, response]) => {
    const found = resolve(response);
    const [[type, media]] = Object.entries(found.content ?? { "": {} });
    return el("tr", {}, el("td", {}, el("code", {}, status)), el("td", {}, found.description),
      el("td", {}, type, media.schema ? el("small", {}, ` ${typeOf(media.schema)}`) : null));
  }))));
}

// A form that sends the operation to this server.
function tryForm(method, path, operation) {
  const parameters = (operation.parameters ?? []).map((parameter) => ({
    ...parameter, input: el("input", { type: "text", value: parameter.example ?? "" }) }));
  const [[type, media]] = Object.entries(operation.requestBody?.content ?? { "": {} });
  const isForm = type.includes("form");
  const body = type ? el("textarea", { rows: 5, spellcheck: "false" }) : null;
  if (body) body.value = isForm ? "text=play chess against the computer&limit=3" : JSON.stringify(media.example ?? {}, null, 1);
  const result = el("pre", { hidden: true, tabindex: "0", "aria-live": "polite", "aria-label": "Answer" });

  async function send(event) {
    event.preventDefault();
    let target = path;
    const query = new URLSearchParams();
    const sent = headers(undefined);
    if (type) sent["Content-Type"] = type;
    for (const { in: place, name, input } of parameters) {
      if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value && place === "query") query.set(name, input.value);
      else if (input.value) sent[name] = input.value;
    }
    if ([...query].length) target += `?${query}`;
    result.hidden = false;
    try {
      const content = body && (isForm ? String(new URLSearchParams(body.value)) : body.value);
      const reply = await fetch(target, { method, headers: sent, body: content });
      const text = await reply.text();
      const isJson = (reply.headers.get("Content-Type") ?? "").includes("json");
      const shown = isJson && text ? JSON.stringify(JSON.parse(text), null, 1) : text;
      result.textContent = `${reply.status} ${reply.statusText}\n\n${shown.slice(0, 20000)}`;
    } catch (error) {
      result.textContent = String(error);
    }
  }

  return el("form", { onsubmit: send },
    el("div", { class: "row" }, parameters.map(({ name, input }) => el("label", {}, name, input))),
    body ? el("label", {}, "Body", body) : null,
    el("p", {}, el("button", { class: "main" }, "Send")), result);
}

function operationCard(method, path, operation) {
  const body = operation.requestBody;
  const content = el("div", {});
  const card = el("details", { class: "card operation", id: operation.operationId },
    el("summary", {}, el("span", { class: `method ${method}` }, method.toUpperCase()), el("code", {}, path),
      el("span", { class: "soft" }, operation.summary)), content);
  card.addEventListener("toggle", () => {  // filled when it is opened first
    if (!card.open || content.hasChildNodes()) return;
    const good = resolve(Object.values(operation.responses)[0]).content;
    const answer = Object.values(good ?? {})[0]?.schema;
    const parts = [operation.description ? el("p", {}, prose(operation.description)) : null];
    if (operation.parameters) {
      parts.push(el("h3", {}, "Parameters"), fieldsTable(operation.parameters.map((each) => [
        each.name, each.schema, each.required, each.in, each.description])));
    }
    if (body) {
      const [[type, media]] = Object.entries(body.content);
      parts.push(el("h3", {}, "Request, ", type), ...schemaTables(media.schema));
    }
    parts.push(el("h3", {}, "Answers"), responsesTable(operation.responses), ...(answer ? schemaTables(answer) : []));
    parts.push(el("h3", {}, "Try it"), tryForm(method.toUpperCase(), path, operation));
    content.append(...parts.filter(Boolean));
  });
  return card;
}

function show(wanted) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [method, path, operation]));
  const fitting = operations.filter((each) => `${each[0]} ${each[1]} ${each[2].summary}`.toLowerCase().includes(wanted));
  const parts = api.tags.flatMap((tag) => {
    const own = fitting.filter(([, , operation]) => operation.tags.includes(tag.name));
    return own.length ? [el("h2", {}, tag.name), el("p", { class: "soft" }, prose(tag.description)), ...own.map((each) => operationCard(...each))] : [];
  });
  byId("operations").replaceChildren(...parts);
  byId("count").textContent = `${fitting.length} of ${operations.length} operations`;
}

followKey();
try {
  api = await ask("GET", "/openapi.json");
  byId("intro").replaceChildren(...prose(api.info.description));
  byId("find").addEventListener("input", () => show(byId("find").value.trim().toLowerCase()));
  show("");
  if (location.hash) byId(location.hash.slice(1))?.setAttribute("open", "");
} catch (error) {
  showAlert(error.message);
}
