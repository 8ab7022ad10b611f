// Drawn stand-ins for inspection photos, marked as simulated in the picture.
import { createHash } from "node:crypto";

const photos = new Map();

/** Keep bytes under their digest; returns the digest. */
export function put(bytes, media) {
  const digest = createHash("sha256").update(bytes).digest("hex");
  photos.set(digest, { bytes, media });
  return digest;
}

export const get = (digest) => photos.get(digest);

const mark = `<g font-family="sans-serif" font-size="15" fill="#fff" opacity=".75"><rect x="6" y="6" width="132" height="22" rx="4" fill="#000" opacity=".5"/><text x="14" y="22">模拟 SIMULATED</text></g>`;
const frame = (inner, sky = "#8fa4b8") =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 420" width="640" height="420"><defs><linearGradient id="s" x2="0" y2="1"><stop stop-color="${sky}"/><stop offset="1" stop-color="#dfe6ec"/></linearGradient></defs><rect width="640" height="420" fill="url(#s)"/><rect y="300" width="640" height="120" fill="#70767d"/>${inner}${mark}</svg>`;

/** Front or rear of a car with its plate. */
export function car(paint, plate, ground, ink, rear = false) {
  const lamp = rear ? "#c9252d" : "#fdf6d8";
  return put(
    Buffer.from(
      frame(
        `<ellipse cx="320" cy="372" rx="250" ry="20" fill="#4b5158"/><path d="M120 360V250q0-30 40-40l36-70q10-22 40-22h168q30 0 40 22l36 70q40 10 40 40v110z" fill="${paint}"/><path d="M212 205l26-56q6-12 20-12h124q14 0 20 12l26 56z" fill="#27313b"/><rect x="136" y="246" width="84" height="34" rx="14" fill="${lamp}"/><rect x="420" y="246" width="84" height="34" rx="14" fill="${lamp}"/><rect x="238" y="250" width="164" height="26" rx="6" fill="#1d232a"/><rect x="140" y="346" width="64" height="40" rx="8" fill="#16191d"/><rect x="436" y="346" width="64" height="40" rx="8" fill="#16191d"/><g><rect x="222" y="292" width="196" height="50" rx="6" fill="${ground}" stroke="#fff" stroke-width="3"/><text x="320" y="329" font-size="34" font-family="sans-serif" font-weight="700" text-anchor="middle" fill="${ink}" textLength="176">${plate}</text></g>`,
      ),
    ),
    "image/svg+xml",
  );
}

/** A VIN struck in metal. */
export function vin(text, tint = "#9aa1a8") {
  return put(
    Buffer.from(
      frame(
        `<rect width="640" height="420" fill="${tint}"/><path d="M0 90h640M0 330h640" stroke="#7d848b" stroke-width="8"/><g font-family="monospace" font-weight="700" font-size="44"><text x="322" y="227" text-anchor="middle" fill="#d9dde1" textLength="560">${text}</text><text x="320" y="225" text-anchor="middle" fill="#3b4046" textLength="560">${text}</text></g><circle cx="70" cy="370" r="14" fill="#5a6067"/><circle cx="570" cy="50" r="14" fill="#5a6067"/>`,
      ),
    ),
    "image/svg+xml",
  );
}

/** Some other part of the car. */
export function part(title, tint) {
  return put(
    Buffer.from(
      frame(
        `<rect width="640" height="420" fill="${tint}"/><circle cx="320" cy="215" r="120" fill="#22262b"/><circle cx="320" cy="215" r="66" fill="#8b939b"/><circle cx="320" cy="215" r="20" fill="#40464d"/><text x="320" y="392" font-size="28" font-family="sans-serif" text-anchor="middle" fill="#fff">${title}</text>`,
      ),
    ),
    "image/svg+xml",
  );
}
