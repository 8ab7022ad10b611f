/** Words for the codes of what is missing (item:01, shot:0113, weight:1, ruling:0113:vin), nearest work first. */

import type { StationKind } from "./api";
import { t, word } from "./i18n";

export function gapName(code: string): string {
  const [what = "", which = "", question = ""] = code.split(":");
  if (!which) return word("code", code);
  if (what === "weight") return word("code", `W${which}`);
  if (what === "shot") return t("gap.photo", { what: word("code", which) });
  if (what === "review" || what === "ruling") {
    return t(what === "review" ? "gap.review" : "gap.ruling", { what: word("code", question || which) });
  }
  return word("code", which);
}

/** What is measured at a kind of station; everything else an officer does wherever the vehicle stands. */
const MEASURED: Partial<Record<StationKind, RegExp>> = {
  brake: /^(weight|instrument:B)/,
  sideslip: /^instrument:A/,
  speed: /^instrument:S/,
  headlamp: /^instrument:H/,
  outline: /^instrument:M/,
  mass: /^instrument:Z/,
};

/** Gaps with those first that can be closed where the vehicle stands. */
export function nearestFirst(codes: readonly string[], kind: StationKind): string[] {
  const bench = MEASURED[kind];
  const here = (code: string) => (bench ? bench.test(code) : !Object.values(MEASURED).some((each) => each.test(code)));
  return [...codes.filter(here), ...codes.filter((code) => !here(code))];
}
