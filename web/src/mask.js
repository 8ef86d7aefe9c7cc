// Masks as bitmaps of the photograph's size, and COCO's runs of them, both down the columns.

/** Lengths of runs of 0 and 1 in turn from COCO's string: 5 bits a character, bit 6 says that more follow. */
export function lengths(text) {
  const runs = [];
  for (let place = 0; place < text.length; ) {
    let value = 0, shift = 0, code;
    do {
      code = text.charCodeAt(place++) - 48;
      value += (code & 31) * 2 ** shift;
      shift += 5;
    } while (code & 32 && place < text.length);
    if (code & 16) value -= 2 ** shift;
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  return runs;
}

export function compressed(runs) {
  const codes = [];
  for (let i = 0; i < runs.length; i++) {
    let value = i > 2 ? runs[i] - runs[i - 2] : runs[i];
    let more;
    do {
      const code = value & 31;
      value >>= 5;
      more = code & 16 ? value !== -1 : value !== 0;
      codes.push(String.fromCharCode((code | (more ? 32 : 0)) + 48));
    } while (more);
  }
  return codes.join("");
}

export class Mask {
  constructor(width, height, data = new Uint8Array(width * height)) {
    this.width = width;
    this.height = height;
    this.data = data; // pixel of column x and row y: data[x * height + y]
  }

  static of(width, height, counts) {
    const mask = new Mask(width, height);
    let place = 0;
    lengths(counts).forEach((length, i) => {
      if (i % 2) mask.data.fill(1, place, place + length);
      place += length;
    });
    if (place !== width * height) throw new Error("the mask does not fill its photograph");
    return mask;
  }

  /** A mask of fewer pixels, each set if any of the `step` x `step` pixels in it is: what is thin is not lost. */
  static reduced(width, height, counts, step) {
    const mask = new Mask(Math.ceil(width / step), Math.ceil(height / step));
    let place = 0;
    lengths(counts).forEach((length, i) => {
      const end = place + length;
      for (let x = Math.floor(place / height); i % 2 && x * height < end; x++) {
        const [from, to] = [Math.max(place - x * height, 0), Math.min(end - x * height, height)];
        const column = Math.floor(x / step) * mask.height;
        mask.data.fill(1, column + Math.floor(from / step), column + Math.ceil(to / step));
      }
      place = end;
    });
    return mask;
  }

  counts() {
    const { data } = this;
    const runs = [];
    let value = 0, start = 0;
    while (start < data.length) {
      let end = data.indexOf(1 - value, start);
      if (end < 0) end = data.length;
      runs.push(end - start);
      start = end;
      value = 1 - value;
    }
    return compressed(runs);
  }

  copy() {
    return new Mask(this.width, this.height, this.data.slice());
  }

  at(x, y) {
    return x >= 0 && y >= 0 && x < this.width && y < this.height ? this.data[x * this.height + y] : 0;
  }

  /** Pixels, and the box around them [left, top, right, bottom), or null for none. */
  measure() {
    const { width, height, data } = this;
    let area = 0, left = width, right = 0, top = height, bottom = 0;
    for (let x = 0; x < width; x++) {
      const column = data.subarray(x * height, (x + 1) * height);
      const first = column.indexOf(1);
      if (first < 0) continue;
      const last = column.lastIndexOf(1);
      for (let y = first; y <= last; y++) area += column[y];
      left = Math.min(left, x);
      right = x + 1;
      top = Math.min(top, first);
      bottom = Math.max(bottom, last + 1);
    }
    return { area, box: area ? [left, top, right, bottom] : null };
  }

  /** Set the pixels whose centres lie inside of rings [x0, y0, x1, y1, ...], even-odd. */
  fill(rings, value = 1) {
    const crossings = new Map();
    for (const ring of rings) {
      for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
        let [x0, y0, x1, y1] = [ring[j], ring[j + 1], ring[i], ring[i + 1]];
        if (x0 > x1) [x0, y0, x1, y1] = [x1, y1, x0, y0];
        const last = Math.min(this.width - 1, Math.ceil(x1 - 0.5) - 1);
        for (let x = Math.max(0, Math.ceil(x0 - 0.5)); x <= last; x++) {
          const y = y0 + ((x + 0.5 - x0) / (x1 - x0)) * (y1 - y0);
          if (!crossings.has(x)) crossings.set(x, []);
          crossings.get(x).push(y);
        }
      }
    }
    for (const [x, ys] of crossings) {
      ys.sort((a, b) => a - b);
      for (let i = 0; i + 1 < ys.length; i += 2) this.#column(x, ys[i], ys[i + 1], value);
    }
  }

  /** Set the pixels whose centres lie at most `radius` from a straight line between two points. */
  brush(x0, y0, x1, y1, radius, value = 1) {
    const [dx, dy] = [x1 - x0, y1 - y0];
    const squared = dx * dx + dy * dy;
    const first = Math.max(0, Math.floor(Math.min(x0, x1) - radius));
    const last = Math.min(this.width - 1, Math.ceil(Math.max(x0, x1) + radius));
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius));
    const bottom = Math.min(this.height - 1, Math.ceil(Math.max(y0, y1) + radius));
    for (let x = first; x <= last; x++) {
      for (let y = top; y <= bottom; y++) {
        const [px, py] = [x + 0.5 - x0, y + 0.5 - y0];
        const along = squared ? Math.min(1, Math.max(0, (px * dx + py * dy) / squared)) : 0;
        const [ax, ay] = [px - along * dx, py - along * dy];
        if (ax * ax + ay * ay <= radius * radius) this.data[x * this.height + y] = value;
      }
    }
  }

  #column(x, from, to, value) {
    const first = Math.max(0, Math.ceil(from - 0.5));
    const after = Math.min(this.height, Math.ceil(to - 0.5));
    if (after > first) this.data.fill(value, x * this.height + first, x * this.height + after);
  }

  /** From the photograph as stored on disk to upright, by its EXIF orientation. */
  upright(orientation) {
    return this.#turned(orientation);
  }

  /** From upright to as stored: 6 and 8 undo each other, every other orientation itself. */
  stored(orientation) {
    return this.#turned({ 6: 8, 8: 6 }[orientation] ?? orientation);
  }

  #turned(orientation) {
    if (orientation === 1) return this;
    const { width: w, height: h } = this;
    const from = {
      2: (x, y) => [w - 1 - x, y],
      3: (x, y) => [w - 1 - x, h - 1 - y],
      4: (x, y) => [x, h - 1 - y],
      5: (x, y) => [y, x],
      6: (x, y) => [y, h - 1 - x],
      7: (x, y) => [w - 1 - y, h - 1 - x],
      8: (x, y) => [w - 1 - y, x],
    }[orientation];
    const turned = orientation < 5 ? new Mask(w, h) : new Mask(h, w);
    for (let x = 0; x < turned.width; x++) {
      for (let y = 0; y < turned.height; y++) {
        const [a, b] = from(x, y);
        turned.data[x * turned.height + y] = this.data[a * h + b];
      }
    }
    return turned;
  }
}
