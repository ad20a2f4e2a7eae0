// The reference: renders /api/v1/openapi.json and sends requests. Everything is created as text nodes, so
// descriptions are never interpreted as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const csrf = document.querySelector('meta[name="csrf"]').content;

/** An element with properties and children. */
function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Resolves a reference to a schema. */
function resolved(api, schema) {
  let at = schema ?? {};
  while (at.$ref) {
    at = at.$ref.split("/").slice(1).reduce((inner, part) => inner?.[part], api) ?? {};
  }
  return at;
}

/** An initial value for the schema, without optional members. */
function example(api, schema, depth = 0) {
  const at = resolved(api, schema);
  if (at.const !== undefined) return at.const;
  if (at.enum) return at.enum[0];
  const choice = at.anyOf ?? at.oneOf;
  const merged = (at.allOf ?? []).map((part) => example(api, part, depth));
  if (choice && depth < 6) merged.push(example(api, choice.find((one) => one.type !== "null"), depth + 1));
  const type = Array.isArray(at.type) ? at.type[0] : at.type;
  if (type === "object" || at.properties) {
    const out = Object.assign({}, ...merged.filter((part) => typeof part === "object"));
    for (const name of at.required ?? []) {
      if (depth < 6) out[name] = example(api, at.properties?.[name], depth + 1);
    }
    return out;
  }
  if (merged.length) return merged[0];
  return { string: "", integer: 0, number: 0, boolean: false, array: [], null: null }[type] ?? {};
}

/** A one-line description of a schema. */
function named(api, schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const type = Array.isArray(schema.type) ? schema.type.filter((one) => one !== "null").join(" or ") : schema.type;
  return type === "array" ? `list of ${named(api, schema.items)}` : (type ?? "");
}

/** Sends the form's request, and shows the response while it arrives. */
async function send(operation, form, out) {
  let path = operation.path;
  const query = new URLSearchParams();
  const headers = { "x-csrf-token": csrf };
  const key = document.getElementById("key").value.trim();
  if (key) headers.authorization = `Bearer ${key}`;
  for (const field of form.querySelectorAll("[data-in]")) {
    if (!field.value) continue;
    if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    else if (field.dataset.in === "query") query.set(field.name, field.value);
    else headers[field.name] = field.value;
  }
  const body = form.querySelector("[data-body]");
  const options = { method: operation.method.toUpperCase(), headers };
  if (body?.type === "file") {
    options.body = body.files[0];
    headers["content-type"] = body.files[0]?.type || "application/octet-stream";
  } else if (body) {
    options.body = body.value;
    headers["content-type"] = "application/json";
  }
  const address = `/api/v1${path}${query.size ? `?${query}` : ""}`;
  out.replaceChildren(`${options.method} ${address}\n`);
  try {
    const answer = await fetch(address, options);
    out.append(`${answer.status} ${answer.statusText}\n`);
    for (const name of ["content-type", "link", "retry-after", "x-request-id"]) {
      if (answer.headers.has(name)) out.append(`${name}: ${answer.headers.get(name)}\n`);
    }
    out.append("\n");
    if (answer.headers.get("content-type")?.startsWith("text/event-stream")) {
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) out.append(part.value);
      return;
    }
    const text = await answer.text();
    try {
      out.append(JSON.stringify(JSON.parse(text), null, 2));
    } catch {
      out.append(text);
    }
  } catch (error) {
    out.append(`The request failed: ${error.message}`);
  }
}

/** A field for a parameter. */
function field(api, parameter) {
  const id = `f${(field.count = (field.count ?? 0) + 1)}`;
  const schema = resolved(api, parameter.schema);
  const choices = resolved(api, schema.anyOf?.[0]).enum ?? schema.enum;
  const properties = { id, name: parameter.name, "data-in": parameter.in, required: parameter.required ?? false };
  const input = choices
    ? el("select", properties, el("option", { value: "" }), ...choices.map((one) => el("option", {}, one)))
    : el("input", { ...properties, autocomplete: "off", spellcheck: false });
  const about = parameter.description ?? schema.description ?? "";
  return el(
    "p",
    { className: "field" },
    el("label", { htmlFor: id }, parameter.name, el("small", {}, ` ${parameter.in}${parameter.required ? ", required" : ""}`)),
    input,
    about ? el("small", {}, about) : null,
  );
}

/** One operation, collapsed. */
function operationOf(api, path, method, about) {
  const operation = { path, method };
  const form = el("form", {}, ...(about.parameters ?? []).map((parameter) => field(api, parameter)));
  const content = about.requestBody?.content ?? {};
  const json = content["application/json"];
  if (json) {
    const text = JSON.stringify(example(api, json.schema), null, 2);
    const id = `b-${about.operationId}`;
    form.append(
      el(
        "p",
        { className: "field" },
        el("label", { htmlFor: id }, "Body", el("small", {}, ` ${named(api, json.schema)}`)),
        el("textarea", { id, "data-body": "", value: text, rows: Math.min(14, text.split("\n").length + 1), spellcheck: false }),
      ),
    );
  } else if (Object.keys(content).length) {
    const id = `b-${about.operationId}`;
    form.append(
      el("p", { className: "field" }, el("label", { htmlFor: id }, "Body"), el("input", { id, type: "file", "data-body": "" })),
    );
  }
  const out = el("pre", { "aria-live": "polite", tabIndex: 0 });
  const dangerous = method === "delete" || about.operationId === "publish";
  form.append(el("p", {}, el("button", { className: dangerous ? "danger" : "" }, "Send")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(operation, form, out);
  });
  const answers = Object.entries(about.responses ?? {}).map(([status, answer]) => {
    const schema = Object.values(answer.content ?? {})[0]?.schema;
    return el("li", {}, el("code", {}, status), ` ${answer.description ?? ""} `, el("small", {}, named(api, schema)));
  });
  return el(
    "details",
    { id: about.operationId, className: method },
    el("summary", {}, el("b", {}, method.toUpperCase()), " ", el("code", {}, path), " ", el("span", {}, about.summary ?? "")),
    about.description ? el("p", {}, about.description) : null,
    form,
    out,
    el("details", {}, el("summary", {}, "Answers"), el("ul", {}, ...answers)),
  );
}

async function draw() {
  const main = document.getElementById("operations");
  const answer = await fetch("/api/v1/openapi.json");
  const api = await answer.json();
  const about = (api.info.description ?? "").split("\n\n").map((text) => el("p", {}, text));
  const key = el(
    "p",
    { className: "field" },
    el("label", { htmlFor: "key" }, "API key"),
    el("input", { id: "key", type: "password", autocomplete: "off" }),
    el("small", {}, "Without one, calls are made as you are signed in. It is kept in this page only."),
  );
  const sections = (api.tags ?? []).map((tag) => {
    const operations = Object.entries(api.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]?.tags?.includes(tag.name)).map((method) =>
        operationOf(api, path, method, item[method]),
      ),
    );
    return el("section", {}, el("h2", { id: `tag-${tag.name}` }, tag.name), el("p", {}, tag.description ?? ""), ...operations);
  });
  main.replaceChildren(...about, key, ...sections);
  const wanted = document.getElementById(location.hash.slice(1));
  if (wanted) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}

draw().catch((error) => {
  document.getElementById("operations").replaceChildren(el("p", {}, `The description cannot be read: ${error.message}`));
});
