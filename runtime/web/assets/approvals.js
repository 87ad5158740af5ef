// approvals.js -- the inbox: riskiest first, filter, search, keyboard; one approval beside the list.

import { el, show, announce, toast } from './dom.js';
import { money, age, span, actionName, label, tiers, statusWords } from './format.js';
import { approvalView, why } from './approval.js';
import { openDecision } from './decide.js';
import { listen } from './live.js';
import * as api from './api.js';

const SOON_MS = 4 * 3600 * 1000;

// What needs a person first: money before ledger, then larger amounts, then what expires first.
export function byRisk(a, b) {
  return (b.tier - a.tier) || (Math.abs(b.amount || 0) - Math.abs(a.amount || 0)) ||
    (Date.parse(a.expires_at) - Date.parse(b.expires_at));
}

export function approvalsView(main, person, wanted, setBadge) {
  const state = { items: [], open: 0, skew: 0, chosen: wanted, status: 'requested', search: '', tier: '', item: null, loading: true, failed: '' };
  const now = () => Date.now() + state.skew;

  const search = el('input', { type: 'search', id: 'search', placeholder: 'Search', 'aria-label': 'Search approvals',
    autocomplete: 'off', oninput: () => { state.search = search.value; drawList(); }, onkeydown: searchKey });
  const status = el('select', { id: 'status', 'aria-label': 'Which approvals', onchange: () => { state.status = status.value; state.loading = true; drawList(); load(); } },
    [['requested', 'Waiting'], ['approved', 'Approved'], ['consumed', 'Executed'], ['rejected', 'Rejected'], ['expired', 'Expired'], ['', 'All']]
      .map(([key, name]) => el('option', { value: key }, name)));
  const chips = el('div', { class: 'filters', role: 'group', 'aria-label': 'Risk' });
  const list = el('ul', { class: 'list', id: 'list', 'aria-label': 'Approvals' });
  const note = el('p', { class: 'count quiet small', 'aria-live': 'polite' });
  const side = el('section', { class: 'side', 'aria-label': 'Approvals' },
    el('div', { class: 'tools' }, search, status), chips, note, list);
  const stage = el('section', { class: 'stage', 'aria-label': 'Chosen approval' });
  const layout = el('div', { class: 'split' }, side, stage);
  show(main, layout);

  function visible() {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    return state.items.filter((item) => {
      if (state.tier === 'soon' && Date.parse(item.expires_at) - now() > SOON_MS) return false;
      if (state.tier !== '' && state.tier !== 'soon' && String(item.tier) !== state.tier) return false;
      const text = [item.supplier, actionName(item.action), item.action, item.resource, item.exception_type, item.agent,
        item.reason, item.id, money(item.amount, item.currency), item.amount === null ? '' : String(item.amount / 100)].join(' ').toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  function drawChips() {
    const count = (test) => state.items.filter(test).length;
    const all = [['', 'All', state.items.length],
      ['3', 'Money', count((item) => item.tier === 3)],
      ['2', 'Ledger', count((item) => item.tier === 2)],
      ['1', 'Reversible', count((item) => item.tier <= 1)],
      ['soon', 'Due soon', count((item) => Date.parse(item.expires_at) - now() <= SOON_MS)]];
    show(chips, all.filter(([key, , n]) => key === '' || n > 0).map(([key, name, n]) =>
      el('button', { class: 'filter' + (state.tier === key ? ' on' : ''), 'aria-pressed': state.tier === key ? 'true' : 'false', 'data-tier': key,
        onclick: () => { state.tier = key; drawList(); } }, name, el('span', { class: 'n' }, n))));
  }

  function row(item) {
    const left = Date.parse(item.expires_at) - now();
    const needs = (item.missing || []).map((one) => label(one.role) + (one.n > 1 ? ` ×${one.n}` : '')).join(', ');
    const chosen = item.id === state.chosen;
    return el('li', {}, el('a', { class: `row tier${item.tier}` + (chosen ? ' chosen' : ''), href: '#/approvals/' + item.id, 'data-id': item.id,
      'aria-current': chosen ? 'true' : null },
      el('span', { class: 'line' },
        el('span', { class: 'who' }, item.supplier || item.resource || actionName(item.action)),
        el('span', { class: 'amount' }, item.amount !== null ? money(item.amount, item.currency) : '')),
      el('span', { class: 'line second' },
        el('span', { class: 'what' }, actionName(item.action)),
        item.status === 'requested'
          ? el('span', { class: left < 3600e3 ? 'expiry urgent' : left < SOON_MS ? 'expiry soon' : 'expiry', 'data-expires': item.expires_at },
            left > 0 ? span(left / 1000) + ' left' : 'expired')
          : el('span', { class: 'chip state ' + item.status }, statusWords[item.status] || item.status)),
      el('span', { class: 'line third' },
        el('span', { class: 'chip tier tier' + item.tier }, (tiers[item.tier] || tiers[2]).name),
        item.exception_type ? el('span', { class: 'chip' }, item.exception_type) : null,
        item.escalated ? el('span', { class: 'chip warn' }, 'escalated') : null,
        item.blocked ? el('span', { class: 'chip warn', title: item.blocked }, 'nobody can decide') : null,
        el('span', { class: 'quiet grow' }, needs ? 'needs ' + needs : ''),
        el('span', { class: 'quiet' }, age(item.requested_at, now())))));
  }

  function drawList() {
    drawChips();
    const shown = visible();
    note.textContent = state.failed ? '' : state.loading && state.items.length === 0 ? 'Loading…'
      : shown.length === state.items.length ? '' : `${shown.length} of ${state.items.length}`;
    if (state.failed) {
      show(list, el('li', { class: 'empty' }, el('p', {}, state.failed), el('button', { onclick: load }, 'Try again')));
    } else if (shown.length === 0 && !state.loading) {
      show(list, el('li', { class: 'empty' }, state.items.length === 0 && state.status === 'requested'
        ? [el('p', { class: 'calm' }, 'Nothing waits for a decision.'), el('p', { class: 'quiet' }, 'New questions appear here by themselves.')]
        : el('p', { class: 'quiet' }, 'Nothing matches.')));
    } else {
      const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.id : '';
      show(list, shown.map(row));
      if (focused && list.querySelector(`[data-id="${CSS.escape(focused)}"]`)) list.querySelector(`[data-id="${CSS.escape(focused)}"]`).focus({ preventScroll: true });
    }
    layout.classList.toggle('open', Boolean(state.chosen));
  }

  function drawDetail(focus) {
    if (!state.chosen) {
      show(stage, el('div', { class: 'blank' }, el('p', {}, 'Choose an approval.'),
        el('p', { class: 'quiet' }, el('kbd', {}, 'j'), ' ', el('kbd', {}, 'k'), ' move, ', el('kbd', {}, 'Enter'), ' opens, ', el('kbd', {}, '?'), ' shows all keys')));
      return;
    }
    if (!state.item || state.item.id !== state.chosen) return;
    const top = stage.scrollTop;
    show(stage, approvalView(state.item, person, now(), act, back));
    stage.scrollTop = focus ? 0 : top;
    if (focus) {
      const title = stage.querySelector('#detail-title');
      if (title) title.focus({ preventScroll: true });
      if (getComputedStyle(side).display === 'none') window.scrollTo(0, 0);
    }
  }

  let loads = 0;
  async function load() {
    const mine = ++loads;
    try {
      const page = await api.approvals(state.status);
      if (mine !== loads) return;
      Object.assign(state, { items: page.items.sort(state.status === 'requested' ? byRisk : () => 0), open: page.open, skew: page.skew, loading: false, failed: '' });
      setBadge(page.open);
    } catch (problem) {
      if (mine !== loads) return;
      state.loading = false;
      state.failed = problem.message + '. ' + problem.hint;
    }
    drawList();
  }

  async function loadItem(focus) {
    const id = state.chosen;
    if (!id) { state.item = null; drawDetail(false); return; }
    try {
      const item = await api.approval(id);
      if (state.chosen !== id) return;
      state.item = item;
      drawDetail(focus);
    } catch (problem) {
      if (state.chosen !== id) return;
      show(stage, el('div', { class: 'blank' }, el('p', {}, problem.message), el('button', { onclick: back }, 'All approvals')));
    }
  }

  function act(approve) {
    const item = state.item;
    if (!item || why(item, person)) {
      if (item) toast(why(item, person), 'bad');
      return;
    }
    openDecision(item, approve, async (result) => {
      const shown = visible();
      const at = shown.findIndex((one) => one.id === item.id);
      await Promise.all([load(), loadItem(false)]);
      if (result && result.status !== 'requested' && state.status === 'requested') {
        const rest = visible();
        const next = rest[Math.min(at < 0 ? 0 : at, rest.length - 1)];
        const anchor = next ? list.querySelector(`[data-id="${CSS.escape(next.id)}"]`) : null;
        if (anchor) anchor.focus();
      }
    });
  }

  function back() { location.hash = '#/approvals'; }

  function move(step) {
    const rows = [...list.querySelectorAll('a.row')];
    if (rows.length === 0) return;
    let at = rows.indexOf(document.activeElement);
    if (at < 0) at = rows.findIndex((one) => one.dataset.id === state.chosen);
    const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step))];
    next.focus();
    next.scrollIntoView({ block: 'nearest' });
  }

  function searchKey(event) {
    if (event.key === 'Escape') { search.value = ''; state.search = ''; drawList(); search.blur(); event.stopPropagation(); }
    if (event.key === 'Enter' || event.key === 'ArrowDown') { event.preventDefault(); move(1); }
  }

  const stopListening = listen(({ name, body }) => {
    if (!name.startsWith('approval.')) return;
    clearTimeout(debounce);
    debounce = setTimeout(() => {
      load();
      if (state.chosen && (!body.approval || String(body.approval) === state.chosen)) loadItem(false);
    }, 120);
    if (name === 'approval.requested') announce('A new approval is waiting.');
  });
  let debounce = 0;
  const minute = setInterval(() => { // countdowns, and a look in case an event was lost
    drawList();
    if (document.visibilityState === 'visible') load();
  }, 60000);

  load();
  drawList();
  drawDetail(false);
  if (wanted) loadItem(false);

  return {
    choose(id) {
      const before = state.chosen;
      state.chosen = id;
      if (!id) {
        state.item = null;
        drawList();
        drawDetail(false);
        const anchor = before && list.querySelector(`[data-id="${CSS.escape(before)}"]`);
        if (anchor) anchor.focus({ preventScroll: false });
        return;
      }
      drawList();
      loadItem(true);
    },
    key(key) {
      if (key === 'j' || key === 'ArrowDown') move(1);
      else if (key === 'k' || key === 'ArrowUp') move(-1);
      else if (key === 'a' && state.item) act(true);
      else if (key === 'r' && state.item) act(false);
      else if (key === '/') { search.focus(); search.select(); }
      else if (key === 'Escape' && state.chosen) back();
      else return false;
      return true;
    },
    close() { stopListening(); clearInterval(minute); clearTimeout(debounce); },
  };
}
