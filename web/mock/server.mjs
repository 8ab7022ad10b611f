// Serves the built pages and made-up answers of both APIs, marked as simulated: for page tests and for a look.
// node mock/server.mjs [--port N]; port 0 takes a free one. The first line of output is the address.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import * as photos from "./photos.mjs";
import * as site from "./site.mjs";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
// the strictest policy the servers may set: no inline script or style, nothing from elsewhere
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const MAX_PHOTO = 12 << 20;

let mode = "well"; // well | bad_gateway (every answer 502) | silent (streams stay open and say nothing)
const streams = new Set();
let version = 1;

function json(response, status, body) {
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" }).end(JSON.stringify(body));
}
const missing = (response) => json(response, 404, { type: "about:blank", title: "Not found", title_zh: "没有找到", status: 404 });

async function bodyOf(request, most = MAX_PHOTO) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > most) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function file(path, response) {
  const wanted = normalize(path.endsWith("/") ? `${path}index.html` : path);
  try {
    const bytes = await readFile(join(DIST, wanted));
    response.writeHead(200, { "content-type": TYPES[extname(wanted)] ?? "application/octet-stream", "content-security-policy": POLICY, "x-content-type-options": "nosniff" }).end(bytes);
  } catch {
    missing(response);
  }
}

async function photo(request, response, digest) {
  if (request.method === "PUT") {
    const bytes = await bodyOf(request);
    if (!bytes || createHash("sha256").update(bytes).digest("hex") !== digest) return json(response, 422, { title: "The digest does not fit", title_zh: "指纹不符", status: 422 });
    const had = Boolean(photos.get(digest));
    photos.put(bytes, request.headers["content-type"] ?? "image/jpeg");
    return json(response, had ? 200 : 201, { photo: digest });
  }
  const found = photos.get(digest);
  if (!found) return missing(response);
  return response.writeHead(200, { "content-type": found.media, "cache-control": "private, max-age=31536000, immutable", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'" }).end(found.bytes);
}

function stream(response) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(`event: board\ndata: ${JSON.stringify(site.board(version))}\n\n`);
  streams.add(response);
  response.on("close", () => streams.delete(response));
}

async function edge(request, response, path) {
  if (path === "/site") return json(response, 200, site.site);
  if (path === "/board") return json(response, 200, site.board(version));
  if (path === "/events") return stream(response);
  if (path === "/inspections") return json(response, 200, { inspections: site.inspections() });
  const acts = /^\/inspections\/([\w-]+)\/acts$/.exec(path);
  if (acts && request.method === "POST") return json(response, ...site.act(acts[1], JSON.parse(String(await bodyOf(request)))));
  const one = /^\/inspections\/([\w-]+)$/.exec(path);
  const found = one && site.inspection(one[1]);
  return found ? json(response, 200, found) : missing(response);
}

function registry(response, path, query) {
  if (path === "/inspections") return json(response, 200, site.registryRows(query));
  if (path === "/stats") return json(response, 200, site.stats());
  const one = /^\/inspections\/([\w-]+)(\/proof)?$/.exec(path);
  const found = one && (one[2] ? site.proof(one[1]) : site.registryInspection(one[1]));
  return found ? json(response, 200, found) : missing(response);
}

async function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://mock");
  if (pathname === "/mock/mode") {
    mode = searchParams.get("is") ?? mode;
    if (mode === "bad_gateway") for (const each of streams) each.destroy();
    return json(response, 200, { mode, acted: site.acted(), streams: streams.size });
  }
  if (mode === "bad_gateway" && /^\/(api\/)?v1\//.test(pathname)) return response.writeHead(502, { "content-type": "text/html" }).end("<h1>502</h1>");
  const digest = /^\/(?:api\/)?v1\/photos\/([0-9a-f]{64})$/.exec(pathname);
  if (digest) return photo(request, response, digest[1]);
  if (pathname.startsWith("/api/v1/")) return edge(request, response, pathname.slice(7));
  if (pathname.startsWith("/v1/")) return registry(response, pathname.slice(3), searchParams);
  return file(pathname, response);
}

setInterval(() => {
  version += 1;
  if (mode === "well") for (const each of streams) each.write(`event: board\ndata: ${JSON.stringify(site.board(version))}\n\n`);
}, 2_000);
setInterval(() => {
  if (mode === "well") for (const each of streams) each.write(`event: beat\ndata: ${JSON.stringify({ at: new Date().toISOString() })}\n\n`);
}, 5_000);

const at = process.argv.indexOf("--port");
const server = createServer((request, response) => answer(request, response).catch((error) => json(response, 500, { title: String(error), status: 500 })));
server.listen(at > 0 ? Number(process.argv[at + 1]) : 8040, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
