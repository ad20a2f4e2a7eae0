// What every page has: instants in the person's own time, copy buttons, questions before what cannot be undone,
// pictures that do not load. Every page works without it.

export function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.title = time.textContent;
      time.textContent = format.format(at);
    }
  }
}

export function csrf() {
  return document.querySelector("meta[name=csrf]")?.content ?? "";
}

/** A failure of the API as a note; its words are text. */
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
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
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
  for (const button of root.querySelectorAll("[data-copy], [data-copy-from]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copyFrom ?? "");
      const before = button.innerHTML;
      try {
        await navigator.clipboard.writeText(field ? field.value : button.dataset.copy);
        button.textContent = "Copied";
      } catch {
        // No clipboard for this page: select it, so that one key copies it.
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
}
