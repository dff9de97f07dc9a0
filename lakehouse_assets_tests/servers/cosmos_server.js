// The emulator, with connections that are kept. It takes any key and never throttles: what is posted to /fail, such as
// {"status": 429, "times": 2, "path": "/docs/1"}, has it refuse that often what has this in its path, as the service does.
const { createHttpsServer } = require(process.argv[2]);
const server = createHttpsServer({ keepAlive: true });
const [answer] = server.listeners("request");
let failing = { times: 0 };
server.removeAllListeners("request");
server.on("request", (request, response) => {
  if (request.url === "/fail") {
    request.on("data", (told) => { failing = JSON.parse(told); }).on("end", () => response.end());
  } else if (failing.times > 0 && request.url.includes(failing.path)) {
    failing.times -= 1;
    request.resume();
    response.writeHead(failing.status, { "content-type": "application/json", "x-ms-retry-after-ms": "10" });
    response.end(JSON.stringify({ code: String(failing.status), message: "refused" }));
  } else {
    answer(request, response);
  }
});
server.listen(Number(process.argv[3]), "127.0.0.1");
