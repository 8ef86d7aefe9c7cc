// The specimens of a genus and round with the verdicts on them: what is shown, in which order, and how far one is.

import { exported, imported } from "./corrections.js";
import { counted, folded, load } from "./dom.js";
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
    this.named = new Map(this.rows.filter((row) => this.can(row)).map((row) => [row.name, row]));
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
    this.#replaced();
  }

  /**
   * What the workflow was given and no longer holds, as it was taken back or judged anew. Where it was a mask that a person
   * made, what was predicted comes back in its place: `told` keeps what the page was made with.
   */
  #replaced() {
    this.gone = new Set();
    const said = (r) => JSON.stringify([r.specimen, r.structure, r.verdict]);
    const holds = (r) => this.store.latest(r.key).verdict === r.verdict;
    for (const row of this.rows) if (row.told) [row.marks, row.told] = [row.told, null];
    for (const r of this.store.given.values()) {
      if (holds(r)) continue;
      this.gone.add(said(r));
      const [row, s] = [this.named.get(r.specimen), this.structures.findIndex(({ name: own }) => own === r.structure)];
      if (!fact(r) || row?.marks[s]?.hand !== "corrected" || this.facts.has(JSON.stringify([r.specimen, r.structure, r.sha256]))) continue;
      row.told ??= row.marks;
      const instead = row.marks[s].predicted ?? { unknown: true, back: true };
      row.marks = row.marks.map((mark, i) => (i === s ? instead : mark));
    }
    // the same may have been said in another round
    if (this.gone.size) for (const r of this.store.given.values()) if (holds(r)) this.gone.delete(said(r));
  }

  /**
   * {verdict, record, fact: of what a person made, old: the mask changed since, round: if another one's, given: to the
   * workflow} or null.
   */
  verdict(row, s) {
    const made = this.facts.get(JSON.stringify([row.name, this.structures[s].name, row.sha256]));
    const record = made ?? this.store.latest(this.key(row, s));
    let given = row.marks[s]?.given;
    if (given && this.gone.has(JSON.stringify([row.name, this.structures[s].name, given]))) given = undefined;
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

  /** Why a specimen is where it is in the list; before any round, how far it is outlined. */
  title(row) {
    const { name: group, title } = this.data.groups[row.group];
    const done = this.structures.filter((_, s) => this.verdict(row, s)).length;
    if (!this.data.annotate || group !== "nothing" || !done) return title;
    return `${done} of ${counted(this.structures.length, "structure")} done`;
  }

  looked(row) {
    const open = this.open(row);
    return open.length > 0 && open.every((s) => this.settled(row, s));
  }

  /** Whether a verdict is on the mask as it is now. */
  settled(row, s) {
    const found = this.verdict(row, s);
    return Boolean(found) && !found.old;
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
    this.past.push({ row, s, replaced: [[key, before]] });
    await this.store.put([record]);
    return record;
  }

  /** Take the verdict that is shown back, in whatever session or round it was given. Gives the records that held it. */
  async takeBack(row, s) {
    const [found, own] = [this.verdict(row, s), this.key(row, s)];
    const held = this.store.verdicts().filter((r) => keyOf({ ...r, round: this.data.round }) === own
      && (found?.fact ? fact(r) : r.key === own || (!found?.record && r.verdict === found?.verdict)));
    this.past.push({ row, s, replaced: held.map((r) => [r.key, r]) });
    await this.store.put(held.map((r) => empty(r, this.store.now(r))));
    return held;
  }

  /** Let the last `n` verdicts be undone at once. */
  together(n) {
    if (n < 2) return;
    const all = this.past.splice(-n);
    this.past.push({ ...all[0], replaced: all.flatMap(({ replaced }) => replaced) });
  }

  /** Undo what this tab did last; gives what it was about, or null. */
  async undo() {
    const last = this.past.pop();
    if (!last) return null;
    await this.store.put(last.replaced.map(([key, before]) => {
      const now = this.store.records.get(key);
      return before ? { ...before, at: this.store.now(now) } : empty(now, this.store.now(now));
    }));
    return last;
  }

  /** Outlines and masks of a specimen: {paths: [d], masks: [counts]} by structure; an Error if they are others by now. */
  async detail(row) {
    const found = await this.#read(row, this.folder);
    const told = row.told ?? row.marks;
    const same = found.name === row.name && found.prints.every((print, s) => print === (told[s]?.print ?? null));
    if (!same) throw new Error("The workflow made this page again since you opened it: reload it");
    const predicted = (list, of) => list.map((own, s) => (row.marks[s] === told[s] ? own : (found.predicted[s]?.[of] ?? null)));
    return { ...found, paths: predicted(found.paths, "path"), masks: predicted(found.masks, "counts") };
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
    const wanted = folded(find.trim());
    const rows = this.rows.filter(
      (row) => (!wanted || folded(row.name).includes(wanted)) && this.#shown(row, s, show) && this.#judged(row, s, verdict),
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
      return this.open(row).includes(s) && !this.settled(row, s);
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

/** A record that was taken back. */
const empty = (record, at) => ({ ...record, verdict: null, counts: "", at });

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
