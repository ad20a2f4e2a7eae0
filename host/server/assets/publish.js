// The publish page, live: rules, counters, preview, uploads, the check. The server draws and judges the same; this
// only saves the person the way there.

import { enliven, failure, localTimes } from "./app.js";
import { draw } from "./rules.js";
import { bytes, remove, send } from "./upload.js";

const page = document.getElementById("publish");
const form = JSON.parse(page.dataset.form);
const kind = page.dataset.kind;
const button = page.querySelector("button[value=publish]");
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
  // Screen readers speak what changes; what stays must not be spoken again.
  const fresh = document.createElement("div");
  fresh.append(...nodes);
  if (fresh.innerHTML !== box.innerHTML) box.replaceChildren(...fresh.childNodes);
}

function reason(drawn) {
  if (form.blocked) return form.blocked.message;
  if (drawn.blocks.length > 0) return drawn.blocks.join(" ");
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
    // What is hidden or grey has no value, and shows none.
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
          if (option.selected) input.value = "";
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
  document.getElementById("press").title = why;
  const line = document.getElementById("press-why");
  if (line.textContent !== why) line.textContent = why;
}

function measure(text, unit) {
  if (unit === "utf-16") return text.length;
  if (unit === "characters") return [...text].length;
  if (unit === "bytes") return new TextEncoder().encode(text).length;
  return null;
}

function count() {
  for (const counter of page.querySelectorAll("[data-counter]")) {
    const input = document.getElementById(counter.dataset.counter);
    const shown = counter.querySelector(".count");
    const length = measure(input.value, counter.dataset.unit);
    if (length == null || !shown) continue;
    shown.textContent = length;
    const over = length > Number(counter.dataset.maximum);
    counter.toggleAttribute("data-too-long", over);
    counter.classList.toggle("wrong", over);
    input.setAttribute("aria-invalid", String(over));
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
    if (!links.has(url)) links.set(url, piece(kind === "video" ? "video/" : "image/", url));
    pieces.push(links.get(url));
  }
  if (pieces.length > 0) shown.replaceChildren(...pieces);
  else if (!list.children.length) {
    const p = document.createElement("p");
    p.className = "quiet";
    p.textContent = "Choose a file, and it is shown here as it will be posted.";
    shown.replaceChildren(p);
  }
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

function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

async function add(chosenFile) {
  const row = document.createElement("li");
  row.className = "upload";
  row.innerHTML = '<div class="line"><span class="what"></span><button type="button" class="plain"></button></div><progress max="1" value="0"></progress><p class="fine state"></p><p class="wrong" role="alert"></p>';
  row.querySelector(".what").textContent = `${chosenFile.name} · ${bytes(chosenFile.size)}`;
  const drop = row.querySelector("button");
  drop.textContent = "Stop";
  const bar = row.querySelector("progress");
  bar.setAttribute("aria-label", `Upload of ${chosenFile.name}`);
  const state = row.querySelector(".state");
  row.picture = piece(chosenFile.type, URL.createObjectURL(chosenFile));
  list.append(row);
  const refuse = (text) => {
    row.dataset.refused = "true";
    row.querySelector(".wrong").textContent = text;
    update();
  };
  row.picture.addEventListener("loadedmetadata", () => {
    const longest = Number(file.dataset.maxDuration);
    const length = row.picture.duration * 1000;
    if (longest && Number.isFinite(length) && length > longest) refuse(`The video is ${clock(length)} long; this account may post at most ${clock(longest)}.`);
  });
  const gone = () => {
    URL.revokeObjectURL(row.picture.src);
    row.remove();
    show();
    update();
  };
  const largest = Number(file.dataset.maxSize);
  if (largest && chosenFile.size > largest) {
    bar.remove();
    drop.textContent = "Remove";
    drop.addEventListener("click", gone);
    refuse(`The file is larger than ${bytes(largest)}.`);
    return;
  }
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
    const kept = await upload.done;
    bar.remove();
    state.textContent = "Uploaded to this service; nothing was sent to the network.";
    status.textContent = `${chosenFile.name} was uploaded.`;
    const input = document.createElement("input");
    input.type = "hidden";
    input.name = "media";
    row.append(input);
    const note = { upload: kept.id, name: chosenFile.name, size: kept.size, alt: "" };
    input.value = JSON.stringify(note);
    if (row.picture.tagName === "IMG") {
      const label = document.createElement("label");
      label.textContent = "What it shows, for people who cannot see it";
      const alt = document.createElement("input");
      alt.type = "text";
      alt.addEventListener("input", () => { note.alt = alt.value; input.value = JSON.stringify(note); });
      label.append(alt);
      row.append(label);
    }
    drop.removeEventListener("click", stop);
    drop.textContent = "Remove";
    drop.addEventListener("click", () => { remove(kept.id); gone(); });
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

if (file) {
  file.closest(".scripted").hidden = false;
  file.addEventListener("change", async () => {
    const most = Number(file.dataset.maxFiles);
    // One file only: a new one takes the place of the old.
    if (most === 1) for (const row of [...list.children]) row.querySelector("button")?.click();
    const files = [...file.files].slice(0, most - list.children.length);
    if (files.length < file.files.length) status.textContent = `At most ${most} files fit; the first ones were taken.`;
    file.value = "";
    // One after the other: the first ones are there sooner, and the line is as full.
    for (const one of files) await add(one);
  });
}

// ---- when ----------------------------------------------------------------------------------------------------

const at = document.getElementById("at");
if (at) {
  const later = document.getElementById("later");
  const zone = document.querySelector("[data-zone]");
  zone.textContent = `In your time zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}. What you agree to is kept with the job; if the network wants other words by then, the job stops and asks.`;
  const turn = () => {
    later.hidden = page.elements.namedItem("when").value !== "later";
    at.required = !later.hidden;
    const time = new Date(at.value).getTime();
    document.getElementById("at_seconds").value = Number.isNaN(time) ? "" : Math.floor(time / 1000);
  };
  for (const radio of page.querySelectorAll("[name=when]")) radio.addEventListener("change", turn);
  at.addEventListener("input", turn);
  turn();
}

// ---- sending -------------------------------------------------------------------------------------------------

page.addEventListener("input", () => { show(); update(); });
page.addEventListener("change", update);
page.addEventListener("submit", async (event) => {
  event.preventDefault();
  const pressed = event.submitter ?? button;
  const body = new URLSearchParams(new FormData(page));
  body.set("action", pressed.value || "publish");
  pressed.disabled = true;
  const answer = document.getElementById("answer");
  try {
    // Not `page.action`: the buttons have that name.
    const response = await fetch(page.getAttribute("action"), { method: "POST", body });
    if (response.redirected) {
      location.assign(response.url);
      return;
    }
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const said = fresh.getElementById("answer");
    if (said) answer.replaceChildren(...said.childNodes);
    else answer.replaceChildren(...(fresh.querySelector("main")?.childNodes ?? []));
    for (const box of page.querySelectorAll("[data-field]")) {
      box.querySelector(":scope > p.wrong")?.remove();
      const wrong = fresh.querySelector(`[data-field="${CSS.escape(box.dataset.field)}"] > p.wrong`);
      if (wrong) box.append(wrong);
    }
    localTimes(answer);
  } catch {
    answer.replaceChildren(failure({ message: "the service did not answer", remedy: "look under Jobs whether the post was taken before you try again" }));
  }
  pressed.disabled = false;
  update();
  answer.scrollIntoView({ block: "nearest" });
});

enliven(page);
show();
update();
