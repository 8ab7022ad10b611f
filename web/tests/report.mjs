// One look at a report of `chayan review eval` with a real browser: node tests/report.mjs FILE --chromium PATH --profile DIR
// Prints one JSON object of what was seen.
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const { positionals, values } = parseArgs({ allowPositionals: true, options: { chromium: { type: "string" }, profile: { type: "string" } } });
const file = pathToFileURL(positionals[0] ?? "").href;
const complaints = [];
const asked = [];
const browser = await chromium.launchPersistentContext(values.profile ?? "", { executablePath: values.chromium, args: FLAGS, viewport: { width: 1200, height: 900 } });
try {
  const tab = await browser.newPage();
  tab.setDefaultTimeout(30_000);
  tab.on("console", (said) => said.type() === "error" && complaints.push(said.text()));
  tab.on("pageerror", (error) => complaints.push(String(error)));
  tab.on("request", (request) => request.url() !== file && !request.url().startsWith("data:") && asked.push(request.url()));
  await tab.goto(file);
  await tab.waitForFunction(() => [...document.images].every((image) => image.complete));
  const seen = await tab.evaluate(() => ({
    sections: [...document.querySelectorAll("section")].map((section) => section.id),
    faults: document.querySelectorAll(".fault").length,
    pictures: document.images.length,
    broken: [...document.images].filter((image) => image.naturalWidth === 0).length,
    marked: [...document.querySelectorAll(".fault mark")].map((each) => each.textContent),
    doubtful: document.querySelectorAll(".fault u").length,
    wide: document.documentElement.scrollWidth - window.innerWidth,
    words: document.body.innerText,
  }));
  console.log(JSON.stringify({ complaints, asked, ...seen }));
} finally {
  await browser.close();
}
