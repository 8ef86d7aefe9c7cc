// Outlines of masks that can be moved: of all corners of the pixels some are vertices to take hold of.
// A stretch between two vertices keeps its corners until one of the two is moved, so that the rest of an
// outline stays as it was, pixel for pixel.

/** Closed rings of corners [{x, y}] around all pieces and holes; filled even-odd they give the mask again. */
export function trace(mask) {
  const { box } = mask.measure();
  if (!box) return [];
  const [left, top, right, bottom] = box;
  const next = new Map();
  const stride = mask.height + 1;
  const edge = (x0, y0, x1, y1) => {
    const from = x0 * stride + y0;
    const ends = next.get(from);
    if (ends) ends.push(x1 * stride + y1);
    else next.set(from, [x1 * stride + y1]);
  };
  for (let x = left; x < right; x++) {
    for (let y = top; y < bottom; y++) {
      if (!mask.at(x, y)) continue;
      if (!mask.at(x, y - 1)) edge(x, y, x + 1, y);
      if (!mask.at(x + 1, y)) edge(x + 1, y, x + 1, y + 1);
      if (!mask.at(x, y + 1)) edge(x + 1, y + 1, x, y + 1);
      if (!mask.at(x - 1, y)) edge(x, y + 1, x, y);
    }
  }
  const rings = [];
  for (const start of next.keys()) {
    while (next.has(start)) {
      const ring = [];
      let at = start;
      do {
        ring.push({ x: Math.floor(at / stride), y: at % stride });
        const ends = next.get(at);
        const to = ends.pop();
        if (!ends.length) next.delete(at);
        at = to;
      } while (at !== start);
      rings.push(corners(ring));
    }
  }
  return rings;
}

function corners(ring) {
  return ring.filter((p, i) => {
    const before = ring.at(i - 1), after = ring[(i + 1) % ring.length];
    return (before.x === p.x) !== (p.x === after.x);
  });
}

/** Mark the corners that a line within `tolerance` pixels of the ring needs (Douglas and Peucker). */
export function choose(ring, tolerance) {
  const n = ring.length;
  let far = 0;
  ring.forEach((p, i) => { if (distance(p, ring[0]) > distance(ring[far], ring[0])) far = i; });
  const kept = new Set([0, far]);
  const open = [[0, far], [far, n]];
  while (open.length) {
    const [start, end] = open.pop();
    let worst = -1, most = kept.size < 3 ? 0 : tolerance;
    for (let i = start + 1; i < end; i++) {
      const away = from(ring[i], ring[start], ring[end % n]);
      if (away > most) [worst, most] = [i, away];
    }
    if (worst < 0) continue;
    kept.add(worst);
    open.push([start, worst], [worst, end]);
  }
  ring.forEach((p, i) => { p.vertex = kept.has(i); });
  return ring;
}

const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

function from(p, a, b) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const squared = dx * dx + dy * dy;
  const t = squared ? Math.min(1, Math.max(0, ((p.x - a.x) * dx + (p.y - a.y) * dy) / squared)) : 0;
  return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/** The rings of one mask, with what can be done to their vertices. */
export class Outline {
  constructor(mask) {
    const { box } = mask.measure();
    const size = box ? Math.hypot(box[2] - box[0], box[3] - box[1]) : 0;
    this.rings = trace(mask).map((ring) => choose(ring, Math.max(0.75, size / 150)));
  }

  /** As `Mask.fill` takes them. */
  flat() {
    return this.rings.map((ring) => ring.flatMap((p) => [p.x, p.y]));
  }

  vertices() {
    return this.rings.flatMap((ring) => ring.filter((p) => p.vertex));
  }

  /** The vertex nearest to a point, not farther than `reach`. */
  nearest(x, y, reach) {
    let best = null;
    for (const p of this.vertices()) {
      const away = Math.hypot(p.x - x, p.y - y);
      if (away <= reach) [best, reach] = [p, away];
    }
    return best;
  }

  move(vertex, x, y) {
    this.#straighten(vertex);
    vertex.x = x;
    vertex.y = y;
  }

  /** Make a vertex of the point of the outline nearest to (x, y), not farther than `reach`; null if none is. */
  add(x, y, reach) {
    let best = null;
    for (const ring of this.rings) {
      ring.forEach((a, i) => {
        const b = ring[(i + 1) % ring.length];
        const away = from({ x, y }, a, b);
        if (away <= reach) [best, reach] = [{ ring, i, a, b }, away];
      });
    }
    if (!best) return null;
    const { ring, i, a, b } = best;
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const t = Math.min(1, Math.max(0, ((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy)));
    const added = { x: a.x + t * dx, y: a.y + t * dy, vertex: true };
    ring.splice(i + 1, 0, added);
    return added;
  }

  /** Remove a vertex; a ring of fewer than three goes as a whole. */
  remove(vertex) {
    const ring = this.#straighten(vertex);
    ring.splice(ring.indexOf(vertex), 1);
    if (ring.filter((p) => p.vertex).length < 3) this.rings.splice(this.rings.indexOf(ring), 1);
  }

  #straighten(vertex) {
    const ring = this.rings.find((points) => points.includes(vertex));
    for (const step of [1, -1]) {
      for (;;) {
        const n = ring.length;
        const other = ring[(ring.indexOf(vertex) + step + n) % n];
        if (other.vertex) break;
        ring.splice(ring.indexOf(other), 1);
      }
    }
    return ring;
  }
}
