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

const BENCH = /^(weight|instrument:B)/;
const SLIP = /^instrument:A1/;

/** Gaps with those first that can be closed where the vehicle stands. */
export function nearestFirst(codes: readonly string[], kind: StationKind): string[] {
  const here = (code: string) => (kind === "brake" ? BENCH.test(code) : kind === "sideslip" ? SLIP.test(code) : !BENCH.test(code) && !SLIP.test(code));
  return [...codes.filter(here), ...codes.filter((code) => !here(code))];
}
