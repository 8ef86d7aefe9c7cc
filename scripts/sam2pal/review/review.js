"use strict";
const main = document.querySelector("main");
const cards = [...main.querySelectorAll(".card")];
const headings = [...main.querySelectorAll("h2")];
const original = [...main.children];
const form = document.querySelector(".bar form");
const dialog = document.querySelector("dialog");
const number = (text) => (text ? Number(text) : Infinity);

for (const element of document.querySelectorAll(".js")) element.hidden = false;

// A structure's number, or 0 for the specimen as a whole.
const score = (card, s) => number(s ? card.dataset.scores.split(",")[s - 1] : card.dataset.lowest);
const iou = (card, s) => {
  const all = card.dataset.ious.split(",");
  return s ? number(all[s - 1]) : Math.min(...all.map(number));
};
const has = (card, kind, s) =>
  card.tokens.some((token) => token === kind || (s ? token === `${s}:${kind}` : token.endsWith(`:${kind}`)));

function matches(card, s, show, find) {
  if (find && !card.dataset.name.toLowerCase().includes(find)) return false;
  if (!show) return true;
  if (show.startsWith("iou")) return iou(card, s) < Number(show.slice(3)) / 100;
  return has(card, show, s);
}

function rank(card, s, sort) {
  if (sort === "score") return [score(card, s)];
  if (sort === "iou") return [iou(card, s)];
  if (!s) return [0];
  const drawn = has(card, `by_hand`, s);
  const urgency = drawn ? 4 : has(card, "low", s) ? 0 : has(card, "absent", s) ? 2 : has(card, "any", s) ? 1 : 3;
  return [score(card, s) === Infinity ? 5 : urgency, score(card, s)];
}

function update() {
  const s = Number(form.structure.value);
  const { show, sort } = Object.fromEntries(new FormData(form));
  const find = form.find.value.trim().toLowerCase();
  let shown = 0;
  for (const card of cards) {
    card.hidden = !matches(card, s, show, find);
    shown += !card.hidden;
  }
  const plain = !s && !sort && !show && !find;
  for (const heading of headings) heading.hidden = !plain;
  if (!s && !sort) main.replaceChildren(...original);
  else {
    const byName = new Intl.Collator("en", { numeric: true }).compare;
    const keys = new Map(cards.map((card) => [card, rank(card, s, sort)]));
    const order = (a, b) => {
      if (sort === "name") return byName(a.dataset.name, b.dataset.name);
      const [x, y] = [keys.get(a), keys.get(b)];
      for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i] < y[i] ? -1 : 1;
      return a.dataset.rank - b.dataset.rank;
    };
    main.replaceChildren(...headings, ...[...cards].sort(order));
  }
  document.body.className = document.body.className.replace(/\bonly\d+/g, "");
  if (s) document.body.classList.add(`only${s}`);
  document.body.classList.toggle("plain", !form.outlines.checked);
  form.querySelector("output").textContent =
    plain && shown === cards.length ? "" : `${shown} of the ${cards.length} specimens on this page`;
  const state = new URLSearchParams([...new FormData(form)].filter(([key, value]) => value && key !== "outlines"));
  const hash = state.size ? `#${state}` : "";
  for (const link of document.querySelectorAll(".pages a")) link.hash = hash;
  try {
    if (hash || location.hash.includes("=")) history.replaceState(null, "", hash || location.pathname);
  } catch { /* a browser that refuses it for files on disk */ }
}

for (const card of cards) card.tokens = card.dataset.tokens.split(" ");
if (location.hash.includes("=")) {
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = form.elements[key];
    if (field && key !== "outlines") field.value = value;
  }
}
form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
for (const box of document.querySelectorAll(".legend input")) {
  box.addEventListener("change", () =>
    document.body.classList.toggle(`hide${box.dataset.structure}`, !box.checked));
}

// The enlarged photograph: the file itself where the browser can show it, else the picture.
let current = null;
function enlarge(card) {
  const picture = card.querySelector(".picture");
  const stage = dialog.querySelector(".stage");
  const small = picture.querySelector("img");
  stage.replaceChildren();
  if (small) {
    const image = new Image();
    image.alt = small.alt;
    image.onerror = () => { image.onerror = null; image.src = small.src; };
    image.src = picture.dataset.full || small.src;
    stage.append(image);
  }
  const svg = picture.querySelector("svg").cloneNode(true);
  svg.querySelector("defs").remove();
  stage.append(svg);
  const rest = [...card.children].filter((child) => child !== picture).map((child) => child.cloneNode(true));
  dialog.querySelector(".side").replaceChildren(...rest);
  current = card;
  if (!dialog.open) dialog.showModal();
}
function step(by) {
  const shown = [...main.querySelectorAll(".card:not([hidden])")].filter((card) => card.querySelector(".picture"));
  const next = shown[shown.indexOf(current) + by];
  if (next) enlarge(next);
}
main.addEventListener("click", (event) => {
  const picture = event.target.closest(".picture");
  if (!picture || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  enlarge(picture.closest(".card"));
});
main.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches(".picture:not([href])")) enlarge(event.target.closest(".card"));
});
dialog.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (event.target === dialog || (button && button.value === "0")) dialog.close();
  else if (button) step(Number(button.value));
});
dialog.addEventListener("close", () => current && current.querySelector(".picture").focus());
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input[type=search],select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "o") {
    form.outlines.checked = !form.outlines.checked;
    update();
  } else if (dialog.open && event.key === "ArrowRight") step(1);
  else if (dialog.open && event.key === "ArrowLeft") step(-1);
});
update();
