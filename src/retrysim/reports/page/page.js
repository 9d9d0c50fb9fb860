"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { texts, instants } = data;
  const tasks = data.tasks.map((row, index) => ({
    index, id: row[0], name: texts[row[1]], short: texts[row[2]], state: texts[row[3]], attempts: row[4],
    sent: row[5], sentText: texts[row[6]], took: row[7], tookText: texts[row[8]],
    timeline: texts[row[9]], calls: texts[row[10]], retried: row[11], story: row[12], words: null,
  }));
  const CHUNK = 100;
  const body = document.querySelector("#list tbody");
  const filter = document.getElementById("filter");
  const more = document.getElementById("more");
  const shown = document.getElementById("shown");
  const tip = document.getElementById("tip");
  const view = { sort: "", down: false, only: "", matching: [], count: 0 };

  const make = (tag, kind, text) => {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  // -- which tasks ----------------------------------------------------------------------------------------------------

  const wordsOf = (task) => {
    if (task.words === null) {
      const told = task.story.map((line) => `${texts[line[1]]} ${texts[line[2]]}`);
      task.words = [task.name, task.id, task.state, task.timeline, task.calls, ...told].join("\n").toLowerCase();
    }
    return task.words;
  };

  const isChosen = (task) => !view.only || (view.only === "retried" ? task.retried : task.state === view.only);

  // Until a column is chosen, the tasks that went wrong come first, and then those that did not end.
  const URGENT = ["LOST", "FAILURE", "REJECTED", "REVOKED"];
  const urgency = (task) => {
    const position = URGENT.indexOf(task.state);
    if (position >= 0) return position;
    return task.state === "SUCCESS" || task.state === "IGNORED" ? URGENT.length + 1 : URGENT.length;
  };

  const KEYS = {
    task: (task) => task.short + task.id, state: (task) => task.state, attempts: (task) => task.attempts,
    sent: (task) => task.sent ?? Infinity, took: (task) => task.took ?? Infinity,
  };

  function select() {
    const parts = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = tasks.filter((task) => isChosen(task) && parts.every((part) => wordsOf(task).includes(part)));
    if (view.sort) {
      const key = KEYS[view.sort], sign = view.down ? -1 : 1;
      found.sort((a, b) => {
        const one = key(a), two = key(b);
        return one < two ? -sign : one > two ? sign : a.index - b.index;
      });
    } else {
      found.sort((a, b) => urgency(a) - urgency(b) || a.index - b.index);
    }
    view.matching = found;
    view.count = 0;
    body.replaceChildren();
    show(CHUNK);
  }

  function show(count) {
    const rows = document.createDocumentFragment();
    const next = view.matching.slice(view.count, view.count + count);
    next.forEach((task) => rows.append(rowOf(task)));
    body.append(rows);
    view.count += next.length;
    const rest = view.matching.length - view.count;
    more.hidden = !rest;
    more.textContent = `Show ${grouped(Math.min(rest, 10 * CHUNK))} more`;
    const all = tasks.length === 1 ? "1 task" : `${grouped(tasks.length)} tasks`;
    shown.textContent = view.matching.length === tasks.length ? all : `${grouped(view.matching.length)} of ${all}`;
  }

  // -- a row and its story --------------------------------------------------------------------------------------------

  function rowOf(task) {
    const row = make("tr", "row");
    row.dataset.task = task.index;
    const cell = make("td", "task");
    const button = make("button", "", `${task.short} `);
    button.append(make("span", "", task.id.slice(0, 8)));
    button.setAttribute("aria-expanded", "false");
    button.title = `${task.name}[${task.id}]`;
    cell.append(button);
    const state = make("td");
    state.append(make("span", `state ${task.state}`, task.state));
    const timeline = make("td", "wide", task.timeline);
    timeline.title = task.timeline;
    row.append(cell, state, make("td", "n wide", task.attempts), make("td", "n wide", task.sentText),
      make("td", "n", task.tookText), timeline);
    return row;
  }

  function storyOf(task) {
    const row = make("tr"), cell = make("td", "detail"), facts = make("dl");
    cell.colSpan = [...document.querySelectorAll("#list thead th")].filter((head) => head.offsetParent).length;
    const entries = [["task", `${task.name}[${task.id}]`], ["timeline", task.timeline], ["calls", task.calls]];
    entries.filter((entry) => entry[1]).forEach(([name, text]) => {
      const value = make("dd");
      value.append(make("code", "", text));
      facts.append(make("dt", "", name), value);
    });
    const story = make("ol", "story");
    task.story.forEach((line, index) => story.append(lineOf(line, task.story[index - 1])));
    cell.append(facts, story);
    row.append(cell);
    return row;
  }

  function lineOf([instant, mark, text, detail], before) {
    const item = make("li", before && before[0] === instant ? "same" : "");
    item.append(make("time", "", instants[instant][0]), make("span", "since", instants[instant][1]),
      make("b", `m-${texts[mark]}`, texts[mark]), make("span", "", texts[text]));
    if (detail !== undefined) {
      const folded = make("details");
      folded.append(make("summary", "", "traceback"), make("pre", "", texts[detail]));
      item.append(folded);
    }
    return item;
  }

  function toggle(row, open) {
    const button = row.querySelector("button");
    const isOpen = button.getAttribute("aria-expanded") === "true";
    if (isOpen === open) return;
    button.setAttribute("aria-expanded", String(!isOpen));
    row.classList.toggle("open", !isOpen);
    const task = tasks[row.dataset.task];
    if (isOpen) row.nextSibling.remove();
    else row.after(storyOf(task));
    mark(isOpen ? null : task.index);
  }

  function mark(index) {
    document.querySelectorAll("rect.chosen").forEach((bar) => bar.classList.remove("chosen"));
    if (index === null) return;
    document.querySelectorAll(`rect[data-t="${index}"]`).forEach((bar) => bar.classList.add("chosen"));
  }

  function open(index) {
    let position = view.matching.indexOf(tasks[index]);
    if (position < 0) {
      filter.value = "";
      only("");
      position = view.matching.indexOf(tasks[index]);
    }
    if (position >= view.count) show(position + 1 - view.count);
    const row = body.querySelector(`tr[data-task="${index}"]`);
    toggle(row, true);
    mark(index);
    row.scrollIntoView({ block: "center" });
    row.querySelector("button").focus({ preventScroll: true });
  }

  // -- listening ------------------------------------------------------------------------------------------------------

  function only(state) {
    view.only = state;
    document.querySelectorAll("#states button").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.state === state));
    });
    select();
  }

  const counts = new Map([["", tasks.length]]);
  tasks.forEach((task) => counts.set(task.state, (counts.get(task.state) || 0) + 1));
  const retried = tasks.filter((task) => task.retried).length;
  if (retried) counts.set("retried", retried);
  counts.forEach((count, state) => {
    const kind = !state || state === "retried" ? "" : `state ${state}`;
    const button = make("button", kind, `${state || "all"} ${grouped(count)}`);
    button.dataset.state = state;
    button.addEventListener("click", () => only(view.only === state ? "" : state));
    document.getElementById("states").append(button);
  });

  document.querySelectorAll("#list thead button").forEach((button) => button.addEventListener("click", () => {
    view.down = view.sort === button.dataset.sort && !view.down;
    view.sort = button.dataset.sort;
    document.querySelectorAll("#list th[aria-sort]").forEach((head) => head.setAttribute("aria-sort", "none"));
    button.parentElement.setAttribute("aria-sort", view.down ? "descending" : "ascending");
    select();
  }));
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr.row");
    if (row) toggle(row);
  });
  more.addEventListener("click", () => show(10 * CHUNK));
  filter.addEventListener("input", select);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== filter) {
      event.preventDefault();
      filter.focus();
    } else if (event.key === "Escape" && document.activeElement === filter) {
      filter.value = "";
      select();
    }
  });

  const lanes = document.querySelector(".lanes");
  if (lanes) {
    const barAt = (event) => event.target.closest("rect[data-t]");
    lanes.addEventListener("click", (event) => barAt(event) && open(Number(barAt(event).dataset.t)));
    lanes.addEventListener("mousemove", (event) => {
      const bar = barAt(event);
      tip.hidden = !bar;
      if (!bar) return;
      const task = tasks[bar.dataset.t];
      tip.textContent = `${task.short}[${task.id.slice(0, 8)}]: ${task.timeline}`;
      tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${event.clientY + 16}px`;
    });
    lanes.addEventListener("mouseleave", () => { tip.hidden = true; });
  }

  only("");
})();
