// Charts that answer to the pointer, tables that can be sorted and saved. Without this script the page shows the same
// charts as pictures and the same tables.
"use strict";
(() => {
  const make = (tag, text, attributes = {}) => {
    const element = Object.assign(document.createElement(tag), attributes);
    if (text) element.textContent = text;
    return element;
  };

  const save = (name, text, type) => {
    const link = make("a", "", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const field = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csv = (rows) => rows.map((row) => row.map(field).join(",")).join("\n") + "\n";
  const words = (cell) =>
    cell.abbr || cell.innerText.replaceAll("\u2212", "-").replaceAll("\u00ad", "").replace(/\s+/g, " ").trim();

  // ---- charts
  const switches = (figure, spec, view) => {
    const { series } = spec.usermeta;
    if (series.length < 2) return;
    const hidden = new Set(spec.params.find((one) => one.name === "hidden").value);
    const box = make("fieldset", "", { className: "series" });
    box.append(make("legend", "Show"));
    for (const { name, colour } of series) {
      const label = make("label");
      const input = make("input", "", { type: "checkbox", checked: !hidden.has(name) });
      input.addEventListener("change", () => {
        if (input.checked) hidden.delete(name);
        else hidden.add(name);
        view.signal("hidden", [...hidden]).run();
      });
      const swatch = make("span", "", { className: "swatch" });
      swatch.style.background = colour;
      label.append(input, swatch, name);
      box.append(label);
    }
    figure.querySelector(".chart").after(box);
  };

  const enliven = async (figure) => {
    // a picture's legend leaves out what it does not show; a legend of its own would stay where legends are off
    const told = (key, value) => (key === "legend" && value?.values ? undefined : value);
    const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent, told);
    const chart = figure.querySelector(".chart");
    const live = make("div", "", { ariaHidden: "true" });
    if (spec.usermeta.series.length > 1) spec.config.legend = { disable: true }; // the switches name the colours
    const options = { actions: false, renderer: "svg", ast: true, mode: "vega-lite" };
    const { view } = await window.vegaEmbed(live, spec, options);
    // what the pointer meets is found by the element under it: the picture may be stretched to its column
    chart.replaceChildren(live);
    switches(figure, spec, view);
    figure.dataset.live = "yes";
  };

  const waiting = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        waiting.unobserve(target);
        enliven(target).catch((error) => console.error(target.id, error));
      }
    },
    { rootMargin: "300px" },
  );
  document.querySelectorAll("figure[data-chart]").forEach((figure) => waiting.observe(figure));

  // ---- tables
  const value = (row, column) => {
    const text = words(row.cells[column] ?? make("td"));
    const number = parseFloat(text.replaceAll(",", "").replace(/^[<p ]+/, ""));
    return Number.isNaN(number) ? text : number;
  };

  // cells without a number stand last, whichever way the numbers run
  const before = (a, b, down) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return (down ? -1 : 1) * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  };

  const sortable = (table) => {
    const heads = [...table.tHead.querySelector("tr:last-child").cells]; // above them, words for several
    heads.forEach((head, column) => {
      const button = make("button", "", { type: "button", className: "sort" });
      if (head.abbr) button.ariaLabel = head.abbr;
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        for (const body of table.tBodies) {
          const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
          rows.sort((a, b) => before(value(a, column), value(b, column), down));
          body.append(...rows);
        }
      });
    });
  };

  // rows of a table for a file: a cell of several figures takes a column for each, a group's head one before its rows
  const flat = (table) => {
    const rows = [...table.rows].filter((row) => !row.matches(".group, .over"));
    const heads = [...rows[0].cells];
    const parts = heads.map((_, column) => {
      const cells = rows.slice(1).map((row) => [...(row.cells[column]?.querySelectorAll("[data-part]") ?? [])]);
      cells.sort((a, b) => b.length - a.length); // the fullest cell has them in order
      return [...new Set(cells.flat().map((one) => one.dataset.part))];
    });
    const grouped = table.querySelector("tr.group") !== null;
    return rows.map((row, number) => {
      const found = heads.flatMap((head, column) => {
        const cell = row.cells[column];
        if (!parts[column].length) return [cell ? words(cell) : ""];
        if (number === 0) return parts[column].map((part) => `${words(head)}: ${part}`);
        const known = parts[column].map((part) => cell?.querySelector(`[data-part="${part}"]`));
        if (cell && known.every((one) => !one)) return [words(cell), ...parts[column].slice(1).map(() => "")];
        return known.map((one) => (one ? words(one) : ""));
      });
      if (!grouped) return found;
      const group = row.parentElement.querySelector("tr.group");
      return [number === 0 ? "group" : group ? words(group) : "", ...found];
    });
  };

  const downloadable = (table, place) => {
    const button = make("button", "Save as CSV", { type: "button", className: "save" });
    button.setAttribute("aria-label", `Save as CSV: ${table.dataset.name}`);
    button.addEventListener("click", () => {
      save(`${table.dataset.name}.csv`, csv(flat(table)), "text/csv");
    });
    place.after(button);
  };

  document.querySelectorAll("table[data-name]").forEach((table) => {
    if (table.tBodies.length && table.tBodies[0].rows.length > 1) sortable(table);
    downloadable(table, table.closest(".scroll"));
  });
})();
