// exceptions.js -- what the detectors found, as a table.

import { el, show } from './dom.js';
import { money, age, label } from './format.js';
import * as api from './api.js';

export function exceptionsView(main) {
  const state = el('select', { id: 'exception-state', 'aria-label': 'Which exceptions', onchange: () => load(true) },
    [['open', 'Open'], ['', 'All'], ['waiting_approval', 'Waiting for approval'], ['snoozed', 'Snoozed'], ['resolved', 'Resolved'], ['auto_closed', 'Closed by itself']]
      .map(([key, name]) => el('option', { value: key }, name)));
  const body = el('tbody');
  const more = el('button', { class: 'more', hidden: true, onclick: () => load(false) }, 'Show older');
  let next = '';

  function subject(thing) {
    if (!thing || typeof thing !== 'object') return String(thing || '');
    return Object.entries(thing).map(([key, value]) => `${label(key)} ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(', ');
  }

  async function load(fresh) {
    try {
      const part = await api.list('exceptions', 'state', state.value, fresh ? '' : next);
      const now = Date.parse(part.now);
      next = part.next || '';
      more.hidden = !next;
      const rows = part.items.map((one) => el('tr', {},
        el('td', {}, el('span', { class: 'chip' }, one.type)),
        el('td', { class: 'clip' }, subject(one.subject)),
        el('td', { class: 'number' }, one.money_at_stake === undefined ? '' : money(one.money_at_stake, one.currency)),
        el('td', {}, label(one.state || '')),
        el('td', {}, one.owner || ''),
        el('td', {}, one.opened_at ? age(one.opened_at, now) + ' ago' : '')));
      if (fresh) show(body, rows.length ? rows : el('tr', {}, el('td', { colspan: '6', class: 'quiet' }, 'Nothing found. The books agree with the documents.')));
      else body.append(...rows);
    } catch (problem) {
      show(body, el('tr', {}, el('td', { colspan: '6' }, problem.message)));
    }
  }

  show(main, el('section', { class: 'page' },
    el('div', { class: 'tools' }, el('h1', {}, 'Exceptions'), state),
    el('div', { class: 'scroll' }, el('table', { class: 'grid' }, el('thead', {}, el('tr', {},
      ['Type', 'Subject', 'At stake', 'State', 'Owner', 'Opened'].map((name) => el('th', { scope: 'col' }, name)))), body)), more));
  load(true);
  return { choose() {}, key() { return false; }, close() {} };
}
