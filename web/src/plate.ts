/** A number plate as it looks: colours by hpzl (GA 36-2018, GA/T 16.7), text in its two groups. */

export type PlateStyle = "blue" | "yellow" | "green" | "yellow-green" | "white" | "black" | "temporary" | "other" | "none";

const STYLES: Record<string, PlateStyle> = {
  "01": "yellow", "02": "blue", "03": "black", "04": "black", "05": "black", "06": "black",
  "07": "yellow", "08": "blue", "13": "yellow", "15": "yellow", "16": "yellow", "17": "yellow",
  "18": "yellow", "19": "yellow", "20": "temporary", "21": "temporary", "22": "temporary",
  "23": "white", "24": "white", "26": "black", "27": "black", "31": "white", "32": "white",
  "51": "yellow-green", "52": "green",
};
const RED_ENDS = "警使领";

export interface PlateFace {
  style: PlateStyle;
  head: string;
  tail: string;
  red: string;
}

/** Style and text groups: 浙A · 12345, a red last character where the standard has one. */
export function faceOf(hphm: string | null | undefined, hpzl: string | null | undefined): PlateFace {
  const text = (hphm ?? "").replace(/[\s·•.\-]/g, "").toUpperCase();
  if (!text) return { style: "none", head: "", tail: "", red: "" };
  const red = RED_ENDS.includes(text.slice(-1)) ? text.slice(-1) : "";
  const body = red ? text.slice(0, -1) : text;
  const headed = /^[\u4e00-\u9fff][A-Z]/.test(body);
  return { style: STYLES[hpzl ?? ""] ?? "other", head: headed ? body.slice(0, 2) : "", tail: headed ? body.slice(2) : body, red };
}

/** Plate as plain text, 浙A·12345. */
export function plateText(hphm: string | null | undefined): string {
  const face = faceOf(hphm, null);
  return face.head ? `${face.head}·${face.tail}${face.red}` : face.tail + face.red;
}
