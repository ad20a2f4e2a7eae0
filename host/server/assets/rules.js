// The rules of a publish form, applied in order; each sees the result of those before it, like the `form` module on
// the server. Both are tested with the examples in `rules.json`.

export function fieldsOf(form, kind) {
  return form.fields.filter((field) => field.applies_to.length === 0 || field.applies_to.includes(kind));
}

const KINDS = ["text", "multiline", "secret", "url", "number", "decimal", "boolean", "choice", "multi-choice", "text-list",
  "date-time", "json"];

// Whether a field can be drawn: its kind is known.
export function isKnown(field) {
  return KINDS.includes(field.kind);
}

// A rule whose test is unknown does not apply, nor one about media that nobody told of.
function test({ field, test = "is", values: wanted }, drawn, values) {
  if (field.startsWith("media-") && !values.has(field)) return false;
  const value = values.get(field) ?? (drawn?.kind === "boolean" ? "false" : "");
  const isSet = value !== "" && value !== "false";
  const isList = drawn?.kind === "text-list" || drawn?.kind === "multi-choice";
  const number = value.trim() === "" ? NaN : Number(value);
  switch (test) {
    case "is": return wanted.includes(value);
    case "is-not": return !wanted.includes(value);
    case "filled": return isSet;
    case "empty": return !isSet;
    case "contains": return wanted.some((one) => (isList ? value.split("\n") : value).includes(one));
    case "at-least": return number >= Number(wanted[0]);
    case "at-most": return number <= Number(wanted[0]);
    default: return false;
  }
}

export function draw(form, kind, chosen) {
  const values = new Map(Object.entries(chosen));
  values.set("kind", kind);
  const fields = new Map(fieldsOf(form, kind).map((field) => [field.name, field]));
  const drawn = { required: new Set(), hidden: new Set(), disabled: new Map(), choices: new Map(), notices: [], blocks: [] };
  for (const { conditions, consequence } of form.rules) {
    const holds = conditions.every((condition) => test(condition, fields.get(condition.field), values));
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
    } else if ("require" in consequence) {
      drawn.required.add(consequence.require);
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
