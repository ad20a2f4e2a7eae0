// Live view of a job: the progress follows the events; on any other change the server renders this part again.

import { bytes, enliven } from "./app.js";

const box = document.getElementById("job");
let last = box.dataset.drawn;

async function redraw() {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("job");
  if (!fresh) return;
  const at = document.activeElement?.closest("form")?.getAttribute("action");
  // What somebody opened to read stays open.
  const opened = new Set([...box.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent));
  box.replaceChildren(...fresh.childNodes);
  for (const summary of box.querySelectorAll("details > summary")) {
    if (opened.has(summary.textContent)) summary.parentElement.open = true;
  }
  box.toggleAttribute("data-ended", fresh.hasAttribute("data-ended"));
  enliven(box);
  if (at) box.querySelector(`form[action="${CSS.escape(at)}"] button`)?.focus();
}

function typing() {
  return box.contains(document.activeElement) && document.activeElement.matches("input");
}

if (!box.hasAttribute("data-ended")) {
  const events = new EventSource(`/api/v1/jobs/${encodeURIComponent(box.dataset.job)}/events`);
  events.addEventListener("job", ({ data }) => {
    const job = JSON.parse(data);
    const bar = document.getElementById("bytes");
    if (bar) {
      bar.max = Math.max(job.bytes_total, 1);
      bar.value = job.bytes_sent;
      document.getElementById("sent").textContent = `${bytes(job.bytes_sent)} of ${bytes(job.bytes_total)}`;
    }
    // Compared with `data-drawn`, because the job may have changed between the rendering and the first event.
    const now = JSON.stringify([job.status, job.phase, job.error?.message ?? "", job.cancel_requested, job.url ?? "", job.bytes_total > 0, job.publish_at]);
    if (now !== last && !typing()) redraw();
    last = now;
    if (job.ended_at != null) {
      events.close();
      redraw();
    }
  });
  events.addEventListener("gone", () => events.close());
}
