import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import en from "../src/messages/en.json";
import zh from "../src/messages/zh-CN.json";

const SOURCE = join(import.meta.dirname, "../src");

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return /\.(ts|vue)$/.test(name) ? [readFileSync(path, "utf8")] : [];
  });
}
const code = sources(SOURCE).join("\n");

it("has every key in both languages", () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
});

it("has no empty text and the same values to fill in", () => {
  const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();
  for (const [key, text] of Object.entries(zh)) {
    const other = (en as Record<string, string>)[key] ?? "";
    expect(text.trim(), key).not.toBe("");
    expect(other.trim(), key).not.toBe("");
    expect(holes(other), key).toEqual(holes(text));
  }
});

it("says nothing in Chinese in the English catalogue but the name of the other language", () => {
  const chinese = Object.entries(en).filter(([key, text]) => /[\u4e00-\u9fff]/.test(text) && key !== "app.language");
  expect(chinese).toEqual([]);
});

it("holds no key that no page uses", () => {
  const families = new Set([...code.matchAll(/word\(\s*"(\w+)"/g)].map((found) => found[1]));
  const stems = [...code.matchAll(/t\(`([\w.]+)\$\{/g)].map((found) => found[1] ?? "");
  const used = (key: string) =>
    code.includes(`"${key}"`) || code.includes(`'${key}'`) || families.has(key.split(".")[0] ?? "") || stems.some((stem) => stem !== "" && key.startsWith(stem));
  expect(Object.keys(zh).filter((key) => !used(key))).toEqual([]);
});

it("keeps Chinese words out of the templates", () => {
  const shown = sources(SOURCE).flatMap((text) => [...text.matchAll(/>([^<>{}]*[\u4e00-\u9fff][^<>{}]*)</g)].map((found) => found[1]?.trim()));
  expect(shown).toEqual(["模拟 SIMULATED"]); // said in both languages at once
});
