// Plotly's own figure widget, made safe to take away.
//
// Its view listens to the model by what `initialize` was given, and nobody takes these listeners off when
// the view goes (anywidget does so only for the model that `render` was given). The next update then
// draws on a purged element: "Error setting state: Cannot read properties of undefined (reading 'length')".
// Here they go with their view. What the page knows by itself (defaults, sizes) it keeps: sent back after
// each drawing, it would keep the kernel busy, and the kernel has no use for it.

const SPARE = /^_js2py_/;

async function load(code) {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try {
    return (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

function passing(model, listened) {
  return {
    get: (name) => model.get(name),
    set: (name, value) => SPARE.test(name) || model.set(name, value),
    save_changes: () => {},
    on: (name, call) => {
      listened(name, call);
      model.on(name, call);
    },
  };
}

function fill(el, height) {
  // Without them it never gets narrower, and its height follows the drawing.
  Object.assign(el.style, { width: "100%", minWidth: 0, overflow: "hidden", height: `${height}px` });
  let width = 0;
  const watch = new ResizeObserver(() => {
    if (el.clientWidth && el.clientWidth !== width) {
      width = el.clientWidth;
      window.dispatchEvent(new Event("resize")); // what plotly's `responsive` waits for
    }
  });
  watch.observe(el);
  return () => watch.disconnect();
}

export default () => {
  let kept, figure, heard;
  const ready = async () => {
    globalThis.labkitPlotly ??= load(kept.get("_plotly")); // once for all figures of the page
    const made = (await globalThis.labkitPlotly)();
    made.initialize({ model: passing(kept, (...pair) => heard?.push(pair)) });
    return made;
  };
  return {
    initialize({ model }) {
      kept = model;
    },
    async render({ model, el }) {
      figure ??= ready(); // not in `initialize`: that must end within two seconds
      const drawn = await figure;
      const unwatch = fill(el, kept.get("_widget_layout").height ?? 360);
      const mine = (heard = []);
      const end = drawn.render({ model, el });
      heard = undefined;
      model.send({ shown: true });
      return () => {
        mine.forEach(([name, call]) => kept.off(name, call));
        unwatch();
        end();
      };
    },
  };
};
