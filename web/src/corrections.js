// corrections.json, as docs/corrections.md describes it.

import { lengths } from "./mask.js";
import { fact, keyOf } from "./store.js";

export const VERDICTS = {
  accepted: { title: "accepted", sign: "✓", key: "a", verb: "Accept" },
  rejected: { title: "rejected", sign: "✕", key: "r", verb: "Reject" },
  absent: { title: "absent", sign: "∅", key: "n", verb: "Absent" },
  hidden: { title: "hidden", sign: "◐", key: "h", verb: "Hidden" },
  outside: { title: "outside", sign: "⇥", key: "b", verb: "Outside the photograph" },
  wrong_specimen: { title: "wrong specimen", sign: "⇄", key: "w", verb: "Wrong specimen" },
  needs_correction: { title: "needs correction", sign: "✎", key: "c", verb: "Needs correction" },
  corrected: { title: "corrected", sign: "●", key: "", verb: "" },
};
const DESCRIPTION = "SAM2-PAL corrections";

/** Area and box [left, top, width, height] of a mask, from its runs. */
function measure(counts, height) {
  let place = 0, area = 0, left = Infinity, right = 0, top = Infinity, bottom = 0;
  lengths(counts).forEach((length, i) => {
    if (i % 2 && length) {
      const [first, last] = [place, place + length - 1];
      const whole = Math.floor(first / height) !== Math.floor(last / height);
      area += length;
      left = Math.min(left, Math.floor(first / height));
      right = Math.max(right, Math.floor(last / height) + 1);
      top = whole ? 0 : Math.min(top, first % height);
      bottom = whole ? height : Math.max(bottom, (last % height) + 1);
    }
    place += length;
  });
  return { area, bbox: area ? [left, top, right - left, bottom - top] : [0, 0, 0, 0] };
}

/** Of a specimen's records of one structure that are facts, in several rounds, only the last. */
function current(records) {
  const last = new Map();
  const of = (r) => JSON.stringify([r.genus, r.specimen, r.structure]);
  for (const r of records) {
    if (fact(r) && !(last.get(of(r))?.at >= r.at)) last.set(of(r), r);
  }
  return records.filter((r) => !fact(r) || last.get(of(r)) === r);
}

/**
 * The file as a Blob.
 * @param records with a verdict; of two photographs of one specimen those of the photograph judged last are taken
 * @param structures [{name, parent}]: the categories, before others that the records name
 */
export function exported(records, structures, date) {
  const latest = new Map();
  const specimen = (r) => JSON.stringify([r.genus, r.specimen]);
  for (const r of records) {
    const there = latest.get(specimen(r));
    if (!there || there.at < r.at) latest.set(specimen(r), r);
  }
  const kept = current(records.filter((r) => latest.get(specimen(r)).sha256 === r.sha256));
  kept.sort((a, b) => (a.key < b.key ? -1 : 1));
  const categories = structures.map(({ name, parent }, i) => ({ id: i + 1, name, supercategory: parent || "" }));
  const numbers = new Map(categories.map(({ name, id }) => [name, id]));
  const images = new Map();
  const annotations = kept.map((r, i) => {
    if (!numbers.has(r.structure)) {
      numbers.set(r.structure, categories.length + 1);
      categories.push({ id: categories.length + 1, name: r.structure, supercategory: "" });
    }
    if (!images.has(specimen(r))) {
      const { file_name, width, height, sha256, genus } = r;
      images.set(specimen(r), { id: images.size + 1, file_name, width, height, sha256, specimen: r.specimen, genus });
    }
    const annotation = {
      id: i + 1,
      image_id: images.get(specimen(r)).id,
      category_id: numbers.get(r.structure),
      round: r.round,
      verdict: r.verdict,
      source: fact(r) ? "corrected" : "predicted",
      segmentation: r.counts ? { size: [r.height, r.width], counts: r.counts } : [],
      ...(r.counts ? measure(r.counts, r.height) : {}),
      iscrowd: 0,
      judged: r.judged,
    };
    for (const key of ["by", "at"]) if (r[key]) annotation[key] = r[key];
    return annotation;
  });
  const lines = (list) => list.map((entry) => JSON.stringify(entry)).join(",\n");
  const info = { description: DESCRIPTION, version: 1, orientation: "stored", date_created: date };
  return new Blob(
    [`{"info": ${JSON.stringify(info)},\n"images": [\n`, lines([...images.values()]), `\n],\n"categories": [\n`,
      lines(categories), `\n],\n"annotations": [\n`, lines(annotations), `\n]}\n`],
    { type: "application/json" },
  );
}

/** The records of a file that `exported` wrote. Throws an Error whose message is for the person. */
export function imported(text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new Error(`this is not JSON (${error.message})`);
  }
  if (data?.info?.description !== DESCRIPTION || !Array.isArray(data.annotations) || !Array.isArray(data.images)) {
    throw new Error("this is not a corrections.json that a review page exported");
  }
  if (data.info.version !== 1) throw new Error(`its version is ${data.info.version}, this page reads version 1`);
  const images = new Map(data.images.map((image) => [image.id, image]));
  const names = new Map(data.categories.map((category) => [category.id, category.name]));
  return data.annotations.map((a) => {
    const image = images.get(a.image_id);
    const structure = names.get(a.category_id);
    const known = image && structure && a.verdict in VERDICTS;
    const texts = known && [image.genus, image.specimen, image.sha256, image.file_name, a.round, structure];
    if (!known || !texts.every((value) => typeof value === "string")) {
      throw new Error(`annotation ${a.id} lacks its specimen, structure, round or verdict`);
    }
    if (Array.isArray(a.segmentation) && a.segmentation.length) {
      throw new Error(`annotation ${a.id} has polygons; only masks as the page writes them can be read here`);
    }
    const { genus, specimen, sha256, file_name, width, height } = image;
    const record = {
      genus, round: a.round, specimen, structure, sha256, file_name, width, height,
      verdict: a.verdict, source: a.source, judged: String(a.judged ?? ""), by: String(a.by ?? ""), at: instant(a.at ?? data.info.date_created, a.id),
      counts: typeof a.segmentation?.counts === "string" ? a.segmentation.counts : "",
    };
    return { ...record, key: keyOf(record) };
  });
}

/** A time of a file, without a zone in UTC. */
function instant(text, id) {
  const date = new Date(/[T ][^Z+-]*$/i.test(text) ? `${text}Z` : text);
  if (Number.isNaN(date.getTime())) throw new Error(`annotation ${id} has the time '${text}'; expected ISO 8601`);
  return date.toISOString();
}
