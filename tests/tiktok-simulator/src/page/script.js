"use strict";
// Fetches the page every two seconds and replaces its live parts, if they changed.
// Opened sections and form input are kept, because forms are outside the live parts.
const filter = { kind: "all", text: "" };
let paused = false;

function apply() {
  let shown = 0;
  for (const row of document.querySelectorAll("details.exchange")) {
    const kind = filter.kind === "all" || row.classList.contains(filter.kind);
    const fits = kind && row.textContent.toLowerCase().includes(filter.text);
    row.hidden = !fits;
    shown += fits;
  }
  const none = document.getElementById("none");
  if (none) none.hidden = shown > 0;
}

async function refresh() {
  let text;
  try {
    text = await (await fetch("/", { cache: "no-store" })).text();
    document.getElementById("state").textContent = paused ? "paused" : "";
  } catch {
    document.getElementById("state").textContent = "the simulator does not answer";
    return;
  }
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.innerHTML === part.dataset.seen) continue;
    const open = new Set([...part.querySelectorAll("details[open]")].map((details) => details.id));
    part.dataset.seen = next.innerHTML;
    part.innerHTML = next.innerHTML;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  }
  apply();
}

async function steer(method, path, body) {
  const answer = await fetch("/_simulator" + path, { method, body: body && JSON.stringify(body) });
  if (!answer.ok) alert((await answer.json()).error);
  await refresh();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.filter) {
    filter.kind = button.dataset.filter;
    for (const other of document.querySelectorAll("[data-filter]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    apply();
  } else if (button.dataset.pause !== undefined) {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    if (!paused) refresh();
  } else if (button.dataset.method) {
    steer(button.dataset.method, button.dataset.path, button.dataset.body && JSON.parse(button.dataset.body));
  }
});

document.getElementById("search").addEventListener("input", (event) => {
  filter.text = event.target.value.toLowerCase();
  apply();
});

document.getElementById("fault").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(event.target));
  const actions = {
    "500": { kind: "status", status: 500 },
    "429": { kind: "status", status: 429, code: "rate_limit_exceeded" },
    "401": { kind: "status", status: 401, code: "access_token_invalid" },
    reset: { kind: "reset" },
    html: { kind: "html", status: 502 },
    wrong_json: { kind: "wrong_json" },
    cut_body: { kind: "cut_body", keep: 10 },
    slow_body: { kind: "slow_body", pieces: 5, pause_ms: 500 },
    delay: { kind: "delay", ms: 3000 },
    stale: { kind: "stale" },
  };
  steer("POST", "/faults", {
    match: { path: given.path },
    when: given.when,
    action: actions[given.action],
    times: Number(given.times),
  });
});

apply();
setInterval(() => { if (!paused && !document.hidden) refresh(); }, 2000);
