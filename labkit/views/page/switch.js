// A button that starts and pauses. The page turns it at once, however busy the kernel is; where the kernel
// has not followed after a while, it says so.
const PATIENCE = 1000; // milliseconds

const face = (model, late) => {
  const word = (english) => model.get("words")[english] ?? english;
  if (model.get("done")) return ["check", word("Done")];
  const wanted = model.get("wanted");
  if (late && wanted !== model.get("running")) return ["hourglass", wanted ? word("Starting") : word("Pausing")];
  return wanted ? ["pause", word("Pause")] : ["play", word("Start")];
};

export default {
  render({ model, el }) {
    const button = el.appendChild(document.createElement("button")), icon = document.createElement("i");
    button.className = "jupyter-button widget-button mod-primary";
    button.style.minWidth = "6em";
    let waiting;
    const show = (late) => {
      const [sign, words] = face(model, late);
      icon.className = `fa fa-${sign}`;
      button.replaceChildren(icon, words);
      button.disabled = model.get("done");
      clearTimeout(waiting);
      if (!late) waiting = setTimeout(() => show(true), PATIENCE);
    };
    const changed = () => show(false);
    button.onclick = () => {
      model.set("wanted", !model.get("wanted"));
      model.save_changes();
    };
    const traits = ["wanted", "running", "done"].map((name) => `change:${name}`);
    traits.forEach((name) => model.on(name, changed));
    changed();
    return () => {
      clearTimeout(waiting);
      traits.forEach((name) => model.off(name, changed));
    };
  },
};
