// The specimens of a genus and round with the verdicts on them: what is shown, in which order, and how far one is.

import { exported, imported } from "./corrections.js";
import { load } from "./dom.js";
import { lengths } from "./mask.js";
import { FACTS, fact, keyOf } from "./store.js";

const OF_THE_MASK = new Set(["accepted", "rejected", "needs_correction"]);
const KEPT = 300; // specimens whose masks stay in memory

export class Review {
  /** @param folder address of the data, with its slash */
  constructor(data, store, folder) {
    Object.assign(this, { data, store, folder });
    this.rows = data.rows;
    this.structures = data.structures;
    this.rows.forEach((row, rank) => { row.rank = rank; });
    this.past = [];
    this.details = new Map();
    this.#facts();
    store.onchange(() => this.#facts());
  }

  key(row, s) {
    const { genus, round } = this.data;
    return keyOf({ genus, round, specimen: row.name, structure: this.structures[s].name, sha256: row.sha256 });
  }

  /** What people made, of all rounds, by specimen, structure and photograph: the last of each. */
  #facts() {
    this.facts = new Map();
    for (const r of this.store.verdicts()) {
      if (r.genus !== this.data.genus || !fact(r)) continue;
      const key = JSON.stringify([r.specimen, r.structure, r.sha256]);
      if (!(this.facts.get(key)?.at >= r.at)) this.facts.set(key, r);
    }
  }

  /**
   * {verdict, record, fact: of what a person made, old: the mask changed since, round: if another one's, given: to the
   * workflow} or null.
   */
  verdict(row, s) {
    const made = this.facts.get(JSON.stringify([row.name, this.structures[s].name, row.sha256]));
    const record = made ?? this.store.latest(this.key(row, s));
    const given = row.marks[s]?.given;
    if (record && !record.verdict) return null; // taken back
    const old = !made && record && OF_THE_MASK.has(record.verdict) && record.judged !== (row.marks[s]?.print ?? "");
    if (!record || (old && given)) return given ? { verdict: given, record: null, fact: false, old: false, round: "", given: true } : null;
    const round = made && record.round !== this.data.round ? record.round : "";
    return { verdict: record.verdict, record, fact: Boolean(made), old, round, given: this.store.isGiven(record) };
  }

  can(row) {
    return Boolean(row.sha256);
  }

  /** The structures of a specimen that need a look: those that the model outlined, or all where nothing is. */
  open(row) {
    const all = this.structures.map((_, s) => s);
    return this.data.annotate ? all : all.filter((s) => row.marks[s] && !row.marks[s].hand && !row.marks[s].unknown);
  }

  looked(row) {
    const open = this.open(row);
    return open.length > 0 && open.every((s) => {
      const found = this.verdict(row, s);
      return found && !found.old;
    });
  }

  progress() {
    const judged = this.rows.filter((row) => this.can(row) && this.open(row).length);
    return { looked: judged.filter((row) => this.looked(row)).length, all: judged.length };
  }

  /**
   * Give a verdict. `counts` is the mask, as stored on disk, that belongs to it. What is said of a mask that a person
   * made keeps that mask, and holds in every round. Gives the record.
   */
  async judge(row, s, verdict, counts = "") {
    const key = this.key(row, s);
    const before = this.store.latest(key) ?? null;
    const made = this.verdict(row, s);
    let source = FACTS.has(verdict) ? "corrected" : "predicted";
    if (made?.fact && source === "predicted") {
      ({ counts } = made.record);
      source = "corrected";
      if (verdict === "accepted") verdict = FACTS.has(made.verdict) ? made.verdict : lengths(counts).length > 1 ? "corrected" : "absent";
    }
    const record = {
      key, source, genus: this.data.genus, round: this.data.round, specimen: row.name, structure: this.structures[s].name,
      sha256: row.sha256, file_name: row.file_name, width: row.width, height: row.height,
      verdict, counts, judged: row.marks[s]?.print ?? "", by: name(), at: this.store.now(before, made?.record),
    };
    this.past.push({ row, s, before, key });
    await this.store.put([record]);
    return record;
  }

  /** Take the last verdict of this tab back; gives what it was about, or null. */
  async undo() {
    const last = this.past.pop();
    if (!last) return null;
    const now = this.store.records.get(last.key);
    const empty = { ...now, verdict: null, counts: "" };
    await this.store.put([{ ...(last.before ?? empty), at: this.store.now(now) }]);
    return last;
  }

  /** Outlines and masks of a specimen: {paths: [d], masks: [counts]} by structure; an Error if they are others by now. */
  async detail(row) {
    const found = await this.#read(row, this.folder);
    const same = found.name === row.name && found.prints.every((print, s) => print === (row.marks[s]?.print ?? null));
    if (!same) throw new Error("The workflow made this page again since you opened it: reload it");
    return found;
  }

  /** The same of the earlier round; its page lies in the next folder and numbers the same specimens alike. */
  async before(row) {
    const found = await this.#read(row, `../${encodeURIComponent(this.data.before)}/${this.folder}`);
    if (found.name !== row.name) throw new Error(`the page of round ${this.data.before} is of other specimens`);
    return found;
  }

  #read(row, folder) {
    const address = `${folder}specimens/${numbered(row)}.js`;
    if (!this.details.has(address)) {
      this.details.set(address, load(address, `s${row.id}`));
      if (this.details.size > KEPT) this.details.delete(this.details.keys().next().value);
    }
    return this.details.get(address);
  }

  picture(row) {
    return `${this.folder}pictures/${numbered(row)}.jpg`;
  }

  ///// filter and order /////

  chosen({ structure, show, sort, find, verdict }) {
    const s = structure ? Number(structure) - 1 : -1;
    const wanted = find.trim().toLowerCase();
    const rows = this.rows.filter(
      (row) => (!wanted || row.name.toLowerCase().includes(wanted)) && this.#shown(row, s, show) && this.#judged(row, s, verdict),
    );
    if (sort === "name") {
      const { compare } = new Intl.Collator("en", { numeric: true });
      rows.sort((a, b) => compare(a.name, b.name));
    } else if (sort || s >= 0) {
      const value = {
        iou: (row) => this.#iou(row, s),
        next: (row) => row.next?.rank,
        change: (row) => least(this.#marks(row, s).map((m) => m.change?.overlap)),
      }[sort] ?? ((row) => this.#score(row, s));
      const values = new Map(rows.map((row) => [row, value(row) ?? Infinity]));
      rows.sort((a, b) => values.get(a) - values.get(b) || a.rank - b.rank);
    }
    return rows;
  }

  #marks(row, s) {
    return (s < 0 ? row.marks : [row.marks[s]]).filter(Boolean);
  }

  #score(row, s) {
    return least(this.#marks(row, s).map((m) => (m.hand ? undefined : m.score)));
  }

  #iou(row, s) {
    return least(this.#marks(row, s).map((m) => m.iou));
  }

  #shown(row, s, show) {
    if (!show) return true;
    if (show.startsWith("iou")) return (this.#iou(row, s) ?? Infinity) < Number(show.slice(3)) / 100;
    if (show === "=problem") return Boolean(row.problem);
    if (show.startsWith("=")) return this.data.groups[row.group].name === show.slice(1);
    return this.#marks(row, s).some((mark) => {
      if (show === "by_hand") return mark.hand;
      const flags = [mark.state, mark.low && "low", mark.doubts && "doubtful", ...(mark.flags ?? [])].filter(Boolean);
      return !mark.hand && (show === "any" ? flags.length > 0 : flags.includes(show));
    });
  }

  #judged(row, s, wanted) {
    if (!wanted) return true;
    if (wanted === "looked") return this.looked(row);
    const structures = s < 0 ? this.structures.map((_, i) => i) : [s];
    if (wanted === "unlooked") {
      if (s < 0) return this.can(row) && this.open(row).length > 0 && !this.looked(row);
      return this.open(row).includes(s) && !this.verdict(row, s);
    }
    return structures.some((i) => {
      const found = this.verdict(row, i);
      return found && (wanted === "old" ? found.old : found.verdict === wanted);
    });
  }

  ///// files /////

  /** Verdicts on the photographs that are here: a browser also keeps those on others, also of other projects. */
  export() {
    const every = this.store.verdicts().filter((r) => r.genus === this.data.genus);
    const hashes = this.#hashes();
    const here = (r) => (hashes.has(r.specimen) ? (hashes.get(r.specimen) ?? r.sha256) === r.sha256 : !this.data.whole);
    const records = every.filter(here);
    const blob = exported(records, this.structures, new Date().toISOString());
    return { blob, number: records.length, others: every.length - records.length };
  }

  #hashes() {
    const own = this.rows.filter((row) => !row.outside);
    const found = new Map(own.map((row) => [row.name, row.sha256]));
    for (const row of own) if (row.sha256) found.set(row.name, row.sha256); // not that of a duplicate, which has none
    return found;
  }

  /** Take a file back; gives a sentence. */
  async import(text) {
    const records = imported(text);
    const hashes = this.#hashes();
    const own = records.filter((r) => r.genus === this.data.genus);
    const other = own.filter((r) => (hashes.get(r.specimen) ?? r.sha256) !== r.sha256).length;
    const gone = this.data.whole ? own.filter((r) => !hashes.has(r.specimen)).length : 0;
    const taken = await this.store.put(records);
    let said = `${taken} of ${records.length} verdicts imported`;
    if (taken < records.length) said += "; for the others this browser has the same or later ones";
    if (own.length < records.length) said += `; ${records.length - own.length} are of other genera`;
    if (other) said += `; ${other} are of a photograph that has changed since and are not shown here`;
    if (gone) said += `; of specimens that are not here: ${gone}`;
    return `${said}.`;
  }
}

const numbered = ({ id }) => `${String(Math.floor(id / 1000)).padStart(3, "0")}/${String(id).padStart(6, "0")}`;

function least(values) {
  const known = values.filter((value) => value !== undefined);
  return known.length ? Math.min(...known) : null;
}

const NAME = "sam2pal-name";

/** Who judges, as they typed it; empty if they did not. */
export function name(value) {
  try {
    if (value !== undefined) localStorage.setItem(NAME, value);
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}
