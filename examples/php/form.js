// Draws the publish form by its rules (rules.js) as fields change. `form` is the library's document.
const page = document.getElementById('form');
const input = (name) => page.elements[`fields[${name}]`];

// PHP leaves empty lists out.
const known = {
  fields: form.fields.map((field) => ({ applies_to: [], ...field })),
  rules: (form.rules ?? []).map(({ conditions, consequence }) => ({
    conditions: (conditions ?? []).map((condition) => ({ values: [], ...condition })),
    consequence,
  })),
};

function chosen() {
  const inputs = fieldsOf(known, 'video').map(({ name }) => [name, input(name)]).filter(([, it]) => it);
  return Object.fromEntries(
    inputs.map(([name, it]) => [name, it.type === 'checkbox' ? String(it.checked) : it.value]));
}

// The words stay unchanged; parts of them become links.
function line(notice) {
  const drawn = document.createElement('p');
  let rest = notice.text;
  for (const link of notice.links ?? []) {
    const at = rest.indexOf(link.text);
    if (at < 0 || !link.url.startsWith('https://')) continue;
    const anchor = Object.assign(document.createElement('a'), { href: link.url, textContent: link.text });
    drawn.append(rest.slice(0, at), anchor);
    rest = rest.slice(at + link.text.length);
  }
  drawn.append(rest);
  return drawn;
}

function apply() {
  const drawn = draw(known, 'video', chosen());
  for (const label of page.querySelectorAll('[data-field]')) {
    const name = label.dataset.field;
    const it = input(name);
    label.hidden = drawn.hidden.has(name);
    label.title = drawn.disabled.get(name) ?? '';
    it.disabled = label.hidden || drawn.disabled.has(name);
    if (it.disabled && it.type === 'checkbox') it.checked = false;
    for (const option of it.options ?? []) Object.assign(option, { disabled: false, title: '' });
  }
  for (const { field, choice, because } of drawn.choices.values()) {
    const it = input(field);
    const option = [...(it?.options ?? [])].find((one) => one.value === choice);
    if (!option) continue;
    Object.assign(option, { disabled: true, title: because });
    it.closest('label').title = because;
    if (it.value === choice) it.value = '';
  }
  document.getElementById('notices').replaceChildren(...drawn.notices.map(line));
  document.getElementById('words').value = drawn.words;
  const button = document.getElementById('publish');
  button.disabled = drawn.blocks.length > 0;
  button.title = drawn.blocks.join('\n');
}

page.addEventListener('input', apply);
apply();
