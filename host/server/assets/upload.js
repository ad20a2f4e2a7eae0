// Uploads a file to the service in parts, by the tus protocol: a part that breaks off is sent again by itself, and the same
// file chosen again after a reload or a new sign-in goes on where it ended. The client is the protocol's own.

import "./tus.js";
import { bytes, csrf, sentence } from "./app.js";

const { Upload } = globalThis.tus;
/** Below what large services in front take of one request (100 MB). */
const PART = 64 << 20;
/** What nginx takes if nobody raised it. */
const SMALL_PART = 1 << 20;

/** An answer that is not the service's own comes from what stands before it. */
export function inFront(status, size) {
  if (status === 413) return `A server in front of this service takes no file of ${bytes(size)} (413). Its operator can raise the limit: in nginx “client_max_body_size”.`;
  if ([502, 503, 504].includes(status)) return `A server in front of this service did not get an answer from it (${status}). Try again; if it stays so, its time limits are too short for this file.`;
  return `A server in front of this service refused the file (${status}).`;
}

/** What went wrong, in words. */
function reason(error, file, sent) {
  const answer = error.originalResponse;
  if (!answer) {
    // A server in front that refuses a body often closes before anybody could read why.
    return `The connection broke after ${bytes(sent)} of ${bytes(file.size)}. Choose the file again to go on. If it breaks each time, see "Behind a web server" in the documentation of this service.`;
  }
  try {
    const { message, remedy } = JSON.parse(answer.getBody());
    if (message) return [message, remedy].filter(Boolean).map(sentence).join(" ");
  } catch { /* no answer of ours: said below */ }
  return inFront(answer.getStatus(), file.size);
}

export function send(file, onProgress) {
  let upload;
  let stop;
  let sent = 0;
  const done = new Promise((resolve, reject) => {
    stop = () => {
      // What has arrived is removed too: somebody who stops does not want it.
      upload.abort(true).catch(() => {});
      reject(new Error("Stopped."));
    };
    const begin = (chunkSize, uploadUrl) => {
      upload = new Upload(file, {
        endpoint: "/api/v1/uploads/resumable",
        uploadUrl,
        chunkSize,
        retryDelays: [0, 1000, 3000, 8000, 15000],
        removeFingerprintOnSuccess: true,
        headers: { "X-CSRF-Token": csrf() },
        metadata: { filename: file.name, filetype: file.type },
        onProgress: (loaded, total) => { sent = loaded; onProgress(loaded, total); },
        onSuccess: () => resolve({ id: upload.url.split("/").pop(), size: file.size }),
        onShouldRetry: (error) => !error.originalResponse || error.originalResponse.getStatus() >= 500 || [409, 423, 429].includes(error.originalResponse.getStatus()),
        onError: (error) => {
          // Something in front takes less: the same upload goes on in small parts.
          if (error.originalResponse?.getStatus() === 413 && upload.url && chunkSize > SMALL_PART) begin(SMALL_PART, upload.url);
          else reject(new Error(reason(error, file, sent)));
        },
      });
      upload.findPreviousUploads().then((previous) => {
        if (!uploadUrl && previous.length > 0) upload.resumeFromPreviousUpload(previous[0]);
        upload.start();
      });
    };
    begin(PART);
  });
  return { done, stop: () => stop() };
}

export function remove(id) {
  return fetch(`/api/v1/uploads/${encodeURIComponent(id)}`, { method: "DELETE", headers: { "X-CSRF-Token": csrf() } });
}

export { bytes };
