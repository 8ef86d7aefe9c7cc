// The boxes of one tray: added, removed, merged, split, moved, and all of that taken back.

export class Boxes {
  /** @param list [{name, box: [left, top, width, height], source, touching}] in pixels of a photograph of width x height */
  constructor(list, width, height) {
    Object.assign(this, { list, width, height });
    this.past = [];
  }

  #change(list, chosen) {
    this.past.push(this.list);
    this.list = list;
    return chosen;
  }

  #drawn(box, name) {
    const left = Math.min(Math.max(box[0], 0), this.width - 1);
    const top = Math.min(Math.max(box[1], 0), this.height - 1);
    const width = Math.max(1, Math.min(box[0] + box[2], this.width) - left);
    const height = Math.max(1, Math.min(box[1] + box[3], this.height) - top);
    const round = (edge) => Math.round(edge * 10) / 10;
    return { name, box: [left, top, width, height].map(round), source: "drawn", touching: false };
  }

  /** Give what is chosen afterwards, as all of the following do. */
  add(box) {
    const one = this.#drawn(box, "");
    return this.#change([...this.list, one], [one]);
  }

  remove(chosen) {
    return this.#change(this.list.filter((one) => !chosen.includes(one)), []);
  }

  /** One box round all that are chosen; it has the name of the largest. */
  merge(chosen) {
    const edge = (f, at) => f(...chosen.map(({ box }) => at(box)));
    const left = edge(Math.min, (box) => box[0]);
    const top = edge(Math.min, (box) => box[1]);
    const right = edge(Math.max, (box) => box[0] + box[2]);
    const bottom = edge(Math.max, (box) => box[1] + box[3]);
    const largest = chosen.reduce((a, b) => (b.box[2] * b.box[3] > a.box[2] * a.box[3] ? b : a));
    const one = this.#drawn([left, top, right - left, bottom - top], largest.name);
    return this.#change([...this.list.filter((other) => !chosen.includes(other)), one], [one]);
  }

  /** Two halves of a box, across its longer side; the first keeps the name. */
  split(one) {
    const [left, top, width, height] = one.box;
    const halves = width > height
      ? [[left, top, width / 2, height], [left + width / 2, top, width / 2, height]]
      : [[left, top, width, height / 2], [left, top + height / 2, width, height / 2]];
    const both = halves.map((box, i) => this.#drawn(box, i ? "" : one.name));
    return this.#change(this.list.flatMap((other) => (other === one ? both : [other])), both);
  }

  move(one, box) {
    const moved = this.#drawn(box, one.name);
    return this.#change(this.list.map((other) => (other === one ? moved : other)), [moved]);
  }

  undo() {
    this.list = this.past.pop() ?? this.list;
    return [];
  }
}

/** COCO as `specimens.json`; trays are [{file, width, height, whole, boxes}]. */
export function coco(trays) {
  const images = trays.map(({ file, width, height, whole }, i) => ({ id: i + 1, file_name: file, width, height, ...(whole && { whole }) }));
  const annotations = trays.flatMap(({ boxes }, i) => boxes.list.map(({ name, box, source, touching }) => (
    { image_id: i + 1, category_id: 1, bbox: box, area: box[2] * box[3], iscrowd: 0, ...(name && { name }), source, touching })));
  annotations.forEach((one, i) => { one.id = i + 1; });
  const info = { description: "specimens of trays; boxes in pixels of the upright photographs" };
  return JSON.stringify({ info, images, categories: [{ id: 1, name: "specimen" }], annotations }, null, 1);
}
