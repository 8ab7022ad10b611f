// One look at the built pages with a real browser: node tests/pages.mjs SCENARIO --chromium PATH --profile DIR [--shots DIR]
// Prints one JSON object {scenario, ok, why?, complaints?} and exits 0 only if everything held.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const LAN = "edge.test"; // as a PDA reaches the node on plain http: no secure context, so no WebCrypto
const WAIT_MS = 30_000;
const SIZES = { board: [1920, 1080], office: [1440, 900], pda: [390, 844] };
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const UNTRANSLATED = /\b(app|word|board|office|pda|code|gap|verdict|result|opinion|record)\.[a-z]\w+/;

const { positionals, values } = parseArgs({ allowPositionals: true, options: { chromium: { type: "string" }, profile: { type: "string" }, shots: { type: "string" } } });
const [scenario = ""] = positionals;
const complaints = [];
let outage = false;

async function startMock() {
  const mock = spawn(process.execPath, [fileURLToPath(new URL("../mock/server.mjs", import.meta.url)), "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: mock.stdout }), "line");
  return { mock, port: new URL(line).port };
}

async function look(browser, base, page, { hash = "", lang = "zh-CN", search = "" } = {}) {
  const [width, height] = SIZES[page];
  const tab = await browser.newPage();
  await tab.setViewportSize({ width, height });
  tab.setDefaultTimeout(WAIT_MS);
  tab.on("console", (said) => said.type() === "error" && !(outage && said.text().startsWith("Failed to load resource")) && complaints.push(said.text()));
  tab.on("pageerror", (error) => complaints.push(String(error)));
  tab.on("request", (request) => /^https?:/.test(request.url()) && !request.url().startsWith(base) && complaints.push(`asked elsewhere: ${request.url()}`));
  await tab.addInitScript((wanted) => localStorage.getItem("chayan.locale") ?? localStorage.setItem("chayan.locale", wanted), lang);
  await tab.goto(`${base}/${page}/${search}${hash}`);
  return tab;
}

function mode(base, is) {
  outage ||= is !== "well"; // from then on requests may fail, as they should
  return fetch(`${base}/mock/mode?is=${is}`).then((answer) => answer.json());
}
const text = async (tab, selector) => (await tab.locator(selector).first().innerText()).trim();

/** Nothing wider than the screen, no broken picture, no key for want of a word. */
async function tidy(tab, name) {
  await tab.waitForFunction(() => [...document.images].every((image) => image.complete));
  const found = await tab.evaluate(() => ({
    wide: document.documentElement.scrollWidth - window.innerWidth,
    broken: [...document.images].filter((image) => image.naturalWidth === 0).map((image) => image.src),
    words: document.body.innerText,
  }));
  assert.ok(found.wide <= 0, `${name}: ${found.wide} px wider than the screen`);
  assert.deepEqual(found.broken, [], `${name}: broken pictures`);
  assert.doesNotMatch(found.words, UNTRANSLATED, `${name}: a key is shown instead of its word`);
  if (values.shots) await tab.screenshot({ path: join(values.shots, `${name}.png`) });
}

const SCENARIOS = {
  async board({ browser, base }) {
    const tab = await look(browser, base, "board");
    await tab.locator(".station.taken").nth(3).waitFor();
    assert.equal(await tab.locator(".simulated").isVisible(), true);
    assert.equal(await tab.locator(".lane").count(), 2);
    const plates = await tab.locator(".who .plate").allInnerTexts();
    assert.deepEqual(plates.map((each) => each.replace(/\s/g, "")), ["浙FD18436", "浙F7K286", "浙F0T553", "沪A5Q917"]);
    assert.equal(await tab.locator(".plate-green").first().evaluate((plate) => getComputedStyle(plate).color), "rgb(16, 20, 16)");
    assert.equal(await tab.locator(".curve-line").count(), 4);
    assert.equal(await tab.locator(".shots .mark-unsure").count(), 1);
    assert.deepEqual(await tab.locator(".verdict").allInnerTexts(), ["合格"]);
    assert.match(await text(tab, ".visit .alarm"), /一轴制动率不足/);
    assert.equal(await tab.locator(".readings .fail").count(), 2);
    assert.equal(await tab.locator(".queue li").count(), 3);
    assert.match(await text(tab, ".device-silent"), /slip-2\s*无声/);
    const clock = tab.locator(".clock b").first();
    const first = await clock.innerText();
    await tab.waitForFunction((shown) => document.querySelector(".clock b").innerText !== shown, first);
    await tidy(tab, "board");
    await tab.goto(`${base}/board/?lane=lane-2`);
    await tab.locator(".station.taken").first().waitFor();
    assert.equal(await tab.locator(".lane").count(), 1);
  },
  async long({ browser, base }) {
    const endless = "W".repeat(2000);
    outage = true; // the stream is cut off, so that it does not bring back the short values
    await browser.route("**/api/v1/events", (route) => route.abort());
    await browser.route("**/api/v1/board", async (route) => {
      const board = await (await route.fetch()).json();
      const taken = board.lanes.flatMap((lane) => lane.stations).filter((station) => station.vehicle);
      for (const { vehicle } of taken) Object.assign(vehicle, { vin: "W".repeat(25), alarms: [{ code: "B1", zh: endless, en: endless }] });
      board.alarms = [{ zh: endless, en: endless, at: board.at }];
      await route.fulfill({ json: board });
    });
    const tab = await look(browser, base, "board");
    await tab.locator(".station.taken").nth(3).waitFor();
    const boxes = await tab.locator(".station.taken").evaluateAll((stations) =>
      stations.map((station) => [station.querySelector(".alarm").offsetHeight, station.querySelector(".visit").scrollWidth - station.querySelector(".visit").clientWidth, station.querySelector(".facts").getBoundingClientRect().top < station.getBoundingClientRect().bottom]));
    for (const [height, beyond, facts] of boxes) assert.ok(height < 80 && beyond <= 0 && facts, `a long alarm takes the whole station: ${JSON.stringify(boxes)}`);
  },
  async typed({ browser, base }) {
    const endless = "W".repeat(300); // an officer's text without a blank
    const lengthen = (body) => JSON.parse(JSON.stringify(body), (key, value) => (key === "vin" ? "W".repeat(25) : ["remark", "reason"].includes(key) && typeof value === "string" ? endless : value));
    await browser.route(/v1\/inspections/, async (route) => route.fulfill({ json: lengthen(await (await route.fetch()).json()) }));
    const office = await look(browser, base, "office", { hash: "#/inspections/20261122-0119" });
    await office.locator(".ruling", { hasText: endless }).waitFor();
    await office.locator(".remark", { hasText: endless }).first().waitFor();
    await tidy(office, "office-typed");
    const pda = await look(browser, base, "pda");
    await pda.locator(".officer").first().click();
    await pda.locator(".vehicles a").first().waitFor();
    await tidy(pda, "pda-typed-list");
    await pda.locator(".vehicles a").first().click();
    await pda.locator(".checks .paper").first().waitFor();
    await tidy(pda, "pda-typed-checks");
  },
  async languages({ browser, base }) {
    for (const page of ["board", "office", "pda"]) {
      const tab = await look(browser, base, page);
      await tab.locator(".locale").first().waitFor();
      assert.equal(await tab.evaluate(() => document.documentElement.lang), "zh-CN");
      await tidy(tab, `${page}-zh`);
      await tab.locator(".locale").first().click();
      await tab.reload(); // remembered
      await tab.locator(".locale").first().waitFor();
      assert.equal(await tab.evaluate(() => document.documentElement.lang), "en");
      assert.equal(await text(tab, ".locale"), "中文");
      await tidy(tab, `${page}-en`);
      await tab.locator(".locale").first().click();
      await tab.close();
    }
  },
  async watchdog({ browser, base }) {
    const tab = await look(browser, base, "board");
    await tab.locator(".station.taken").first().waitFor();
    assert.equal(await tab.locator(".stale").count(), 0);
    await mode(base, "bad_gateway"); // streams cut, every answer 502: EventSource gives up for good
    await tab.locator(".stale").waitFor();
    assert.match(await text(tab, ".stale"), /^画面已停止更新 \d+ 秒$/);
    assert.match(await text(tab, "[data-live]"), /已中断/);
    await mode(base, "well");
    await tab.locator(".stale").waitFor({ state: "detached" });
    const { streams } = await mode(base, "well");
    assert.equal(streams, 1, "the stream was not made anew");
  },
  async office({ browser, base }) {
    const tab = await look(browser, base, "office");
    const rows = tab.locator("tbody tr");
    await rows.nth(24).waitFor();
    for (const count of [50, 57]) {
      await tab.locator(".foot button").click();
      await rows.nth(count - 1).waitFor();
    }
    assert.equal(await tab.locator(".foot button").count(), 0);
    await tab.locator("input[type=search]").fill("浙F·7K286");
    await tab.waitForFunction(() => [...document.querySelectorAll("tbody .plate")].every((plate) => plate.textContent.includes("7K286")));
    assert.ok((await rows.count()) > 0);
    await tab.locator("input[type=search]").fill("nothing of the kind");
    await tab.locator(".nothing b").waitFor();
    await tab.locator(".nothing button").click();
    await rows.first().waitFor();
    await tab.locator("select").first().selectOption("fail");
    await tab.waitForFunction(() => [...document.querySelectorAll("tbody .verdict-tag")].every((tag) => tag.classList.contains("is-fail")));
    await tidy(tab, "office-list");
    await rows.first().click();
    await tab.locator(".one .face").waitFor();
    assert.match(tab.url(), /#\/nodes\/[\w-]+\/inspections\//);
    await tab.goBack();
    await rows.first().waitFor();
  },
  async inspection({ browser, base }) {
    let listed = () => undefined;
    const list = new Promise((resolve) => (listed = resolve));
    await browser.route("**/v1/inspections?*", async (route) => {
      const page = await (await route.fetch()).json();
      await list; // comes last, and its rows are of real vehicles
      await route.fulfill({ json: { ...page, inspections: page.inspections.map((row) => ({ ...row, simulated: false })) } });
    });
    const tab = await look(browser, base, "office", { hash: "#/inspections/20261122-0119" });
    await tab.locator(".proof.intact").waitFor();
    const answered = tab.waitForResponse((response) => response.url().includes("/v1/inspections?"));
    listed();
    await (await answered).finished();
    await tab.locator("tbody tr[data-inspection]").first().waitFor({ state: "attached" });
    assert.equal(await tab.locator(".simulated").isVisible(), true, "a simulated inspection lost its band");
    assert.equal(await text(tab, ".face .verdict-tag"), "不合格");
    const vin = tab.locator(".photo", { has: tab.locator("small", { hasText: "0113" }) });
    assert.deepEqual(await vin.locator(".cell.differs .cell-read").allInnerTexts(), ["8"]);
    assert.deepEqual(await vin.locator(".cell.doubtful .cell-p").allInnerTexts(), ["74"]);
    assert.match(await vin.locator(".ruling").innerText(), /330401001 裁定：不合格/);
    assert.equal(await tab.locator(".photo-frame.absent").count(), 1);
    assert.match(await tab.locator(".findings").first().innerText(), /\(186\+135\)×10 N/);
    assert.equal(await tab.locator(".curves .curve-line").count(), 6);
    const links = tab.locator(".links tbody tr");
    const few = await links.count();
    await tab.locator(".proof button.wide").click();
    await links.nth(few).waitFor();
    const chain = await links.evaluateAll((rows) => rows.map((row) => [row.children[2].title, row.children[3].title]));
    assert.ok(chain.every(([prev], i) => i === 0 || prev === chain[i - 1][1]), "each row shows the hash of the one before");
    await vin.locator("button.photo-frame").click();
    await tab.locator(".zoom img").waitFor();
    await tab.mouse.move(700, 400);
    await tab.mouse.wheel(0, -600);
    await tab.waitForFunction(() => /scale\((?!1\))/.test(document.querySelector(".zoom img").style.transform));
    await tab.keyboard.press("Escape");
    await tab.locator(".zoom").waitFor({ state: "detached" });
    await tab.locator(".timeline button").first().click();
    assert.match(await tab.locator(".timeline pre").innerText(), /"kind": "ordered"/);
    await tidy(tab, "office-inspection");
  },
  async officer({ browser, base, lan }) {
    const tab = await look(browser, lan, "pda");
    assert.equal(await tab.evaluate(() => window.isSecureContext), false);
    await tab.locator(".officer").first().click();
    await tab.locator(".vehicles a").first().click();
    const before = (await mode(base, "well")).acted;
    const missing = tab.locator(".checks > li.is-missing");
    await missing.first().waitFor();
    const seats = tab.locator('[data-item="05"]');
    assert.equal(await seats.locator(".choice-pass").isDisabled(), true); // wants the determined value first
    await seats.locator("input").fill("5");
    await seats.locator(".choice-pass").click();
    await tab.locator('[data-item="06"] .choice-fail').click(); // one tap alone fails nothing
    assert.equal(await tab.locator('[data-item="06"]').getAttribute("class"), "is-missing");
    await tab.locator('[data-item="06"] textarea').fill("类型不符");
    await tab.locator('[data-item="06"] .failing button').click();
    await tab.locator('[data-item="06"].is-fail').waitFor();
    await saved(tab);

    await mode(base, "bad_gateway"); // from here on the node is away
    for (const item of ["07", "08", "09"]) await tab.locator(`[data-item="${item}"] .choice-pass`).click();
    await tab.locator("[data-tab=photos]").click();
    for (const shot of ["0157", "0124"]) {
      await tab.locator(`[data-shot="${shot}"] input`).setInputFiles({ name: `${shot}.png`, mimeType: "image/png", buffer: Buffer.concat([PNG, Buffer.from(shot)]) });
      await tab.locator(`[data-shot="${shot}"].shot-waiting img`).waitFor();
    }
    assert.match(await text(tab, ".sync"), /等待 5/);
    await tidy(tab, "pda-waiting");
    assert.equal((await mode(base, "bad_gateway")).acted, before + 2);
    await tab.reload(); // the mock still serves pages; a page that was closed must find its unsent acts again
    await tab.locator(".blank").waitFor();
    await mode(base, "well");
    await saved(tab);
    assert.equal((await mode(base, "well")).acted, before + 7, "an act was lost or doubled");

    await tab.locator("[data-tab=photos]").click();
    await tab.locator('[data-shot="0157"] input').setInputFiles({ name: "x.txt", mimeType: "text/plain", buffer: Buffer.from("no photo") });
    await tab.locator('[data-shot="0157"] .trouble').waitFor();
    await tab.locator("[data-tab=asks]").click();
    assert.equal(await tab.locator(".ask-card .cell.differs").count(), 2);
    await tab.locator(".ask-card .choice-pass").click();
    await tab.locator(".ask-card textarea").fill("");
    assert.equal(await tab.locator(".ask-card .failing button").isDisabled(), true); // a ruling wants its reason
    await tab.locator(".ask-card textarea").fill("实车 VIN 清晰，与证件一致");
    await tidy(tab, "pda-ask");
    await tab.locator(".ask-card .failing button").click();
    await tab.locator(".ask-card").waitFor({ state: "detached" });

    await tab.locator("[data-tab=sign]").click();
    await tab.locator(".signing:not(.off)").waitFor();
    const sign = tab.locator(".signing .big");
    assert.equal(await sign.isDisabled(), true); // an empty box is no signature
    const box = await tab.locator("canvas").boundingBox();
    await tab.mouse.move(box.x + 40, box.y + 120);
    await tab.mouse.down();
    for (let i = 1; i <= 30; i++) await tab.mouse.move(box.x + 40 + i * 7, box.y + 100 + 40 * Math.sin(i / 2));
    await tab.mouse.up();
    await tidy(tab, "pda-sign");
    await sign.click();
    await tab.locator(".note.good", { hasText: "已签字" }).waitFor();
    await saved(tab);
    assert.equal((await mode(base, "well")).acted, before + 9);
  },
};

const saved = (tab) => tab.locator(".sync-saved").waitFor();

async function main() {
  assert.ok(scenario in SCENARIOS, `no scenario ${scenario}; there are ${Object.keys(SCENARIOS).join(" ")}`);
  const { mock, port } = await startMock();
  const browser = await chromium.launchPersistentContext(values.profile, {
    executablePath: values.chromium,
    args: [...FLAGS, `--host-resolver-rules=MAP ${LAN} 127.0.0.1`],
  });
  try {
    await SCENARIOS[scenario]({ browser, base: `http://127.0.0.1:${port}`, lan: `http://${LAN}:${port}` });
    assert.deepEqual(complaints, [], "the browser complained");
  } finally {
    await browser.close();
    mock.kill();
  }
}

try {
  await main();
  console.log(JSON.stringify({ scenario, ok: true }));
} catch (error) {
  console.log(JSON.stringify({ scenario, ok: false, why: String(error?.stack ?? error), complaints }));
  process.exitCode = 1;
}
