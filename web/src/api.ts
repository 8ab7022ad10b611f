/** What the edge node and the registry say: types of both HTTP APIs and one way to ask them. */

export type Result = "pass" | "fail" | "not_applicable";
export type Verdict = "pass" | "fail" | "incomplete" | "suspicious";
export type Opinion = "agree" | "disagree" | "unsure";
export type Decision = "pass" | "fail" | "retake";
export type Question = "plate" | "vin" | "quality" | "reuse" | "rubbing";

/** The photo of which another is a copy. */
export interface Earlier {
  photo: string;
  photo_seq: number;
  inspection: string;
  shot: string;
}
export type Business = string;
/** Decimals travel as strings so that nothing is rounded on the way. */
export type Amount = string | number;

export interface Bilingual {
  zh: string;
  en: string;
}

// ---- edge node -----------------------------------------------------------------------------------

export type StationKind = "gate" | "exterior" | "chassis" | "brake" | "sideslip" | "speed" | "headlamp" | "outline" | "mass" | "exit";

export interface Site {
  site: string;
  name: Bilingual;
  node: string;
  simulated: boolean;
  lanes: { lane: string; name: Bilingual; stations: { station: string; name: Bilingual; kind: StationKind }[] }[];
  officers: Officer[];
}

export interface Officer {
  officer: string;
  name: string | Bilingual;
}

export interface Reading {
  item: string;
  quantity: string;
  value: Amount;
  unit: string;
  limit: string;
  result: Result | null;
  axle?: number | null;
}

export interface Curve {
  item: string;
  interval_ms: number;
  left_dan: number[];
  right_dan: number[];
}

export interface Alarm extends Bilingual {
  code?: string;
  at?: string;
}

export interface BoardVehicle {
  inspection: string;
  plate: string | null;
  hpzl: string | null;
  vin: string;
  vehicle_class: string;
  business: Business;
  arrived_at: string | null;
  elapsed_s: number;
  next: string[];
  running: string | null;
  done: string[];
  alarms: Alarm[];
  readings: Reading[];
  curve: Curve | null;
  photos: { shot: string; photo: string; opinion: Opinion | null }[];
  verdict: Verdict | null;
}

export interface BoardStation {
  station: string;
  name: Bilingual;
  kind: StationKind;
  light: boolean | null;
  barrier: boolean | null;
  sensors: Record<string, boolean | null>;
  vehicle: BoardVehicle | null;
}

export interface BoardLane {
  lane: string;
  name: Bilingual;
  stations: BoardStation[];
}

export interface Waiting {
  inspection: string;
  plate: string | null;
  hpzl: string | null;
  vin: string;
  business: Business;
}

export interface Recent {
  inspection: string;
  plate: string | null;
  hpzl?: string | null;
  vin: string;
  business: Business;
  lane: string | null;
  verdict: Verdict | null;
  failed: string[];
  ended_at: string;
}

export type DeviceState = "ok" | "silent" | "faulty" | "lost" | "unknown";

export interface DeviceHealth {
  device: string;
  kind: string;
  lane: string | null;
  station: string | null;
  state: DeviceState;
  why: string;
  simulated: boolean;
  marks: string[];
}

export interface Destination {
  destination: string;
  link: "ok" | "down";
  sent_through: number;
  photos_wanted: number;
}

export interface Board {
  version: number;
  at: string;
  site: string;
  simulated: boolean;
  node: string;
  head: { seq: number; hash: string };
  sent_through: number;
  link: "ok" | "down" | "none";
  destinations: Destination[];
  waiting: Waiting[];
  lanes: BoardLane[];
  recent: Recent[];
  devices: DeviceHealth[];
  alarms: Alarm[];
}

export interface OpenInspection {
  inspection: string;
  plate: string | null;
  hpzl: string | null;
  vin: string;
  business: Business;
  lane: string | null;
  station: string | null;
  verdict: Verdict | null;
  ordered_at: string;
  phase?: string;
}

/** Fields that hold the default of the schema are left out of an answer. */
export interface Vehicle {
  vin: string;
  vehicle_class: string;
  use: string;
  made_on: string;
  gross_mass_kg: number;
  kerb_mass_kg: number;
  plate?: { hpzl: string; hphm: string } | null;
  brand?: string;
  model?: string;
  colour?: string;
  seats?: number;
  fuel?: string;
  engine_no?: string;
  registered_on?: string | null;
  axles?: number;
}

export interface Character {
  c: string;
  p: Amount;
}

export interface Review {
  review_seq?: number;
  photo?: string;
  question: Question;
  opinion: Opinion;
  expected?: string;
  text?: string;
  confidence?: Amount;
  characters?: Character[];
  score?: Amount | null;
  /** Of the claim, at even odds. */
  probability?: Amount | null;
  reasons?: string[];
  model?: string;
}

export interface Item {
  item: string;
  name: Bilingual;
  kind: "check" | "instrument" | "review";
  required: boolean;
  /** The officer must write down what was found (colour, seats). */
  writes_value?: boolean;
  /** False: a dash is not an answer. */
  may_not_apply?: boolean;
  state: "missing" | Result;
  value: string;
  officer: string;
}

export type ShotState = "missing" | "reviewing" | "ask" | "ok" | "fail" | "retake";

export interface Shot {
  shot: string;
  name: Bilingual;
  required: boolean;
  photos: { seq: number; photo: string; taken_at: string | null; reviews: Review[] }[];
  state: ShotState;
}

export interface Ask {
  review_seq: number;
  photo: string;
  shot: string;
  question: Question;
  opinion: Opinion;
  expected?: string;
  text?: string;
  characters?: Character[];
  reasons?: string[];
  confidence?: Amount;
  earlier?: Earlier | null;
}

export interface Finding {
  item: string;
  result: Result;
  quantity?: string;
  value?: string;
  unit?: string;
  limit?: string;
  clause?: string;
  arithmetic?: string;
  basis?: number[];
  /** A reminder passes; left out where a defect would reject. */
  severity?: "reject" | "reminder";
  proposes?: string[];
}

export interface RecordRow {
  seq: number;
  at: string;
  kind: string;
  source: string;
  inspection?: string | null;
  /** Null where the registry cannot read the stored bytes. */
  body: Record<string, unknown> | null;
  hash?: string;
}

export interface Inspection {
  inspection: string;
  vehicle: Vehicle;
  business: Business;
  lane: string | null;
  station: string | null;
  attempt: number;
  ordered_at: string;
  verdict: Verdict | null;
  items: Item[];
  shots: Shot[];
  asks: Ask[];
  readings: Reading[];
  curves: Curve[];
  findings: Finding[];
  may_sign: boolean;
  missing: Alarm[];
  alarms: Alarm[];
  records: RecordRow[];
}

export type Act =
  | { kind: "photographed"; shot: string; photo: string; taken_at: string }
  | { kind: "checked"; item: string; result: Result; value?: string; defects?: string[]; remark?: string }
  | { kind: "ruled"; review_seq: number; decision: Decision; reason: string }
  | { kind: "signed"; role: "officer" | "second_officer" | "presenter"; photo?: string; statement?: string };

// ---- registry ------------------------------------------------------------------------------------

export interface RegistryRow {
  node: string;
  inspection: string;
  plate: string | null;
  hpzl: string | null;
  vin: string;
  business: Business;
  lane: string | null;
  verdict: Verdict | null;
  failed: string[];
  ordered_at: string;
  ended_at: string | null;
  records: number;
  photos: number;
  simulated: boolean;
}

export interface RegistryPhoto {
  shot: string;
  photo: string;
  taken_at: string | null;
  held: boolean;
  reviews: Review[];
  rulings: { decision: Decision; officer: string; reason: string }[];
}

export interface RegistryInspection extends Omit<RegistryRow, "records" | "photos"> {
  vehicle: Vehicle;
  readings: Reading[];
  curves: Curve[];
  photos: RegistryPhoto[];
  checks: { item: string; result: Result; officer: string; value?: string; remark?: string }[];
  findings: Finding[];
  signed: { officer: string; role: string; at: string }[];
  records: RecordRow[];
}

export interface Proof {
  node: string;
  inspection: string;
  ok: boolean;
  checked: number;
  refused?: number;
  rows: { seq: number; kind: string; prev: string; hash: string; ok: boolean | null }[];
  head: { seq: number; hash: string; signature: string | null; public_key: string | null; signed_ok: boolean | null };
  says: Bilingual;
}

export interface Stats {
  nodes: { node: string; through: number; head: string; received_at: string | null; site?: string }[];
  inspections: number;
  records: number;
  photos: number;
  wanted: number;
  verdicts: Partial<Record<Verdict, number>>;
}

export const DEFAULT_SEATS = 5; // lanes/vehicle.py

// ---- asking --------------------------------------------------------------------------------------

export const EDGE = "../api/v1";
export const REGISTRY = "../v1";
const WAIT_MS = 15_000;

/** An answer other than 2xx; ``status`` 0: no answer at all. */
export class Problem extends Error {
  readonly status: number;
  readonly says: Bilingual;

  constructor(status: number, says: Bilingual) {
    super(says.en);
    this.name = "Problem";
    this.status = status;
    this.says = says;
  }

  /** Whether asking again later can help: no answer, overload, or a failing server. */
  get passing(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

const TEXT = (value: unknown): string => (typeof value === "string" ? value : "");

/** RFC 9457 problem+json, or whatever a proxy in between answered, as a ``Problem``. */
export async function problemOf(answer: Response): Promise<Problem> {
  const body: unknown = await answer.json().catch(() => null);
  const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const title = TEXT(fields.title) || answer.statusText || `HTTP ${answer.status}`;
  const detail = TEXT(fields.detail);
  const tail = detail && !detail.includes(title) ? `: ${detail}` : ""; // some details repeat the title
  return new Problem(answer.status, { en: title + tail, zh: (TEXT(fields.title_zh) || title) + tail });
}

/** One request, its answer taken in by ``take``; waits at most ``waitMs`` for both; raises ``Problem``. */
async function within<T>(url: string, init: RequestInit, waitMs: number, take: (answer: Response) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), waitMs); // a body can stall after its headers have come
  try {
    const answer = await fetch(url, { ...init, signal: stop.signal });
    if (!answer.ok) throw await problemOf(answer);
    return await take(answer);
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    throw new Problem(0, { en: "no answer from the server", zh: "服务器没有应答" });
  } finally {
    clearTimeout(timer);
  }
}

/** One request whose answer says nothing more; raises ``Problem``. */
export async function ask(url: string, init: RequestInit = {}, waitMs = WAIT_MS): Promise<void> {
  await within(url, init, waitMs, (answer) => answer.arrayBuffer());
}

/** The body as JSON; a page that some proxy answered with 200 is no answer. */
async function read<T>(url: string, init: RequestInit, waitMs: number): Promise<T> {
  const text = await within(url, init, waitMs, (answer) => answer.text());
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new Problem(0, { en: "the answer is not from this server", zh: "应答不是来自本服务器" });
  }
}

export async function getJson<T>(url: string, waitMs = WAIT_MS): Promise<T> {
  return read<T>(url, { headers: { accept: "application/json" }, cache: "no-store" }, waitMs);
}

export async function postJson<T>(url: string, body: unknown): Promise<T> {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return read<T>(url, init, WAIT_MS);
}

export const edgePhoto = (photo: string): string => `${EDGE}/photos/${photo}`;
export const registryPhoto = (photo: string): string => `${REGISTRY}/photos/${photo}`;
