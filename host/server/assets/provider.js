// Uploads a component to the service, which checks it before it runs.

import { csrf, failure, sentence } from "./app.js";
import { inFront } from "./upload.js";

const form = document.getElementById("install-form");
const answer = document.getElementById("install-answer");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  const component = document.getElementById("component").files[0];
  if (!component) return;
  button.disabled = true;
  const asking = new AbortController();
  const clock = progress(() => asking.abort());
  try {
    const response = await fetch(form.dataset.upload, {
      method: "POST",
      body: component,
      headers: { "X-CSRF-Token": csrf(), "Content-Type": "application/wasm" },
      signal: asking.signal,
    });
    if (response.ok) {
      location.reload();
      return;
    }
    const said = await response.json().catch(() => ({ message: inFront(response.status, component.size) }));
    tell(said);
  } catch (error) {
    if (asking.signal.aborted) answer.textContent = "Stopped. Nothing was installed.";
    else tell({ message: sentence(String(error.message)) });
  } finally {
    clearInterval(clock);
    button.disabled = false;
  }
});

/** A failure; it is in a status, which is read out. */
function tell(error) {
  const note = failure(error);
  note.removeAttribute("role");
  answer.replaceChildren(note);
}

/** Says how long it has taken, with a button to stop: the service then ends the compiler. */
function progress(stop) {
  const passed = document.createElement("span");
  // It would be read out every second.
  passed.setAttribute("aria-hidden", "true");
  const cancel = document.createElement("button");
  cancel.type = "button";
  cancel.textContent = "Stop";
  cancel.addEventListener("click", stop);
  answer.replaceChildren("It is being checked and compiled; a large one takes up to a minute. ", passed, " ", cancel);
  const begun = Date.now();
  return setInterval(() => { passed.textContent = `${Math.round((Date.now() - begun) / 1000)} s`; }, 1000);
}
