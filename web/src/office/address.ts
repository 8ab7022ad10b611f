/** Where one inspection is: its id is unique on a node, so the node goes with it. */

import { REGISTRY } from "../api";

const OPEN = /^#\/(?:nodes\/([^/]+)\/)?inspections\/([^/]+)$/;

export interface Place {
  inspection: string;
  node: string | null;
}

/** The inspection that the page's address names, or null for the list. */
export function placeOf(hash: string): Place | null {
  const found = OPEN.exec(hash);
  try {
    return found?.[2] ? { inspection: decodeURIComponent(found[2]), node: found[1] ? decodeURIComponent(found[1]) : null } : null;
  } catch {
    return null; // an address cut in the middle of a %E6…
  }
}

export function hrefOf({ inspection, node }: Place): string {
  return `#/${node ? `nodes/${encodeURIComponent(node)}/` : ""}inspections/${encodeURIComponent(inspection)}`;
}

/** Address of an inspection in the registry's API. */
export function addressOf({ inspection, node }: Place): string {
  return `${REGISTRY}/inspections/${encodeURIComponent(inspection)}${node ? `?node=${encodeURIComponent(node)}` : ""}`;
}

export function proofOf(address: string): string {
  return below(address, "proof");
}

export const FORMS = ["record", "instruments", "photos"] as const;

/** Address of a printed form (PDF). */
export function formOf(address: string, form: (typeof FORMS)[number]): string {
  return below(address, `forms/${form}.pdf`);
}

function below(address: string, what: string): string {
  const [path = "", query] = address.split("?");
  return `${path}/${what}${query ? `?${query}` : ""}`;
}
