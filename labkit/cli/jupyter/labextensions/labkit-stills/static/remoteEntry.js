// A JupyterLab extension (also for Notebook 7), written as a federated module so that nothing has to be built.
//
// A saved notebook names its widgets by ids that only their kernel knows. Where it is gone, JupyterLab says
// "Error displaying widget: model not found", although the output holds other forms of the same thing. Here
// such an output is shown in the best of those, until its widget is there.
//
// plotly's renderer asks the page how high a figure is. Of one that was out of sight when the window changed,
// the page knows nothing, and it became a strip, or stayed wider than its place: here it is at least as high as its
// layout says, and takes its new width as soon as it is seen.
//
// JupyterLab breaks an output's long lines anywhere, also within the commands and names that one is to read:
// here between words, and within one only where it is longer than the line. And of a view whose kernel is gone it
// marks every single part as broken, each in a line of its own: here the view as a whole, in its corner.

(() => {
  const VIEW = "application/vnd.jupyter.widget-view+json", FIGURE = "application/vnd.plotly.v1+json";
  let shared;

  // Of a module that JupyterLab shares, the version it loads itself.
  const load = async (name) => {
    const versions = Object.values(shared[name]);
    return (await (versions.find((one) => one.loaded) ?? versions[0]).get())();
  };

  const restored = (manager) =>
    new Promise((done) => {
      const told = () => {
        manager.restored.disconnect(told);
        done();
      };
      manager.restoredStatus ? done() : manager.restored.connect(told);
    });

  const know = (manager, id) => !manager?.has_model || manager.has_model(id);

  // Whether the renderer's widget manager, once there is one and it has asked the kernel, has the widget.
  const finds = async (renderer, id) => {
    const manager = await renderer._manager?.promise;
    if (know(manager, id)) return true;
    await restored(manager);
    return know(manager, id);
  };

  // The same of this moment.
  const has = async (renderer, id) => {
    const unknown = {}, manager = await Promise.race([renderer._manager?.promise, Promise.resolve(unknown)]);
    return manager !== unknown && know(manager, id);
  };

  const withStill = (registry, renderer, options) => {
    const render = renderer.renderModel.bind(renderer);
    renderer.renderModel = async (model) => {
      const { [VIEW]: view, ...others } = model.data;
      const type = registry.preferredMimeType(others, model.trusted ? "any" : "ensure");
      if (!view?.model_id || !type || (await has(renderer, view.model_id))) return render(model);
      const still = registry.createRenderer(type, options);
      renderer.addWidget(still);
      await still.renderModel(model);
      if (!(await finds(renderer, view.model_id)) || renderer.isDisposed) return;
      still.dispose();
      return render(model);
    };
    return renderer;
  };

  // plotly's own way to take the width of its place, for a figure that has it.
  const fit = (node) => {
    const width = node._fullLayout?.width;
    if (width && node.offsetWidth && width !== node.offsetWidth) node._responsiveChartHandler?.();
  };

  const withSize = (renderer) => {
    new ResizeObserver(() => fit(renderer.node)).observe(renderer.node);
    const render = renderer.renderModel.bind(renderer);
    renderer.renderModel = (model) => {
      const height = model.data[FIGURE]?.layout?.height;
      if (height) renderer.node.style.minHeight = `${height}px`;
      return render(model);
    };
    return renderer;
  };

  const dress = () => {
    const style = document.createElement("style");
    style.textContent = `
      .jp-OutputArea-output pre { word-break: normal; overflow-wrap: anywhere; }
      .jupyter-widgets-disconnected { position: relative; }
      .jupyter-widgets-disconnected::before { position: absolute; top: 2px; right: 2px; z-index: 1; }
      .jupyter-widgets-disconnected .jupyter-widgets-disconnected::before { display: none; }`;
    document.head.append(style);
  };

  const extension = async () => {
    const { IRenderMimeRegistry } = await load("@jupyterlab/rendermime");
    const activate = (_, registry) => {
      dress();
      const kind = Object.getPrototypeOf(registry), create = kind.createRenderer; // each notebook has a copy
      kind.createRenderer = function (type, options) {
        const renderer = create.call(this, type, options);
        if (type === FIGURE) return withSize(renderer);
        return type === VIEW ? withStill(this, renderer, options) : renderer;
      };
    };
    const plugin = { id: "labkit-stills:plugin", autoStart: true, requires: [IRenderMimeRegistry], activate };
    return () => ({ __esModule: true, default: plugin });
  };

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB["labkit-stills"] = {
    init: (scope) => {
      shared = scope;
    },
    get: extension,
  };
})();
