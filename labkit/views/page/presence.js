// Tells the kernel now and then that the view is there, and the learner when the kernel is not.
const PAUSE = 3000; // milliseconds; each sign costs the page more than itself

export default {
  render({ model, el }) {
    const word = (english) => model.get("words")[english] ?? english;
    const beat = () => {
      try {
        model.send({ here: true });
      } catch {
        end(word("The kernel that made this is gone. Run the cell again to go on."));
      }
    };
    const timer = setInterval(beat, PAUSE);
    const end = (words) => {
      clearInterval(timer);
      el.textContent = words;
      el.style.cssText = "padding:4px 0;font-weight:600;color:var(--jp-ui-font-color1,inherit)";
    };
    beat();
    return () => clearInterval(timer);
  },
};
