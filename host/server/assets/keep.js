// Keeps a form of the publish page in this tab, so that a reload, a new sign-in or a restart of the service loses nothing. Its
// key comes back with it: what was taken already is found, and not taken again.

/** What a person chose or typed; the rest belongs to the page as it is drawn now. */
const OWN = /^(f\..+|key|media|urls|when|at|at_seconds|also)$/;

/** What the names of all kept forms begin with. */
const NAME = "publish ";

/** Whoever signs out leaves nothing of what was typed. */
export function forgetAll() {
  for (const name of Object.keys(sessionStorage)) if (name.startsWith(NAME)) sessionStorage.removeItem(name);
}

export class Kept {
  constructor(form) {
    this.form = form;
    this.name = `${NAME}${location.pathname} ${form.dataset.kind}`;
  }

  save() {
    const entries = [...new FormData(this.form)].filter(([name, value]) => OWN.test(name) && typeof value === "string");
    sessionStorage.setItem(this.name, JSON.stringify(entries));
  }

  forget() {
    sessionStorage.removeItem(this.name);
  }

  /** What was kept, if the page does not show it already; `media` is returned, everything else is filled in. */
  restore() {
    const entries = JSON.parse(sessionStorage.getItem(this.name) ?? "null");
    const key = this.form.elements.namedItem("key");
    const was = entries?.find(([name]) => name === "key")?.[1];
    if (!key || !was || was === key.value) return null;
    const chosen = entries.filter(([name, value]) => name !== "key" && name !== "when" && value !== "");
    if (chosen.length === 0) return null;
    for (const input of this.form.elements) {
      if (!OWN.test(input.name) || input.name === "media") continue;
      const values = entries.filter(([name]) => name === input.name).map(([, value]) => value);
      if (input.type === "checkbox" || input.type === "radio") input.checked = values.includes(input.value);
      else if (values.length > 0) input.value = values[0];
    }
    return entries.filter(([name]) => name === "media").map(([, value]) => JSON.parse(value));
  }
}
