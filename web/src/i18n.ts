/** Words of the pages: Chinese first, English second, from the two catalogues in ``messages/``. */

import { computed, ref } from "vue";
import type { Bilingual } from "./api";
import en from "./messages/en.json";
import zh from "./messages/zh-CN.json";

export type Locale = "zh-CN" | "en";
export type Key = keyof typeof zh;

const REMEMBERED = "chayan.locale";
const CATALOGUES: Record<Locale, Record<string, string>> = { "zh-CN": zh, en };

function remembered(): Locale {
  try {
    return localStorage.getItem(REMEMBERED) === "en" ? "en" : "zh-CN";
  } catch {
    return "zh-CN"; // storage switched off
  }
}

export const locale = ref<Locale>(remembered());

export function speak(chosen: Locale): void {
  locale.value = chosen;
  document.documentElement.lang = chosen;
  try {
    localStorage.setItem(REMEMBERED, chosen);
  } catch {
    // storage switched off: the choice holds until the page is left
  }
}

/** Text of ``key`` with ``{name}`` filled in. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = CATALOGUES[locale.value][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Word for a code that a server sent, or the code itself where the catalogue has none. */
export function word(family: string, code: string | null | undefined): string {
  if (!code) return "";
  return CATALOGUES[locale.value][`${family}.${code}`] ?? code;
}

/** A text that the server has in both languages. */
export function say(text: Bilingual | string | null | undefined): string {
  if (!text) return "";
  if (typeof text === "string") return text;
  return (locale.value === "en" ? text.en : text.zh) || text.zh || text.en;
}

export const isChinese = computed(() => locale.value === "zh-CN");

/** Time of day, 24 h. */
export function timeOf(moment: string | null | undefined, seconds = false): string {
  const at = moment ? new Date(moment) : null;
  if (!at || Number.isNaN(at.getTime())) return "–";
  const digits = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  return at.toLocaleTimeString(locale.value, seconds ? { ...digits, second: "2-digit" } : digits);
}

/** Date and time of day, 24 h. */
export function momentOf(moment: string | null | undefined): string {
  const at = moment ? new Date(moment) : null;
  if (!at || Number.isNaN(at.getTime())) return "–";
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${timeOf(moment, true)}`;
}
