"use strict";
// Node.js has no proxy of its own before version 24. Loaded in front of a client, this leads its requests through the
// one that HTTPS_PROXY names, without a change to the client: the module https sends all requests by one shared agent,
// which is replaced here. It does nothing for fetch.
const http = require("node:http");
const https = require("node:https");
const tls = require("node:tls");

const proxy = new URL(process.env.HTTPS_PROXY);

class ThroughProxy extends https.Agent {
  createConnection(options, done) {
    const target = `${options.host}:${options.port}`;
    const request = http.request({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path: target });
    request.on("connect", (answer, socket) => {
      if (answer.statusCode !== 200) {
        done(new Error(`the proxy refuses ${target}: ${answer.headers["x-simulator-reason"]}`));
        return;
      }
      done(null, tls.connect({ ...options, socket, servername: options.host }));
    });
    request.on("error", done);
    request.end();
  }
}

https.globalAgent = new ThroughProxy();
