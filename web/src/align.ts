/** A reading against what was expected, character by character. */

import type { Character } from "./api";

export const DOUBT = 0.9; // a posterior below this is shown as doubtful

export interface Cell {
  read: string;
  expected: string;
  p: number | null;
  differs: boolean;
  doubtful: boolean;
}

/** Cells of the cheapest alignment; a character missing on one side is an empty string there. */
export function align(expected: string, characters: readonly Character[]): Cell[] {
  const want = Array.from(expected);
  const rows = want.length + 1;
  const columns = characters.length + 1;
  const cost = Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => (i ? (j ? 0 : i) : j)));
  const at = (i: number, j: number): number => cost[i]?.[j] ?? Infinity;
  for (let i = 1; i < rows; i++) {
    for (let j = 1; j < columns; j++) {
      const swap = at(i - 1, j - 1) + (want[i - 1] === characters[j - 1]?.c ? 0 : 1);
      (cost[i] as number[])[j] = Math.min(swap, at(i - 1, j) + 1, at(i, j - 1) + 1);
    }
  }
  const cells: Cell[] = [];
  let i = want.length;
  let j = characters.length;
  while (i > 0 || j > 0) {
    const same = i > 0 && j > 0 && want[i - 1] === characters[j - 1]?.c;
    if (i > 0 && j > 0 && at(i, j) === at(i - 1, j - 1) + (same ? 0 : 1)) cells.push(cell(want[--i], characters[--j]));
    else if (i > 0 && at(i, j) === at(i - 1, j) + 1) cells.push(cell(want[--i], undefined));
    else cells.push(cell(undefined, characters[--j]));
  }
  return cells.reverse();
}

/** Cells of a reading with nothing to compare it to. */
export function plain(characters: readonly Character[]): Cell[] {
  return characters.map((each) => ({ ...cell(each.c, each), expected: "" }));
}

function cell(expected: string | undefined, read: Character | undefined): Cell {
  const p = read ? Number(read.p) : null;
  return {
    read: read?.c ?? "",
    expected: expected ?? "",
    p,
    differs: (expected ?? "") !== (read?.c ?? ""),
    doubtful: p !== null && p < DOUBT,
  };
}

/** Characters of a review: the model's own, or its text with no probabilities known. */
export function charactersOf(review: { characters?: Character[]; text?: string }): Character[] {
  return review.characters?.length ? review.characters : Array.from(review.text ?? "", (c) => ({ c, p: 1 }));
}
