// Applies the form's rules as fields change: hides and disables fields, shows notices, disables the button.
const form = document.getElementById('form');
const input = (name) => form.elements[`fields[${name}]`];
const value = (name) => {
  if (name === 'kind') return 'video';
  const it = input(name);
  if (!it) return '';
  return it.type === 'checkbox' ? String(it.checked) : it.value;
};
function apply() {
  for (const label of form.querySelectorAll('[data-field]')) {
    label.hidden = false;
    label.title = '';
    const it = input(label.dataset.field);
    it.disabled = false;
    for (const option of it.options || []) { option.disabled = false; option.title = ''; }
  }
  const words = [];
  const notices = document.getElementById('notices');
  notices.replaceChildren();
  const publish = document.getElementById('publish');
  publish.disabled = false;
  publish.title = '';
  for (const rule of rules) {
    const holds = (rule.conditions || []).every((it) => it.values.includes(value(it.field)));
    if (!holds) continue;
    const { hide, disable, notice, block } = rule.consequence;
    if (hide && input(hide)) { input(hide).closest('label').hidden = true; input(hide).disabled = true; }
    if (disable && input(disable.field)) {
      const it = input(disable.field);
      const option = disable.choice && [...(it.options || [])].find((one) => one.value === disable.choice);
      if (option) { option.disabled = true; option.title = disable.because; if (it.value === disable.choice) it.value = ''; }
      else { it.disabled = true; if (it.type === 'checkbox') it.checked = false; }
      it.closest('label').title = disable.because;
    }
    if (notice) {
      // The words stay unchanged; parts of them become links.
      words.push(notice.text);
      const line = document.createElement('p');
      let rest = notice.text;
      for (const link of notice.links || []) {
        const at = rest.indexOf(link.text);
        if (at < 0 || !link.url.startsWith('https://')) continue;
        const anchor = Object.assign(document.createElement('a'), { href: link.url, textContent: link.text });
        line.append(rest.slice(0, at), anchor);
        rest = rest.slice(at + link.text.length);
      }
      line.append(rest);
      notices.append(line);
    }
    if (block) { publish.disabled = true; publish.title = block; }
  }
  document.getElementById('words').value = words.join('\n');
}
form.addEventListener('input', apply);
apply();
