// Elements from text only: nothing that a file or a label is called becomes markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "dataset") Object.assign(element.dataset, value);
    else if (key === "value" || key === "checked") element[key] = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

/** Two strokes: a dark casing, and the structure's colour and pattern over it. */
export function line(d, { colour, dashes }) {
  return [
    svg("path", { d, class: "casing" }),
    svg("path", { d, class: "line", stroke: colour, "stroke-dasharray": dashes || null }),
  ];
}

export const key = (style) =>
  svg("svg", { class: "key", viewBox: "0 0 28 12", "aria-hidden": "true" }, ...line("M2 6h24", style));

/** Run a script of the results and give what it left in `globalThis.sam2pal`; works from file://. */
export function load(address, name) {
  const left = (globalThis.sam2pal ??= {});
  return new Promise((done, failed) => {
    const script = h("script", { src: address });
    script.onload = () => {
      const value = left[name];
      delete left[name];
      script.remove();
      value === undefined ? failed(new Error(`${address} is damaged`)) : done(value);
    };
    script.onerror = () => {
      script.remove();
      failed(new Error(`${address} is missing; copy the whole folder of the results`));
    };
    document.head.append(script);
  });
}

export function save(name, blob) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** As names are compared when one is looked for: files of a Mac spell an umlaut as two letters. */
export const folded = (text) => text.normalize().toLowerCase();

export const counted = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
