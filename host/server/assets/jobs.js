// Lists of jobs: the service sends the rows again whenever they changed.

import { enliven } from "./app.js";

for (const list of document.querySelectorAll("[data-live]")) {
  const events = new EventSource(list.dataset.live);
  events.addEventListener("rows", ({ data }) => {
    const at = list.contains(document.activeElement) && document.activeElement.getAttribute("href");
    list.innerHTML = data;
    enliven(list);
    if (at) list.querySelector(`[href="${CSS.escape(at)}"]`)?.focus();
  });
}
