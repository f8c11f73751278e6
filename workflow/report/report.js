"use strict";
document.body.classList.remove("no-script");
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  headers.forEach((header, i) => header.firstElementChild.addEventListener("click", () => {
    const down = header.getAttribute("aria-sort") === "ascending", rows = [...body.rows], value = row => row.cells[i].dataset.value;
    const areNumbers = rows.every(row => !isNaN(value(row)));
    const order = (a, b) => areNumbers ? a - b : (a > b) - (a < b);
    const isMissing = row => value(row) === "";
    rows.sort((a, b) => isMissing(a) - isMissing(b) || (down ? -1 : 1) * order(value(a), value(b)));
    headers.forEach(each => each.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  }));
}
const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll("button.enlarge")) {
  button.addEventListener("click", () => {
    const [small, large] = [button.firstElementChild, dialog.querySelector("img")];
    large.src = small.src;
    large.alt = small.alt;
    dialog.querySelector("p").textContent = button.parentElement.querySelector("figcaption")?.textContent ?? "";
    dialog.showModal();
  });
}
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(each => { each.open = true; }));
