import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ask, getJson, Problem, problemOf } from "../src/api";
import { digestOf } from "../src/sha256";

const problem = (body: unknown, status = 409) => problemOf(new Response(typeof body === "string" ? body : JSON.stringify(body), { status }));

describe("problems", () => {
  it("speak both languages and keep the detail", async () => {
    const found = await problem({ title: "Something is missing", title_zh: "还有未完成的项目", detail: "01" });
    expect(found.says).toEqual({ en: "Something is missing: 01", zh: "还有未完成的项目: 01" });
    expect(found.status).toBe(409);
  });
  it("do not say twice what the detail repeats", async () => {
    const found = await problem({ title: "no such photo", title_zh: "没有这张照片", detail: "没有这张照片 no such photo" });
    expect(found.says).toEqual({ en: "no such photo", zh: "没有这张照片" });
  });
  it("make the best of a proxy's page", async () => {
    expect((await problem("<h1>502</h1>", 502)).says.en).toBe("HTTP 502");
  });
  it.each([
    [0, true],
    [404, false],
    [408, true],
    [409, false],
    [413, false],
    [422, false],
    [429, true],
    [500, true],
    [503, true],
  ])("status %d may pass: %s", (status, passing) => {
    expect(new Problem(status, { zh: "", en: "" }).passing).toBe(passing);
  });
});

describe("asking", () => {
  let server: Server;
  let base = "";
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === "/silent") return;
      if (request.url === "/stalls") {
        response.writeHead(200, { "content-length": 100 }).write("{");
        return;
      }
      response.writeHead(request.url === "/refused" ? 422 : 200).end("<html>portal</html>");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it("gives up on a silent server", async () => {
    await expect(ask(`${base}/silent`, {}, 50)).rejects.toMatchObject({ status: 0 });
  });
  it("gives up on an answer that stalls after its headers", async () => {
    await expect(getJson(`${base}/stalls`, 100)).rejects.toMatchObject({ status: 0 });
    await expect(ask(`${base}/stalls`, {}, 100)).rejects.toMatchObject({ status: 0 });
  });
  it("takes a portal's page for no answer, whatever its status", async () => {
    await expect(getJson(`${base}/`)).rejects.toMatchObject({ status: 0 });
  });
  it("raises the status of a refusal", async () => {
    await expect(getJson(`${base}/refused`)).rejects.toMatchObject({ status: 422 });
  });
});

describe("digestOf", () => {
  const bytes = new TextEncoder().encode("查验".repeat(100_000)).buffer as ArrayBuffer;
  const expected = createHash("sha256").update(new Uint8Array(bytes)).digest("hex");

  it("uses WebCrypto where there is one", async () => {
    expect(await digestOf(bytes)).toBe(expected);
  });
  it("does without it on a plain http page", async () => {
    vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues });
    try {
      expect(await digestOf(bytes)).toBe(expected);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});
