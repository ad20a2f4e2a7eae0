// Lists of jobs: the service sends the rows again whenever they changed.

import { enliven, failure } from "./app.js";

for (const list of document.querySelectorAll("[data-live]")) {
  const events = new EventSource(list.dataset.live);
  events.addEventListener("error", () => {
    // Refused, and not only interrupted: the browser signed out, or acts for another tenant.
    if (events.readyState === EventSource.CLOSED) list.before(failure({ message: "this list no longer follows its jobs", remedy: "load the page again" }));
  });
  events.addEventListener("rows", ({ data }) => {
    const at = list.contains(document.activeElement) && document.activeElement.getAttribute("href");
    list.innerHTML = data;
    enliven(list);
    if (at) list.querySelector(`[href="${CSS.escape(at)}"]`)?.focus();
  });
}
