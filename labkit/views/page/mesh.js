// The mesh as it is: each picture takes the place of the last, and the next one comes when it is drawn.
export default {
  render({ model, el }) {
    const picture = el.appendChild(document.createElement("div")), words = el.appendChild(document.createElement("div"));
    words.setAttribute("role", "status");
    words.style.cssText = "color:var(--jp-ui-font-color1,inherit)";
    const say = (what) => {
      try {
        model.send(what);
      } catch {} // the kernel is gone: the view says so
    };
    const hear = (piece) => {
      if (piece.number === undefined) return;
      picture.innerHTML = piece.svg;
      words.textContent = piece.words;
      say({ drawn: piece.number });
    };
    model.on("msg:custom", hear);
    say({ shown: true });
    return () => model.off("msg:custom", hear);
  },
};
