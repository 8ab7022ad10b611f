// A screenshot of a running page: node tests/shoot.mjs URL FILE.png WIDTHxHEIGHT [zh-CN|en] [SECONDS]
import { chromium } from "playwright-core";

const [url, file, size = "1920x1080", language = "zh-CN", seconds = "4"] = process.argv.slice(2);
if (!url || !file) {
  console.error("usage: node tests/shoot.mjs URL FILE.png [WIDTHxHEIGHT] [zh-CN|en] [SECONDS]");
  process.exit(2);
}
const [width, height] = size.split("x").map(Number);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"] });
try {
  const page = await browser.newPage({ viewport: { width, height } });
  await page.addInitScript((wanted) => localStorage.setItem("chayan.locale", wanted), language);
  await page.goto(url);
  await page.waitForTimeout(Number(seconds) * 1000);
  await page.screenshot({ path: file });
} finally {
  await browser.close();
}
