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
  answer.textContent = "It is being compiled; this can take some seconds.";
  try {
    const response = await fetch(form.dataset.upload, {
      method: "POST",
      body: component,
      headers: { "X-CSRF-Token": csrf(), "Content-Type": "application/wasm" },
    });
    if (response.ok) {
      location.reload();
      return;
    }
    const said = await response.json().catch(() => ({ message: inFront(response.status, component.size) }));
    answer.replaceChildren(failure(said));
  } catch (error) {
    answer.replaceChildren(failure({ message: sentence(String(error.message)) }));
  }
  button.disabled = false;
});
