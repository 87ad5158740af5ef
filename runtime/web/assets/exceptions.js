// exceptions.js -- what the detectors found, as a table.

import { el, show } from './dom.js';
import { money, label } from './format.js';
import * as api from './api.js';

export function exceptionsView(main) {
  const state = el('select', { id: 'exception-state', 'aria-label': 'Which exceptions', onchange: () => load(true) },
    [['open', 'Open'], ['', 'All'], ['snoozed', 'Snoozed'], ['resolved', 'Resolved'], ['auto_closed', 'Closed by itself']]
      .map(([key, name]) => el('option', { value: key }, name)));
  const body = el('tbody');
  const more = el('button', { class: 'more', hidden: true, onclick: () => load(false) }, 'Show older');
  let next = '';

  async function load(fresh) {
    try {
      const part = await api.list('exceptions', 'state', state.value, fresh ? '' : next);
      next = part.next || '';
      more.hidden = !next;
      const rows = part.items.map((one) => el('tr', {},
        el('td', {}, el('span', { class: 'chip' }, one.type)),
        el('td', { class: 'clip' }, one.summary, el('br'), el('code', { class: 'quiet' }, one.subject)),
        el('td', { class: 'number' }, one.money === null ? '' : money(one.money, one.currency)),
        el('td', {}, label(one.state), one.resolution ? el('span', { class: 'quiet' }, ' by ' + one.resolution) : ''),
        el('td', {}, one.owner || ''),
        el('td', {}, one.opened_on), el('td', {}, one.sla_on || '')));
      if (fresh) show(body, rows.length ? rows : el('tr', {}, el('td', { colspan: '7', class: 'quiet' }, 'Nothing found. The books agree with the documents.')));
      else body.append(...rows);
    } catch (problem) {
      show(body, el('tr', {}, el('td', { colspan: '7' }, problem.message)));
    }
  }

  show(main, el('section', { class: 'page' },
    el('div', { class: 'tools' }, el('h1', {}, 'Exceptions'), state),
    el('div', { class: 'scroll' }, el('table', { class: 'grid' }, el('thead', {}, el('tr', {},
      ['Type', 'What', 'At stake', 'State', 'Owner', 'Opened', 'Due'].map((name) => el('th', { scope: 'col', class: name === 'At stake' ? 'number' : null }, name)))), body)), more));
  load(true);
  return { choose() {}, key() { return false; }, close() {} };
}
