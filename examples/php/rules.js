// The rules of a publish form, applied in order; each sees the result of those before it, like the `form` module on
// the server. Both are tested with the examples in `rules.json`.

export function fieldsOf(form, kind) {
  return form.fields.filter((field) => field.applies_to.length === 0 || field.applies_to.includes(kind));
}

export function draw(form, kind, chosen) {
  const values = new Map(Object.entries(chosen));
  values.set("kind", kind);
  const flags = new Set(fieldsOf(form, kind).filter((field) => field.kind === "flag").map((field) => field.name));
  const drawn = { hidden: new Set(), disabled: new Map(), choices: new Map(), notices: [], blocks: [] };
  for (const { conditions, consequence } of form.rules) {
    const holds = conditions.every(({ field, values: wanted }) =>
      wanted.includes(values.get(field) ?? (flags.has(field) ? "false" : "")));
    if (!holds) continue;
    if ("hide" in consequence) {
      values.delete(consequence.hide);
      drawn.hidden.add(consequence.hide);
    } else if ("disable" in consequence) {
      const { field, choice, because } = consequence.disable;
      if (choice == null) {
        values.delete(field);
        if (!drawn.disabled.has(field)) drawn.disabled.set(field, because);
      } else {
        if (values.get(field) === choice) values.delete(field);
        const at = JSON.stringify([field, choice]);
        if (!drawn.choices.has(at)) drawn.choices.set(at, { field, choice, because });
      }
    } else if ("notice" in consequence) {
      drawn.notices.push(consequence.notice);
    } else if ("block" in consequence) {
      drawn.blocks.push(consequence.block);
    }
  }
  values.delete("kind");
  drawn.values = Object.fromEntries(values);
  drawn.words = drawn.notices.filter((notice) => notice.field == null).map((notice) => notice.text).join("\n");
  return drawn;
}
