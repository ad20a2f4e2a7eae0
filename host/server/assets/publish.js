// The interactive publish page: rules, counters, preview, uploads, the check. The server does the same; this script
// only avoids requests.

import { csrf, enliven, failure, localTimes, sentence } from "./app.js";
import { fit, format, obstacle } from "./fit.js";
import { Kept } from "./keep.js";
import { draw, fieldsOf, isKnown } from "./rules.js";
import { bytes, remove, send } from "./upload.js";

const page = document.getElementById("publish");
const form = JSON.parse(page.dataset.form);
const kind = page.dataset.kind;
const button = page.querySelector("button[value=publish]");
const together = page.querySelector("button[value=together]");
const links = new Map();
let running = 0;

function inputOf(name) {
  return page.elements.namedItem(`f.${name}`);
}

function chosen() {
  const values = {};
  for (const box of page.querySelectorAll("[data-field]")) {
    const input = inputOf(box.dataset.field);
    if (!input || input.disabled) continue;
    if (input.type === "checkbox") {
      if (input.checked) values[box.dataset.field] = "true";
    } else if (input.value !== "") values[box.dataset.field] = input.value;
  }
  return values;
}

function words(notice) {
  const p = document.createElement("p");
  p.className = "notice";
  let rest = notice.text;
  const left = notice.links.filter((link) => link.url.startsWith("https://"));
  for (;;) {
    let best = null;
    for (const link of left) {
      const at = rest.indexOf(link.text);
      if (at >= 0 && (!best || at < best.at)) best = { at, link };
    }
    if (!best) break;
    left.splice(left.indexOf(best.link), 1);
    const a = document.createElement("a");
    a.href = best.link.url;
    a.target = "_blank";
    a.rel = "noopener noreferrer";
    a.textContent = best.link.text;
    p.append(rest.slice(0, best.at), a);
    rest = rest.slice(best.at + best.link.text.length);
  }
  p.append(rest);
  return p;
}

function replace(box, nodes) {
  // Screen readers announce changes, so unchanged text must not be set again.
  const fresh = document.createElement("div");
  fresh.append(...nodes);
  if (fresh.innerHTML !== box.innerHTML) box.replaceChildren(...fresh.childNodes);
}

function reason(drawn) {
  if (form.blocked) return form.blocked.message;
  if (drawn.blocks.length > 0) return drawn.blocks.join(" ");
  const unknown = fieldsOf(form, kind).find((field) => field.required && !isKnown(field));
  if (unknown) return `${unknown.label} cannot be filled in on this page.`;
  if (running > 0) return "The upload is still under way.";
  if (document.querySelector("[data-too-long]")) return "A text is too long.";
  if (document.querySelector("[data-refused]")) return "A file does not fit; remove it.";
  return "";
}

function update() {
  const typed = {};
  for (const box of page.querySelectorAll("[data-field]")) {
    const input = inputOf(box.dataset.field);
    if (!input) continue;
    if (input.type === "checkbox") {
      if (input.checked) typed[box.dataset.field] = "true";
    } else if (input.multiple) {
      const several = [...input.selectedOptions].map((option) => option.value);
      if (several.length > 0) typed[box.dataset.field] = several.join("\n");
    } else if (input.value !== "") typed[box.dataset.field] = input.value;
  }
  const drawn = draw(form, kind, typed);
  for (const box of page.querySelectorAll("[data-field]")) {
    const name = box.dataset.field;
    const input = inputOf(name);
    if (!input) continue;
    const because = drawn.disabled.get(name);
    const hidden = drawn.hidden.has(name);
    box.hidden = hidden;
    box.title = because ?? "";
    input.disabled = hidden || because !== undefined;
    if ("required" in box.dataset || input.type !== "checkbox") input.required = "required" in box.dataset || drawn.required.has(name);
    // Hidden and disabled fields have no value.
    if (input.disabled && input.type === "checkbox") input.checked = false;
    const reasons = [];
    if (because) reasons.push(because);
    if (input.tagName === "SELECT") {
      const titles = [];
      for (const option of input.options) {
        if (option.value === "") continue;
        const grey = drawn.choices.get(JSON.stringify([name, option.value]));
        option.disabled = grey !== undefined;
        option.title = grey?.because ?? "";
        if (grey) {
          reasons.push(`${option.label}: ${grey.because}`);
          titles.push(grey.because);
          if (option.selected) option.selected = false;
        }
      }
      input.title = titles[0] ?? "";
    }
    const why = document.getElementById(`f-${name}-because`);
    why.hidden = reasons.length === 0;
    if (why.textContent !== reasons.join(" ")) why.textContent = reasons.join(" ");
    replace(document.getElementById(`f-${name}-notices`), drawn.notices.filter((notice) => notice.field === name).map(words));
  }
  replace(document.getElementById("consent"), drawn.notices.filter((notice) => notice.field == null).map(words));
  document.getElementById("words").value = drawn.words;
  for (const part of ["title", "text"]) {
    const shown = document.querySelector(`[data-preview=${part}]`);
    if (shown) shown.textContent = drawn.values[part] ?? "";
  }
  count();
  const why = reason(drawn);
  button.disabled = why !== "";
  // What is not here yet cannot be taken over.
  if (together) together.disabled = running > 0;
  document.getElementById("press").title = why;
  const line = document.getElementById("press-why");
  // Why the account is blocked is said above.
  const told = form.blocked ? "" : why;
  if (line.textContent !== told) line.textContent = told;
}

function measure(text, unit, link) {
  if (link != null) {
    const pieces = text.split(/(?<=\s)/);
    return pieces.reduce((length, piece) => {
      const word = piece.trimEnd();
      const isLink = word.startsWith("https://") || word.startsWith("http://");
      const rest = measure(isLink ? piece.slice(word.length) : piece, unit);
      return rest == null || length == null ? null : length + rest + (isLink ? Number(link) : 0);
    }, 0);
  }
  if (unit === "utf-16") return text.length;
  if (unit === "code-points") return [...text].length;
  if (unit === "graphemes") return [...new Intl.Segmenter().segment(text)].length;
  if (unit === "bytes") return new TextEncoder().encode(text).length;
  return null;
}

function count() {
  for (const counter of page.querySelectorAll("[data-counter]")) {
    const input = document.getElementById(counter.dataset.counter);
    const shown = counter.querySelector(".count");
    const length = measure(input.value, counter.dataset.unit, counter.dataset.link);
    if (length == null || !shown) continue;
    shown.textContent = length;
    const over = length > Number(counter.dataset.maximum);
    counter.toggleAttribute("data-too-long", over);
    // Beside the first limit of a text another one is only told once it does not hold.
    if ("later" in counter.dataset) counter.hidden = !over;
    counter.classList.toggle("wrong", over);
    input.setAttribute("aria-invalid", String(page.querySelector(`[data-counter="${input.id}"][data-too-long]`) !== null));
  }
}

// ---- media ---------------------------------------------------------------------------------------------------

const list = document.getElementById("uploads");
const file = document.getElementById("file");
const urls = document.getElementById("urls");
const shown = document.getElementById("preview-media");
const status = document.getElementById("upload-status");

function show() {
  if (!shown || !list) return;
  const pieces = [];
  for (const row of list.children) if (row.picture) pieces.push(row.picture);
  for (const url of (urls?.value ?? "").split("\n").map((line) => line.trim()).filter((line) => line.startsWith("https://"))) {
    if (!links.has(url)) links.set(url, kind === "video" ? piece("video/", url) : link(url));
    pieces.push(links.get(url));
  }
  if (pieces.length > 0) shown.replaceChildren(...pieces);
  else if (!list.children.length) {
    const p = document.createElement("p");
    p.className = "quiet";
    p.textContent = "Choose a file to see it here as it will be posted.";
    shown.replaceChildren(p);
  }
}

// The service fetches photos at typed addresses, so that the browser asks nobody else.
async function look() {
  for (const [url, line] of links) {
    if (!line.dataset.wanted || !line.isConnected) continue;
    delete line.dataset.wanted;
    const asked = { method: "POST", headers: { "X-CSRF-Token": csrf() }, body: new URLSearchParams({ url }) };
    const answer = await fetch(`/pictures/${encodeURIComponent(page.dataset.app)}`, asked).catch(() => null);
    if (answer?.ok && !answer.redirected) line.replaceChildren(piece("image/", URL.createObjectURL(await answer.blob())));
  }
}

function link(url) {
  const a = document.createElement("a");
  a.href = url;
  a.target = "_blank";
  a.rel = "noopener noreferrer";
  a.textContent = url;
  const line = document.createElement("p");
  line.dataset.wanted = "true";
  line.append(a);
  return line;
}

function piece(type, url) {
  const it = document.createElement(type.startsWith("video/") ? "video" : "img");
  it.src = url;
  if (it.tagName === "VIDEO") {
    it.controls = true;
    it.preload = "metadata";
    it.setAttribute("aria-label", "Preview of the video");
  } else it.alt = "Preview of the photo";
  return it;
}

// Files that lie at the service already: of a form that was sent, or of a post that goes to several channels.
for (const row of list?.querySelectorAll("[data-preview]") ?? []) row.picture = shown.querySelector(`[src="${CSS.escape(row.dataset.preview)}"]`);

function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** What the form wants to know of an item, below its name: descriptions, languages. The rule is that of its role and type. */
const rules = form.kinds.find((one) => one.name === kind)?.media ?? [];
let described = 0;
function describe(row) {
  const hidden = row.querySelector("input[name=media]");
  const item = JSON.parse(hidden.value);
  const own = rules.filter((rule) => rule.role === (item.role ?? "media"));
  const rule = own.find((one) => one.content_types.includes(item.type)) ?? own[0];
  for (const field of rule?.fields ?? []) {
    if (!isKnown(field)) continue;
    described += 1;
    const box = document.createElement("div");
    box.className = "field";
    const label = document.createElement("label");
    const input = document.createElement(field.kind === "choice" ? "select" : field.kind === "multiline" ? "textarea" : "input");
    input.id = `item-${described}`;
    label.htmlFor = input.id;
    label.textContent = field.required ? `${field.label} (required)` : field.label;
    const name = document.createElement("span");
    name.className = "hidden";
    name.textContent = ` of ${item.name}`;
    label.append(name);
    if (field.kind === "choice") {
      for (const { value, label: text } of [{ value: "", label: "Not set" }, ...field.choices]) input.append(new Option(text, value));
    } else if (field.kind === "multiline") input.rows = 2;
    const value = item.fields?.[field.name];
    if (value !== undefined) input.value = value;
    input.addEventListener("input", () => {
      const now = JSON.parse(hidden.value);
      now.fields = { ...now.fields, [field.name]: input.value };
      hidden.value = JSON.stringify(now);
    });
    box.append(label, input);
    const limit = field.limits.find((one) => one.maximum != null);
    if (limit) {
      const counter = document.createElement("p");
      counter.className = "counter";
      Object.assign(counter.dataset, { counter: input.id, maximum: limit.maximum, unit: limit.unit });
      const count = document.createElement("span");
      count.className = "count";
      counter.append(count, ` of ${limit.maximum} ${limit.unit === "bytes" ? "bytes" : "characters"}`);
      box.append(counter);
    }
    row.append(box);
  }
}

async function add(chosenFile, role = "media") {
  const row = document.createElement("li");
  row.className = "upload";
  row.innerHTML = '<div class="line"><span class="what"></span><button type="button" class="plain"></button></div><progress max="1" value="0"></progress><p class="fine state"></p><p class="wrong" role="alert"></p>';
  row.querySelector(".what").textContent = `${chosenFile.name} · ${bytes(chosenFile.size)}`;
  const drop = row.querySelector("button");
  drop.textContent = "Stop";
  const bar = row.querySelector("progress");
  bar.setAttribute("aria-label", `Upload of ${chosenFile.name}`);
  const state = row.querySelector(".state");
  row.dataset.role = role;
  // Only what the post shows is previewed.
  if (role === "media") row.picture = piece(chosenFile.type, URL.createObjectURL(chosenFile));
  list.append(row);
  const refuse = (text) => {
    row.dataset.refused = "true";
    row.querySelector(".wrong").textContent = text;
    update();
  };
  row.picture?.addEventListener("loadedmetadata", () => {
    const longest = Number(file.dataset.maxDuration);
    const length = row.picture.duration * 1000;
    if (longest && Number.isFinite(length) && length > longest) refuse(`The video is ${clock(length)} long; this account may post at most ${clock(longest)}.`);
  });
  const gone = () => {
    if (row.picture) URL.revokeObjectURL(row.picture.src);
    row.remove();
    show();
    update();
    kept.save();
  };
  show();
  running += 1;
  update();
  const upload = send(chosenFile, (loaded, total) => {
    bar.max = total;
    bar.value = loaded;
    state.textContent = `${bytes(loaded)} of ${bytes(total)}`;
  });
  const stop = () => upload.stop();
  drop.addEventListener("click", stop);
  try {
    const sent = await upload.done;
    bar.remove();
    state.textContent = "Uploaded, not sent";
    status.textContent = `${chosenFile.name} was uploaded.`;
    const input = document.createElement("input");
    input.type = "hidden";
    input.name = "media";
    row.append(input);
    const item = { upload: sent.id, name: chosenFile.name, size: sent.size, type: chosenFile.type };
    input.value = JSON.stringify(role === "media" ? item : { ...item, role });
    describe(row);
    kept.save();
    drop.removeEventListener("click", stop);
    drop.textContent = "Remove";
    drop.addEventListener("click", () => { remove(sent.id); gone(); });
  } catch (error) {
    bar.remove();
    state.textContent = "";
    refuse(error.message);
    drop.removeEventListener("click", stop);
    drop.textContent = "Remove";
    drop.addEventListener("click", gone);
  } finally {
    running -= 1;
    update();
  }
}

// Set by the page; what else can be chosen is offered to be made fitting.
const accepted = file?.accept.split(",").filter(Boolean) ?? [];

// A new post, a change of a job, and a channel's form of a post on several.
const kept = new Kept(page);
let leaving = false;

/** What was chosen here before a reload or a sign-in. */
function bringBack() {
  for (let at = kept.parts(); at > 0; at -= 1) grow(at);
  const media = kept.restore();
  if (!media) return;
  page.querySelector("[name=when]:checked")?.dispatchEvent(new Event("change"));
  for (const one of media) {
    const row = document.createElement("li");
    row.className = "upload";
    row.innerHTML = '<input type="hidden" name="media"><div class="line"><span class="what"></span><button type="button" class="plain">Remove</button></div><p class="fine state">Uploaded, not sent</p>';
    row.querySelector("input").value = JSON.stringify(one);
    row.querySelector(".what").textContent = `${one.name} · ${bytes(one.size)}`;
    row.dataset.role = one.role ?? "media";
    describe(row);
    if (row.dataset.role === "media") row.picture = piece(one.type || (kind === "video" ? "video/" : "image/"), `/uploads/${encodeURIComponent(one.upload)}/content?app=${encodeURIComponent(page.dataset.app)}`);
    row.querySelector("button").addEventListener("click", () => { remove(one.upload); row.remove(); show(); update(); kept.save(); });
    list.append(row);
  }
  const again = document.createElement("p");
  again.className = "note info";
  const over = document.createElement("button");
  over.type = "button";
  over.className = "plain";
  over.textContent = "Start over";
  over.addEventListener("click", () => { kept.forget(); location.reload(); });
  again.append("What you had filled in here is back. ", over);
  document.getElementById("answer").after(again);
}

for (const other of page.querySelectorAll("input[type=file][data-role]")) {
  other.closest(".scripted").hidden = false;
  other.addEventListener("change", async () => {
    const { fitting, leftOut } = sorted([...other.files], other);
    other.value = "";
    document.getElementById("left-out").replaceChildren(...leftOut.map(leftOutLine));
    for (const one of fitting) await add(one, other.dataset.role);
  });
}

function leftOutLine(line) {
  const p = document.createElement("p");
  p.className = "note warn";
  p.textContent = line;
  return p;
}

if (file) {
  file.closest(".scripted").hidden = false;
  if (format(accepted)) file.accept = "image/*";
  const drop = file.closest("label");
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.dataset.over = "true"; });
  drop.addEventListener("dragleave", () => { delete drop.dataset.over; });
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    delete drop.dataset.over;
    file.files = event.dataTransfer.files;
    file.dispatchEvent(new Event("change"));
  });
  // A file dropped beside it would replace the page, and what was typed there.
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
  file.addEventListener("change", async () => {
    const chosen = [...file.files];
    file.value = "";
    const largest = Number(file.dataset.maxSize);
    const [pictures, others] = [[], []];
    for (const one of chosen) {
      const found = await obstacle(one, accepted, largest);
      if (found) pictures.push({ one, ...found });
      else others.push(one);
    }
    const { fitting, leftOut } = sorted(others, file);
    const lines = leftOut.map(leftOutLine);
    document.getElementById("left-out").replaceChildren(...lines, ...pictures.map(offer));
    // Only one file: a new one replaces the old one.
    if (file.dataset.maxFiles === "1" && fitting.length > 0) for (const row of rowsOf("media")) row.querySelector("button")?.click();
    // Sequentially: the first files are complete sooner, and the bandwidth is used equally well.
    for (const one of fitting) await add(one);
  });
}

/** Offers to make a picture fitting. */
function offer({ one, why, usable }) {
  const note = document.createElement("div");
  note.className = "note info";
  const text = document.createElement("p");
  const [, name] = format(accepted);
  text.textContent = `${one.name} ${why}. A ${name} of it can be posted; you see it before it is sent.`;
  const actions = document.createElement("div");
  actions.className = "actions";
  const press = (label, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", async () => {
      for (const each of actions.children) each.disabled = true;
      try {
        const fitting = await act();
        const { leftOut } = sorted([fitting], file);
        if (leftOut.length > 0) throw new Error(leftOut[0]);
        note.remove();
        await add(fitting);
      } catch (error) {
        note.className = "note warn";
        text.textContent = `${one.name} cannot be used: ${sentence(error.message)}`;
        actions.remove();
      }
    });
    actions.append(button);
  };
  press(`Make a ${name}`, () => fit(one, accepted, Number(file.dataset.maxSize)));
  if (usable) press("Use it as it is", () => one);
  note.append(text, actions);
  return note;
}

function rowsOf(role) {
  return [...list.children].filter((row) => (row.dataset.role ?? "media") === role);
}

/** What the form takes of these files, and a line for each reason why others are left out. */
function sorted(files, input) {
  const most = Number(input.dataset.maxFiles);
  const types = input === file ? accepted : input.accept.split(",").filter(Boolean);
  const reasons = new Map();
  const leave = (one, reason) => reasons.set(reason, [...(reasons.get(reason) ?? []), one.name]);
  const largest = Number(input.dataset.maxSize);
  const role = input.dataset.role ?? "media";
  // One that stands alone is replaced, if it is what the post shows.
  const room = most === 1 && role === "media" ? 1 : most - rowsOf(role).length;
  const fitting = [];
  for (const one of files) {
    // A type that the browser does not know is left to the check.
    if (one.type && types.length > 0 && !types.includes(one.type)) leave(one, `This post takes ${input.dataset.formats}.`);
    else if (largest && one.size > largest) leave(one, `A file may have at most ${bytes(largest)}.`);
    else if (fitting.length >= room) leave(one, `At most ${most} ${most === 1 ? "file" : "files"} can be posted together.`);
    else fitting.push(one);
  }
  return { fitting, leftOut: [...reasons].map(([reason, names]) => `Left out: ${names.join(", ")}. ${reason}`) };
}

// ---- when ----------------------------------------------------------------------------------------------------

const at = document.getElementById("at");
if (at) {
  const later = document.getElementById("later");
  const turn = () => {
    later.hidden = page.elements.namedItem("when").value !== "later";
    at.required = !later.hidden;
  };
  for (const radio of page.querySelectorAll("[name=when]")) radio.addEventListener("change", turn);
  turn();
}

// ---- sending -------------------------------------------------------------------------------------------------

page.addEventListener("input", () => { show(); update(); kept.save(); });
page.addEventListener("change", () => { update(); look(); kept.save(); });
// An upload under way ends with the page; what is typed is kept.
addEventListener("beforeunload", (event) => { if (running > 0 && !leaving) event.preventDefault(); });
page.addEventListener("submit", async (event) => {
  event.preventDefault();
  const pressed = event.submitter ?? button;
  const body = new URLSearchParams(new FormData(page));
  body.set("action", pressed.value || "publish");
  pressed.disabled = true;
  const answer = document.getElementById("answer");
  try {
    // Not `page.action`, because the buttons have that name.
    const response = await fetch(page.getAttribute("action"), { method: "POST", body });
    if (response.redirected) {
      leaving = true;
      const signedOut = new URL(response.url).pathname === "/sign-in";
      if (!signedOut) kept.forget();
      // Back to this form, which is kept.
      location.assign(signedOut ? `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}` : response.url);
      return;
    }
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const said = fresh.getElementById("answer") ?? fresh.querySelector("main");
    // A gateway's page says nothing of the post.
    if (!said) throw new Error(`status ${response.status}`);
    answer.replaceChildren(...said.childNodes);
    for (const box of page.querySelectorAll("[data-field]")) {
      box.querySelector(":scope > p.wrong")?.remove();
      const wrong = fresh.querySelector(`[data-field="${CSS.escape(box.dataset.field)}"] > p.wrong`);
      if (wrong) box.append(wrong);
    }
    localTimes(answer);
  } catch {
    // The form keeps its key, so that what was taken already is found and not taken again.
    const note = failure({ message: "the service did not answer", remedy: "press the button again: a post that was taken already is not made a second time" });
    // It is in a status, which is read out.
    note.removeAttribute("role");
    answer.replaceChildren(note);
  }
  pressed.disabled = false;
  update();
  answer.scrollIntoView({ block: "nearest" });
});

// ---- a thread ------------------------------------------------------------------------------------------------

const thread = document.getElementById("field-parts");

/** Texts that follow, and always an empty one for the next: at least `wanted`. */
function grow(wanted = 0) {
  const all = [...(thread?.querySelectorAll("[data-part]") ?? [])];
  const last = all.at(-1);
  if (!last || all.length >= Number(thread.dataset.most)) return;
  if (all.length > wanted && last.querySelector("textarea").value.trim() === "") return;
  const next = last.cloneNode(true);
  const text = next.querySelector("textarea");
  text.id = `part-${all.length + 2}`;
  text.value = "";
  const label = next.querySelector("label");
  label.htmlFor = text.id;
  label.textContent = `Post ${all.length + 2}`;
  const counter = next.querySelector("[data-counter]");
  if (counter) counter.dataset.counter = text.id;
  last.after(next);
}
thread?.addEventListener("input", () => grow());

enliven(page);
for (const row of list?.querySelectorAll(":scope > [data-preview]") ?? []) describe(row);
bringBack();
if (thread && [...thread.querySelectorAll("textarea")].some((text) => text.value !== "")) thread.open = true;
grow();
if (urls?.value) urls.closest("details")?.setAttribute("open", "");
show();
update();
look();
