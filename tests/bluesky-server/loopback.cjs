// Preloaded: the servers know no setting for their address and would listen on every one.
const { Server } = require("node:net");

const listen = Server.prototype.listen;
Server.prototype.listen = function (first, ...rest) {
  if (typeof first === "object" && first !== null && !("path" in first)) {
    return listen.call(this, { ...first, host: "127.0.0.1" }, ...rest);
  }
  if (typeof first === "number" || typeof first === "string" || first === undefined) {
    const callback = rest.find((one) => typeof one === "function");
    return listen.call(this, { port: Number(first ?? 0), host: "127.0.0.1" }, callback);
  }
  return listen.call(this, first, ...rest);
};
