// Lists of jobs: the service sends the rows again whenever they changed.

import { enliven, failure } from "./app.js";

/** Days begin at midnight where the person is; the service has those of UTC. */
function byDay(list) {
  const first = list.querySelector(".day");
  if (!first) return;
  const [heading, rows] = [first.cloneNode(true), first.nextElementSibling.cloneNode(false)];
  const groups = [];
  let last;
  for (const row of list.querySelectorAll("li[data-at]")) {
    const day = new Date(row.dataset.at).toDateString();
    if (day !== last) {
      const [own, group] = [heading.cloneNode(true), rows.cloneNode(false)];
      own.querySelector("time").dateTime = row.dataset.at;
      groups.push(own, group);
      last = day;
    }
    groups.at(-1).append(row);
  }
  list.replaceChildren(...groups);
}

for (const list of document.querySelectorAll("[data-live]")) {
  const events = new EventSource(list.dataset.live);
  events.addEventListener("error", () => {
    // Refused, and not only interrupted: the browser signed out, or acts for another tenant.
    if (events.readyState === EventSource.CLOSED) list.before(failure({ message: "this list no longer follows its jobs", remedy: "load the page again" }));
  });
  events.addEventListener("rows", ({ data }) => {
    const at = list.contains(document.activeElement) && document.activeElement.getAttribute("href");
    list.innerHTML = data;
    byDay(list);
    enliven(list);
    if (at) list.querySelector(`[href="${CSS.escape(at)}"]`)?.focus();
  });
}
