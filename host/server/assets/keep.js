// Keeps a form of the publish page in this tab, so that a reload, a new sign-in or a restart of the service loses nothing. The
// key of a new post comes back with it: what was taken already is found, and not taken again.

/** What a person chose or typed; the rest belongs to the page as it is drawn now. */
const OWN = /^(f\..+|key|media|urls|when|at|at_seconds|also|part)$/;

/** Where a form takes none, these are the page's: of a post on several channels. */
const FILES = /^(media|urls)$/;

/** What the names of all kept forms begin with. */
const NAME = "publish ";

/** Whoever signs out leaves nothing of what was typed. */
export function forgetAll() {
  for (const name of Object.keys(sessionStorage)) if (name.startsWith(NAME)) sessionStorage.removeItem(name);
}

export class Kept {
  constructor(form) {
    this.form = form;
    // A channel's form of a post on several is another than that of a new post on it.
    const crosspost = new URLSearchParams(location.search).get("crosspost");
    this.name = [NAME.trim(), location.pathname, crosspost, form.dataset.kind].filter(Boolean).join(" ");
  }

  /** What was chosen or typed; files and links only where this form takes some. */
  entries() {
    const takesFiles = this.form.querySelector("input[type=file]");
    const own = (name) => OWN.test(name) && (takesFiles || !FILES.test(name));
    return [...new FormData(this.form)].filter(([name, value]) => own(name) && typeof value === "string");
  }

  save() {
    sessionStorage.setItem(this.name, JSON.stringify(this.entries()));
  }

  forget() {
    sessionStorage.removeItem(this.name);
  }

  /** How many texts of a thread were kept. */
  parts() {
    const entries = JSON.parse(sessionStorage.getItem(this.name) ?? "[]");
    return entries.filter(([name, value]) => name === "part" && value !== "").length;
  }

  /** What was kept, if the page does not show it already; `media` is returned, everything else is filled in. */
  restore() {
    const entries = JSON.parse(sessionStorage.getItem(this.name) ?? "null");
    if (!entries) return null;
    const shown = this.entries();
    const key = (of) => of.find(([name]) => name === "key")?.[1];
    if (key(entries) === key(shown)) {
      if (JSON.stringify(entries) === JSON.stringify(shown)) return null;
    } else if (!entries.some(([name, value]) => name !== "key" && name !== "when" && value !== "")) return null;
    const taken = new Map();
    for (const input of this.form.elements) {
      if (!OWN.test(input.name) || input.name === "media") continue;
      const values = entries.filter(([name]) => name === input.name).map(([, value]) => value);
      if (input.type === "checkbox" || input.type === "radio") input.checked = values.includes(input.value);
      else if (values.length > 0) {
        // Of several fields of one name each gets its own.
        const at = taken.get(input.name) ?? 0;
        taken.set(input.name, at + 1);
        if (at < values.length) input.value = values[at];
      }
    }
    const drawn = shown.filter(([name]) => name === "media").map(([, value]) => value);
    return entries.filter(([name, value]) => name === "media" && !drawn.includes(value)).map(([, value]) => JSON.parse(value));
  }
}
