// The split as it happens: each answer falls into the column of who answered; a bar is its share of all
// requests, a white mark its weight. Beneath, second by second: weights against shares, errors, times.
//
// It is told piece by piece, says when a piece is drawn, and is told no more before that.

const GUTTER = 34, FALL = 156, ROOM = 34, STRIP = 112, LANE = 24; // pixels; ROOM: above the bars, to fall
const FALLS = 650, EASE = 0.5, FRAME = 72; // milliseconds; part of the way a frame
const REST = 600; // milliseconds between two pieces
const still = matchMedia("(prefers-reduced-motion: reduce)");

const make = (parent, tag, name, text = "") => {
  const made = parent.appendChild(document.createElement(tag));
  made.className = name;
  made.textContent = text;
  return made;
};
const write = (node, text) => node.textContent === text || (node.textContent = text);
const percent = (share) => `${share > 0 && share < 10 ? share.toFixed(1) : Math.round(share)} %`;

// ------------------------------------------------------------------------------- what is known

function blank() {
  return { columns: [], bars: [], total: 0, seconds: new Map(), changes: [], dots: [], at: 0, window: 30 };
}

function learn(known, piece, now) {
  if (piece.whole) Object.assign(known, blank(), { heights: known.heights ?? [] });
  const { seconds, dots, ...rest } = piece;
  Object.assign(known, rest);
  for (const [at, ...row] of seconds) known.seconds.set(at, row);
  for (const at of known.seconds.keys()) if (at < known.at - known.window - 2) known.seconds.delete(at);
  const first = Math.min(...dots.map(([, at]) => at)), span = Math.max(...dots.map(([, at]) => at)) - first;
  const spread = Math.min(1, REST / (1000 * span || 1)); // a burst is spread until the next piece comes
  for (const [column, at, tells] of dots)
    known.dots.push({ column, tells, from: now + 1000 * (at - first) * spread, lean: Math.random() - 0.5 });
  known.dots = known.dots.filter((dot) => still.matches || dot.from > now - FALLS).slice(-300);
}

// Columns behind those of the destinations appear with what is in them.
const inUse = (known) =>
  known.columns.map((column, i) => i).filter((i) => i <= known.destinations || known.bars[i]?.[0] > 0);

// ------------------------------------------------------------------------------------- drawing

function pen(canvas, height) {
  const width = canvas.clientWidth, ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  const ink = canvas.getContext("2d");
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, width, height);
  ink.font = "11px sans-serif";
  return [ink, width];
}

function grid(ink, width, colours, top, height, marks) {
  ink.strokeStyle = colours.faint;
  ink.fillStyle = colours.ink;
  ink.lineWidth = 1;
  ink.textAlign = "right";
  ink.textBaseline = "middle";
  for (const mark of marks) {
    const y = Math.round(top + height * (1 - mark / 100)) + 0.5;
    ink.beginPath();
    ink.moveTo(GUTTER, y);
    ink.lineTo(width, y);
    ink.stroke();
    ink.fillText(String(mark), GUTTER - 6, y);
  }
}

function line(ink, points, colour, width, dash = []) {
  ink.strokeStyle = colour;
  ink.lineWidth = width;
  ink.setLineDash(dash);
  ink.beginPath();
  let begun = false; // null is a gap
  for (const point of points) {
    if (point) begun ? ink.lineTo(...point) : ink.moveTo(...point);
    begun = point !== null;
  }
  ink.stroke();
  ink.setLineDash([]);
}

function diamond(ink, x, y, colour) {
  ink.beginPath();
  ink.moveTo(x, y - 6);
  ink.lineTo(x + 6, y);
  ink.lineTo(x, y + 6);
  ink.lineTo(x - 6, y);
  ink.closePath();
  ink.fillStyle = "white";
  ink.fill();
  line(ink, [[x, y - 6], [x + 6, y], [x, y + 6], [x - 6, y], [x, y - 6]], colour, 1.5);
}

function dot(ink, x, y, colour, tells, error) {
  ink.fillStyle = colour;
  ink.beginPath();
  ink.arc(x, y, 3.2, 0, 7);
  ink.fill();
  if (tells) {
    line(ink, [[x - 4, y - 4], [x + 4, y + 4]], error, 1.6);
    line(ink, [[x + 4, y - 4], [x - 4, y + 4]], error, 1.6);
  }
}

// Bars on their way to their heights, dots on theirs; whether anything still moves.
function drawFall(canvas, known, colours, now) {
  const [ink, width] = pen(canvas, FALL), top = ROOM, height = FALL - top - 4, used = inUse(known);
  const step = (width - GUTTER) / used.length, thick = Math.min(0.56 * step, 120);
  const yOf = (share) => top + height * (1 - share / 100);
  let moves = false;
  grid(ink, width, colours, top, height, [0, 50, 100]);
  used.forEach((column, place) => {
    const x = GUTTER + step * (place + 0.5), [, share, low, high, weight] = known.bars[column];
    const before = known.heights[column] ?? 0, near = Math.abs(share - before) < 0.3 || still.matches;
    const shown = (known.heights[column] = near ? share : before + EASE * (share - before));
    moves ||= !near;
    ink.fillStyle = known.columns[column].colour;
    ink.fillRect(x - thick / 2, yOf(shown), thick, yOf(0) - yOf(shown));
    if (known.total && (weight !== null || share)) {
      const [upper, lower] = [yOf(high), yOf(low)], at = x + thick / 4;
      line(ink, [[at - 4, upper], [at + 4, upper], [at, upper], [at, lower], [at - 4, lower], [at + 4, lower]], colours.ink, 1.2);
    }
    if (weight !== null) diamond(ink, x, yOf(weight), colours.edge);
  });
  const rows = used.map(() => 0);
  for (const one of known.dots) {
    const place = used.indexOf(one.column), age = (now - one.from) / FALLS;
    if (place < 0 || (!still.matches && (age < 0 || age > 1))) continue;
    const colour = known.columns[one.column].colour, centre = GUTTER + step * (place + 0.5);
    if (still.matches) { // no motion: the newest ones lie in rows
      const nth = rows[place]++;
      if (nth < 36) dot(ink, centre + 9 * ((nth % 12) - 5.5), 6 + 9 * Math.floor(nth / 12), colour, one.tells, colours.error);
      continue;
    }
    const end = yOf(known.heights[one.column] ?? 0), x = centre + 0.8 * thick * one.lean;
    dot(ink, x, 4 + (end - 4) * age * age, colour, one.tells, colours.error);
  }
  return moves || (!still.matches && known.dots.some((one) => now < one.from + FALLS));
}

function drawStrip(canvas, known, colours) {
  const [ink, width] = pen(canvas, STRIP), high = STRIP - LANE - 10;
  const begin = known.at - known.window, xOf = (at) => GUTTER + ((width - GUTTER) * (at - begin)) / known.window;
  const yOf = (share) => 5 + high * (1 - share / 100), rows = [...known.seconds].sort((a, b) => a[0] - b[0]);
  grid(ink, width, colours, 5, high, [0, 50, 100]);
  ink.save();
  ink.beginPath();
  ink.rect(GUTTER, 0, width - GUTTER, STRIP);
  ink.clip();
  known.changes.slice(1).forEach(([at]) => line(ink, [[xOf(at), 0], [xOf(at), STRIP]], colours.ink, 1, [1, 3]));
  for (let i = 0; i < known.destinations; i++) {
    const colour = known.columns[i].colour, steps = [];
    known.changes.forEach(([at, weights], n) => {
      if (weights[i] === null) return steps.push(null);
      const end = known.changes[n + 1]?.[0] ?? known.at;
      steps.push([xOf(Math.max(at, begin - 1)), yOf(weights[i])], [xOf(Math.max(end, begin - 1)), yOf(weights[i])]);
    });
    line(ink, steps, colour, 1.5, [5, 4]);
    line(ink, rows.filter(([, [total]]) => total).map(([at, [total, , , ...counts]]) => [xOf(at + 0.5), yOf((100 * counts[i]) / total)]), colour, 2);
  }
  const floor = STRIP - 2, slowest = Math.max(1, ...rows.map(([, row]) => row[2] ?? 0));
  for (const [at, [total, errors]] of rows) {
    ink.fillStyle = colours.error;
    const part = errors ? Math.max(3, (LANE * errors) / total) : 0;
    ink.fillRect(xOf(at), floor - part, Math.max(1, xOf(at + 1) - xOf(at) - 1), part);
  }
  line(ink, rows.filter(([, row]) => row[2] !== null).map(([at, row]) => [xOf(at + 0.5), floor - (LANE - 3) * (row[2] / slowest)]), colours.ink, 1.2);
  ink.restore();
}

// --------------------------------------------------------------------------------------- words

function writeHeads(heads, known) {
  const used = inUse(known), narrow = heads.clientWidth / used.length < 150;
  while (heads.children.length > used.length) heads.lastChild.remove();
  used.forEach((column, place) => {
    const { name, colour } = known.columns[column], [count, share, , , weight] = known.bars[column];
    const head = heads.children[place] ?? make(heads, "div", "head");
    if (!head.firstChild) ["name", "share", "count"].forEach((part) => make(head, "span", part));
    const [title, big, small] = head.children;
    if (title.title !== name) {
      title.replaceChildren();
      make(title, "i", "").style.background = colour;
      title.append(name);
      title.title = name;
    }
    write(big, known.total ? percent(share) : "–");
    const seen = !known.total ? known.say("no answer") : narrow ? `${count}` : known.say("{count} of {total}", { count, total: known.total });
    write(small, weight === null ? seen : known.say(narrow ? "{seen} / w. {weight}" : "{seen} · weight {weight}", { seen, weight }));
  });
}

// ipywidgets gives its sliders a role, but no name: each gets one as soon as it stands in the page, whether the
// kernel has said anything yet or not.
function nameSliders(box) {
  for (const handle of box.querySelectorAll(".noUi-handle:not([aria-label])")) {
    const label = handle.closest(".widget-slider")?.querySelector(".widget-label");
    const name = label?.title || label?.textContent;
    if (name) handle.setAttribute("aria-label", name);
  }
}

// Sliders are made after this view or before it, in any order.
function sliderNaming() {
  let box = null;
  const watch = new MutationObserver(() => nameSliders(box));
  const begin = (el) => {
    box = el.closest(".widget-vbox");
    if (!box) return;
    nameSliders(box);
    watch.observe(box, { childList: true, subtree: true, characterData: true });
  };
  return { begin: (el) => box || begin(el), end: () => watch.disconnect() };
}

const KEY = { dash: 'stroke-dasharray="5 3"', line: "", thin: "" };
function legend(parent, colours, say) {
  const key = (how, width, colour) =>
    `<svg viewBox="0 0 18 8" aria-hidden="true"><path d="M0 4H18" stroke="${colour}" stroke-width="${width}" ${KEY[how]}/></svg>`;
  const part = (sign, words) => { const node = make(parent, "span", ""); node.innerHTML = sign; return node.appendChild(document.createTextNode(words)); };
  part(key("dash", 1.5, "currentColor"), say("weight"));
  part(key("line", 2.5, "currentColor"), say("share"));
  const errors = part(key("line", 7, colours.error), ""), times = part(key("thin", 1.2, "currentColor"), "");
  const sent = part("", "");
  return (known) => {
    sent.data = known.sent ?? "";
    const newest = [...known.seconds].filter(([, row]) => row[2] !== null).sort((a, b) => b[0] - a[0])[0];
    errors.data = known.errors ? say("errors: {errors}", { errors: known.errors }) : say("errors: none");
    times.data = say("95 % within {ms} ms", { ms: newest ? Math.round(newest[1][2]) : "…" });
  };
}

// A message in the learner's language, by its English, with values in its {places}.
const speaker = (words) => (english, values = {}) =>
  (words[english] ?? english).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);

export default () => {
  const known = blank(), views = new Set();
  return {
    initialize({ model }) {
      known.say = speaker(model.get("words"));
      const hear = (piece) => {
        if (piece.number === undefined) return;
        learn(known, piece, performance.now());
        views.forEach((view) => view());
      };
      model.on("msg:custom", hear);
      return () => model.off("msg:custom", hear);
    },
    render({ model, el }) {
      el.classList.add("labkit-split");
      const heads = make(el, "div", "heads"), fall = make(el, "canvas", "fall"), words = make(el, "div", "legend");
      const strip = make(el, "canvas", "strip");
      fall.setAttribute("role", "img");
      fall.setAttribute("aria-label", known.say("Bars: the share of each column above, with its 95 % interval; white marks: the weights."));
      strip.setAttribute("role", "img");
      strip.setAttribute("aria-label", known.say("Weights, shares, errors and times of the answers, second by second."));
      const say = (what) => {
        try {
          model.send(what);
        } catch {} // the kernel is gone: the panel says so
      };
      let asked = 0, drawn = 0, frame, tell;
      const draw = (now) => {
        const style = getComputedStyle(el), colours = {
          ink: style.color, faint: style.getPropertyValue("--faint"), error: known.error, edge: "#222",
        };
        const moves = known.columns.length && drawFall(fall, known, colours, now);
        if (known.number && known.number !== drawn) {
          drawn = known.number;
          tell ??= legend(words, colours, known.say);
          writeHeads(heads, known);
          tell(known);
          drawStrip(strip, known, colours);
          say({ drawn });
        }
        if (moves) again();
      };
      // By a clock of its own: a page that asks for every frame of the screen is drawn as often.
      const next = () => { asked = 0; frame = requestAnimationFrame(draw); };
      const again = () => { asked ||= setTimeout(next, FRAME); };
      const names = sliderNaming(); // begun when this stands in the page
      const watch = new ResizeObserver(() => { drawn = 0; names.begin(el); known.number && again(); });
      watch.observe(el);
      const theme = new MutationObserver(() => { drawn = 0; again(); });
      theme.observe(document.body, { attributeFilter: ["data-jp-theme-light", "class"] });
      views.add(again);
      say({ shown: true });
      return () => {
        views.delete(again);
        watch.disconnect();
        names.end();
        theme.disconnect();
        clearTimeout(asked);
        cancelAnimationFrame(frame);
      };
    },
  };
};
