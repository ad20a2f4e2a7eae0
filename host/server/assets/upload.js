// Brings a file to the service, which streams it to its disk. XMLHttpRequest, because `fetch` tells nothing of
// how far a body has got.

import { bytes, csrf, sentence } from "./app.js";

export function send(file, onProgress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open("POST", `/api/v1/uploads?file_name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("X-CSRF-Token", csrf());
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded, file.size));
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* no answer of ours: said below */ }
      if (request.status === 201) resolve(answer);
      else reject(new Error(sentence(answer.message ?? `the upload was refused (${request.status})`)));
    });
    request.addEventListener("error", () => reject(new Error("The connection broke. Try again.")));
    request.addEventListener("abort", () => reject(new Error("Stopped.")));
    request.send(file);
  });
  return { done, stop: () => request.abort() };
}

export function remove(id) {
  return fetch(`/api/v1/uploads/${encodeURIComponent(id)}`, { method: "DELETE", headers: { "X-CSRF-Token": csrf() } });
}

export { bytes };
