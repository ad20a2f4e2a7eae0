// Shared by every page: instants in the user's time zone, copy buttons, confirmations before irreversible actions,
// fallbacks for pictures. Every page works without it.

import { forgetAll } from "./keep.js";

export function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      const exact = format.format(at);
      time.title = "relative" in time.dataset ? exact : time.textContent;
      if ("relative" in time.dataset) time.textContent = relative(at) ?? exact;
      else time.textContent = "day" in time.dataset ? day.format(at) : exact;
    }
  }
}

/** "5 minutes ago", "in 2 hours"; undefined: too far away for that. */
function relative(at) {
  const minutes = Math.round((at - Date.now()) / 60_000);
  const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  if (minutes === 0) return "just now";
  if (Math.abs(minutes) < 60) return words.format(minutes, "minute");
  if (Math.abs(minutes) < 24 * 60) return words.format(Math.round(minutes / 60), "hour");
  if (Math.abs(minutes) < 7 * 24 * 60) return words.format(Math.round(minutes / 60 / 24), "day");
}

/** Fields for an instant: shown in the person's time zone, told to the service in seconds. */
function localFields(root) {
  for (const input of root.querySelectorAll("input[type=datetime-local]")) {
    if (input.dataset.at) {
      const at = new Date(input.dataset.at);
      input.value = new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    }
    const tell = () => {
      const at = new Date(input.value).getTime();
      input.form.elements.namedItem("at_seconds").value = Number.isNaN(at) ? "" : Math.floor(at / 1000);
    };
    input.addEventListener("input", tell);
    tell();
    document.getElementById(input.getAttribute("aria-describedby")).textContent = `In your time zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`;
  }
}

export function csrf() {
  return document.querySelector("meta[name=csrf]")?.content ?? "";
}

/** Shows an API failure as a note, as plain text. */
export function failure(error) {
  const note = document.createElement("div");
  note.className = "note bad";
  note.setAttribute("role", "alert");
  const line = (text, tag) => {
    const p = document.createElement("p");
    const inner = tag ? p.appendChild(document.createElement(tag)) : p;
    inner.textContent = text;
    note.append(p);
  };
  line(sentence(error.message ?? "the service did not answer"), "strong");
  if (error.remedy) line(sentence(error.remedy));
  return note;
}

export function sentence(text) {
  const quoted = text.replace(/`([^`]*)`/g, "“$1”");
  const begun = quoted.charAt(0).toUpperCase() + quoted.slice(1);
  return /[.!?:…]$/.test(begun) ? begun : `${begun}.`;
}

export function bytes(value) {
  if (value < 1e3) return `${value} bytes`;
  if (value < 1e6) return `${Math.floor(value / 1e3)} kB`;
  if (value < 1e9) return `${(Math.floor(value / 1e5) / 10).toFixed(1)} MB`;
  return `${(Math.floor(value / 1e8) / 10).toFixed(1)} GB`;
}

export function enliven(root) {
  localTimes(root);
  localFields(root);
  for (const button of root.querySelectorAll("[data-copy], [data-copy-from]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copyFrom ?? "");
      const before = button.innerHTML;
      try {
        await navigator.clipboard.writeText(field ? field.value : button.dataset.copy);
        button.textContent = "Copied";
      } catch {
        // The clipboard is not available: select the text for manual copying.
        if (field) field.select();
        else getSelection()?.selectAllChildren(button.previousElementSibling);
        button.textContent = "Press Ctrl+C";
      }
      setTimeout(() => { button.innerHTML = before; }, 2000);
    });
  }
  for (const button of root.querySelectorAll("[data-confirm]")) {
    button.addEventListener("click", (event) => {
      if (!confirm(button.dataset.confirm)) event.preventDefault();
    });
  }
  for (const picture of root.querySelectorAll("img[data-fallback]")) {
    const hide = () => { picture.hidden = true; };
    if (picture.complete && picture.naturalWidth === 0 && picture.loading !== "lazy") hide();
    picture.addEventListener("error", hide);
  }
}

if (!document.documentElement.dataset.alive) {
  document.documentElement.dataset.alive = "true";
  enliven(document);
  document.querySelector("form.out")?.addEventListener("submit", forgetAll);
  // Tabs scroll sideways on a phone: the chosen one is in sight.
  for (const tab of document.querySelectorAll(".tabs [aria-current]")) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - 16;
}
