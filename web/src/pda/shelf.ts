/** Where unsent acts lie on the device until the node has acknowledged them. */

import type { Act, Bilingual } from "../api";

export interface Entry {
  key: string;
  order: number;
  inspection: string;
  officer: string;
  act: Act;
  photo: { digest: string; bytes: ArrayBuffer; media: string } | null;
  refused: Bilingual | null;
}

export interface Shelf {
  /** Whether entries survive a closed page. */
  readonly durable: boolean;
  all(): Promise<Entry[]>;
  put(entry: Entry): Promise<void>;
  drop(key: string): Promise<void>;
}

export class MemoryShelf implements Shelf {
  readonly durable = false;
  private readonly entries = new Map<string, Entry>();

  async all(): Promise<Entry[]> {
    return [...this.entries.values()];
  }
  async put(entry: Entry): Promise<void> {
    this.entries.set(entry.key, entry);
  }
  async drop(key: string): Promise<void> {
    this.entries.delete(key);
  }
}

const STORE = "outbox";

/** IndexedDB holds photos too, and works without a secure context. */
class DatabaseShelf implements Shelf {
  readonly durable = true;
  private readonly database: IDBDatabase;

  constructor(database: IDBDatabase) {
    this.database = database;
  }

  async all(): Promise<Entry[]> {
    return done(this.database.transaction(STORE).objectStore(STORE).getAll() as IDBRequest<Entry[]>);
  }
  async put(entry: Entry): Promise<void> {
    return this.change((store) => store.put(entry));
  }
  async drop(key: string): Promise<void> {
    return this.change((store) => store.delete(key));
  }

  private change(act: (store: IDBObjectStore) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(STORE, "readwrite");
      transaction.oncomplete = () => resolve(); // only now is it durable
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
      act(transaction.objectStore(STORE));
    });
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** The device's database; memory where the browser gives none (private windows, old WebViews). */
export async function openShelf(): Promise<Shelf> {
  try {
    const opening = indexedDB.open("chayan", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "key" });
    return new DatabaseShelf(await done(opening));
  } catch {
    return new MemoryShelf();
  }
}
