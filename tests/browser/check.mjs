// Opens pages in a real browser and prints as JSON what is wrong with each, in light and dark, wide and narrow.
// Usage: node check.mjs BROWSER PAGE...   (run where axe-core and playwright-core are installed)
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import process from "node:process";

const require = createRequire(`${process.cwd()}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const flags = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const [executablePath, ...pages] = process.argv.slice(2);

async function look(browser, path) {
  const page = await browser.newPage();
  const url = pathToFileURL(path).href;
  const refused = [], requests = [];
  page.on("console", (message) => refused.push(message.text()));
  page.on("pageerror", (error) => refused.push(String(error)));
  page.on("request", (request) => request.url() !== url && requests.push(request.url()));
  await page.goto(url);
  await page.evaluate(axe);
  const seen = [];
  for (const [colorScheme, width] of [["light", 1200], ["dark", 1200], ["light", 360]]) {
    await page.emulateMedia({ media: "screen", colorScheme });
    await page.setViewportSize({ width, height: 900 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const violations = result.violations.map((found) => ({ rule: found.id, at: found.nodes.map((node) => node.html.slice(0, 200)) }));
    await page.emulateMedia({ media: "print" });
    await page.setViewportSize({ width: 680, height: 900 }); // A4 between margins
    const cut = await page.evaluate(() =>
      [...document.querySelectorAll("table, figure")].filter((part) => part.getBoundingClientRect().right > window.innerWidth + 1).length);
    const folded = await page.evaluate(() =>
      [...document.querySelectorAll("details > :not(summary)")].filter((part) => part.getBoundingClientRect().height === 0).length);
    seen.push({ path, colorScheme, width, overflow, violations, folded, cut, refused, requests });
  }
  await page.close();
  return seen;
}

const browser = await chromium.launch({ executablePath, args: flags.split(" ") });
const seen = [];
for (const path of pages) seen.push(...await look(browser, path));
await browser.close();
process.stdout.write(JSON.stringify(seen));
