/** SHA-256 of bytes. WebCrypto exists only in a secure context; a PDA on plain http:// in the LAN has none. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

export async function digestOf(bytes: ArrayBuffer): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle) return bytesToHex(new Uint8Array(await subtle.digest("SHA-256", bytes)));
  return bytesToHex(sha256(new Uint8Array(bytes)));
}
