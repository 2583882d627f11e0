// The shell: which of the three pages is shown, and what is served.
import { startCatalogue } from "./catalogue.js";
import { startFigures } from "./figures.js";
import { startQuery } from "./query.js";
import { ask, byId, followKey, number, showAlert } from "./shared.js";

const views = { query: null, catalogue: null, figures: null };
const titles = { query: "dexter", catalogue: "Catalogue · dexter", figures: "Figures · dexter" };

function show() {
  const wanted = location.hash.slice(1);
  if (wanted === "main") return;  // the link past the navigation
  const name = wanted in views ? wanted : "query";
  document.title = titles[name];
  showAlert("");
  for (const each of Object.keys(views)) {
    byId(`view-${each}`).hidden = each !== name;
    const link = document.querySelector(`nav a[href="#${each}"]`);
    if (each === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (each !== name) views[each].leave?.();
  }
  views[name].enter?.();
}

async function showServed() {
  try {
    const info = await ask("GET", "/v1/info");
    byId("served").textContent = `${number(info.labels)} labels, generation ${info.generation}`;
    return info;
  } catch (error) {
    showAlert(error.message);
    return null;
  }
}

followKey();
views.query = startQuery();
views.catalogue = startCatalogue(showServed);
views.figures = startFigures();
window.addEventListener("hashchange", show);
show();
const start = async () => views.query.served(await showServed());
byId("key").addEventListener("change", async () => {
  showAlert("");
  await start();
  show();
});
await start();
