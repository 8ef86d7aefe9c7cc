// Verdicts, kept by the browser: a record a genus, round, specimen, structure and photograph. Each is written by
// itself, so two tabs never overwrite what the other did; of two records of one key the later one stays. Beside
// them lie those that the workflow was given, which come with the page and are not kept.

const NAME = "sam2pal-review";
const STORE = "verdicts";
const PING = "sam2pal-review-changed";

/** Why a specimen shows nothing of a structure. */
export const MISSING = new Set(["absent", "hidden", "outside"]);
export const FACTS = new Set(["corrected", ...MISSING]);

/** Whether a record is about what a person made of the specimen, whatever the round, and not about a predicted mask. */
export const fact = (r) => FACTS.has(r.verdict) || r.source === "corrected";

export const keyOf = (r) => JSON.stringify([r.genus, r.round, r.specimen, r.structure, r.sha256]);

function request(of) {
  return new Promise((done, failed) => {
    of.onsuccess = () => done(of.result);
    of.onerror = () => failed(of.error);
  });
}

export class Store {
  /** Records by key; one without a verdict was taken back. */
  records = new Map();
  /** Those that the workflow was given, by key. */
  given = new Map();
  /** Why nothing is kept, or empty. */
  problem = "";
  #changed = [];
  #database = null;
  #at = 0;

  static async open() {
    const store = new Store();
    try {
      const opening = indexedDB.open(NAME, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "key" });
      store.#database = await request(opening);
      // another tab of a newer version may replace the database
      store.#database.onversionchange = () => store.#database.close();
    } catch (error) {
      store.problem = `This browser keeps nothing of what you do here (${error?.message ?? error}): export before you close the page.`;
    }
    await store.#read();
    addEventListener("storage", (event) => event.key === PING && store.#refresh());
    document.addEventListener("visibilitychange", () => !document.hidden && store.#refresh());
    return store;
  }

  onchange(f) {
    this.#changed.push(f);
  }

  /** Take what the workflow was given. */
  give(records) {
    for (const record of records) {
      const there = this.given.get(keyOf(record));
      if (!there || there.at <= record.at) this.given.set(keyOf(record), { ...record, key: keyOf(record) });
    }
  }

  /** The later of both records of a key, also one that was taken back; undefined if there is none. */
  latest(key) {
    const [own, given] = [this.records.get(key), this.given.get(key)];
    return !own || (given && given.at > own.at) ? given : own;
  }

  isGiven(record) {
    return this.given.get(record.key) === record;
  }

  /** The verdicts of this browser and those that the workflow was given, of each key the later one. */
  verdicts() {
    const keys = new Set([...this.given.keys(), ...this.records.keys()]);
    return [...keys].map((key) => this.latest(key)).filter((r) => r.verdict);
  }

  /**
   * A time later than any this page gave, so that the last of two quick verdicts stays the last, and later than those of
   * records that it replaces: the clock of another computer may be ahead.
   */
  now(...replaced) {
    this.#at = Math.max(Date.now(), this.#at + 1);
    return new Date(Math.max(this.#at, ...replaced.map((r) => (Date.parse(r?.at) || 0) + 1))).toISOString();
  }

  /** Write records; of each key only if it is later than what is there. Gives how many were. */
  async put(records) {
    let taken = 0;
    if (this.#database) {
      const transaction = this.#database.transaction(STORE, "readwrite", { durability: "strict" });
      const objects = transaction.objectStore(STORE);
      const written = new Promise((done, failed) => {
        transaction.oncomplete = done;
        transaction.onabort = transaction.onerror = () => failed(transaction.error);
      });
      for (const record of records) {
        const there = await request(objects.get(record.key));
        if (there && there.at >= record.at) {
          this.records.set(record.key, there);
          continue;
        }
        objects.put(record);
        this.records.set(record.key, record);
        taken++;
      }
      try {
        await written;
        localStorage.setItem(PING, `${Date.now()} ${Math.random()}`);
      } catch (error) {
        this.problem = `The browser could not keep what you did (${error?.message ?? error}): export it now.`;
      }
    } else {
      for (const record of records) {
        if ((this.records.get(record.key)?.at ?? "") >= record.at) continue;
        this.records.set(record.key, record);
        taken++;
      }
    }
    this.#tell();
    return taken;
  }

  async #read() {
    if (!this.#database) return;
    const all = await request(this.#database.transaction(STORE).objectStore(STORE).getAll());
    for (const record of all) {
      const there = this.records.get(record.key);
      if (!there || there.at < record.at) this.records.set(record.key, record);
    }
  }

  async #refresh() {
    await this.#read();
    this.#tell(true);
  }

  /** @param elsewhere whether it may have been another tab */
  #tell(elsewhere = false) {
    for (const f of this.#changed) f(elsewhere);
  }
}
