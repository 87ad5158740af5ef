// runs.js -- runs as a table, and the story of one run step by step.

import { el, show, toast } from './dom.js';
import { moment, age, actionName, money, statusWords } from './format.js';
import { pairs } from './approval.js';
import { openRaise, shortOf } from './raise.js';
import { listen } from './live.js';
import * as api from './api.js';

const kinds = {
  read: ['Looked up', 'what the books say'], model: ['Asked the model', 'an opinion, never a decision'],
  memory: ['Remembered', ''], timer: ['Waited', ''], signal: ['Was told', ''], plan: ['Planned', ''],
  action: ['Acted', 'through the door'], approval: ['Asked people', ''], outcome: ['Saw the outcome', ''],
  compensation: ['Took back', ''], review: ['Reviewed itself', ''], note: ['Noted', ''],
};
const finals = ['done', 'failed', 'cancelled', 'compensated', 'diverged'];

function brief(out) {
  if (out === null || out === undefined) return '';
  if (typeof out !== 'object') return String(out);
  for (const key of ['reason', 'message', 'summary', 'text', 'result', 'outcome', 'answer']) {
    if (typeof out[key] === 'string') return out[key];
  }
  return '';
}

export function runsView(main, person, wanted) {
  const status = el('select', { id: 'run-status', 'aria-label': 'Which runs', onchange: () => load(true) },
    [['', 'All'], ['waiting', 'Waiting'], ['executing', 'Executing'], ['planning', 'Planning'], ['done', 'Done'], ['failed', 'Failed'], ['cancelled', 'Cancelled']]
      .map(([key, name]) => el('option', { value: key }, name)));
  const body = el('tbody');
  const more = el('button', { class: 'more', hidden: true, onclick: () => load(false) }, 'Show older');
  const page = el('section', { class: 'page' },
    el('div', { class: 'tools' }, el('h1', {}, 'Runs'), status),
    el('div', { class: 'scroll' }, el('table', { class: 'grid' }, el('thead', {}, el('tr', {},
      ['Run', 'Agent', 'Status', 'About', 'Steps', 'Changed'].map((name) => el('th', { scope: 'col', class: name === 'Steps' ? 'number' : null }, name)))), body)), more);
  let next = '';
  let now = Date.now();

  async function load(fresh) {
    try {
      const part = await api.list('runs', 'status', status.value, fresh ? '' : next);
      now = Date.parse(part.now);
      next = part.next || '';
      more.hidden = !next;
      const rows = part.items.map((run) => el('tr', {},
        el('td', {}, el('a', { href: '#/runs/' + run.id }, '…' + run.id.slice(-8))),
        el('td', {}, run.agent),
        el('td', {}, el('span', { class: 'chip run ' + run.status }, run.status), run.waiting_on ? el('span', { class: 'quiet' }, ' for ' + run.waiting_on) : ''),
        el('td', { class: 'clip' }, run.error_text || run.business_key || ''),
        el('td', { class: 'number' }, run.steps),
        el('td', {}, age(run.changed_at, now) + ' ago')));
      if (fresh) show(body, rows.length ? rows : el('tr', {}, el('td', { colspan: '6', class: 'quiet' }, 'No runs yet. An exception or a schedule starts one.')));
      else body.append(...rows);
    } catch (problem) {
      show(body, el('tr', {}, el('td', { colspan: '6' }, problem.message)));
    }
  }

  const question = (asked) => el('p', {}, el('a', { href: '#/approvals/' + asked.id }, `${actionName(asked.action)} ${money(asked.amount, asked.currency)}`), ' ',
    el('span', { class: 'chip state ' + asked.status }, statusWords[asked.status] || asked.status));

  function story(run) {
    const approvals = new Map(run.approvals.map((one) => [one.step, one]));
    const steps = run.journal.map((step) => {
      const [name, hint] = kinds[step.kind] || [step.kind, ''];
      const asked = approvals.get(step.seq);
      return el('li', { class: 'step ' + step.kind },
        el('span', { class: 'seq', 'aria-hidden': 'true' }, step.seq),
        el('div', {}, el('p', {}, el('b', {}, name), ' ', el('code', {}, step.name), hint ? el('span', { class: 'quiet small' }, ' ' + hint) : ''),
          brief(step.out) ? el('p', {}, brief(step.out)) : null,
          asked ? question(asked) : null,
          step.out !== null && typeof step.out === 'object'
            ? el('details', {}, el('summary', {}, 'recorded answer'), pairs(step.out)) : null));
    });
    return el('ol', { class: 'story' },
      el('li', { class: 'step' }, el('span', { class: 'seq' }, '0'), el('div', {}, el('p', {}, el('b', {}, 'Started'), ' ', moment(run.created_at)),
        approvals.has(0) ? question(approvals.get(0)) : null, // whether it shall have its key
        run.input ? el('details', {}, el('summary', {}, 'input'), pairs(run.input)) : null)),
      steps,
      el('li', { class: 'step end ' + run.status }, el('span', { class: 'seq' }, finals.includes(run.status) ? '■' : '…'),
        el('div', {}, el('p', {}, el('b', {}, run.status), run.waiting_on ? ' for ' + run.waiting_on : '', ' since ', moment(run.changed_at)),
          run.error_text ? el('p', { class: 'failure' }, run.error_text) : null,
          run.result ? pairs(run.result) : null)));
  }

  // Steps of a run are no events: as long as it goes on, it is looked at again, and drawn when it has moved.
  function again(run) {
    clearTimeout(look);
    if (!finals.includes(run.status)) look = setTimeout(async () => {
      const later = await api.run(wanted).catch(() => run);
      if (later.changed_at !== run.changed_at || later.last_step !== run.last_step) draw(later);
      else again(run);
    }, 2000);
  }

  async function one() {
    try {
      draw(await api.run(wanted));
    } catch (problem) {
      show(main, el('section', { class: 'page' }, el('a', { class: 'back', href: '#/runs' }, '‹ All runs'), el('p', {}, problem.message)));
    }
  }

  function draw(run) {
    const stop = person.may_operate && !finals.includes(run.status)
      ? el('button', { class: 'danger-quiet', onclick: cancel }, 'Cancel run') : null;
    const short = shortOf(run);
    const more = short && person.may_operate
      ? el('button', { class: 'primary', id: 'raise', onclick: () => openRaise(run, one) }, 'Give it more') : null;
    show(main, el('section', { class: 'page narrow' },
      el('a', { class: 'back', href: '#/runs' }, '‹ All runs'),
      el('div', { class: 'tools' }, el('h1', { tabindex: '-1' }, 'Run of ' + run.agent), el('span', { class: 'chip run ' + run.status }, run.status), more, stop),
      short ? el('p', { class: 'failure', id: 'short' }, 'It waits for a person: ', short.message, '.') : null,
      el('p', { class: 'quiet' }, 'Run ', el('code', {}, run.id), ', plan ', el('code', {}, run.plan.slice(0, 12)), run.version ? ` (version ${run.version})` : '',
        run.business_key ? [', about ', el('code', {}, run.business_key.length > 40 ? run.business_key.slice(0, 40) + '…' : run.business_key)] : ''),
      story(run)));
    again(run);
  }

  async function cancel() {
    if (!window.confirm('Cancel this run? What it did stays done; what it planned is dropped.')) return;
    try {
      await api.cancelRun(wanted);
      toast('The run is asked to stop.', 'good');
    } catch (problem) { toast(problem.message, 'bad'); }
  }

  let debounce = 0;
  let look = 0;
  const stopListening = listen(() => { clearTimeout(debounce); debounce = setTimeout(() => (wanted ? one() : load(true)), 250); });
  if (wanted) one();
  else { show(main, page); load(true); }
  return { choose() {}, key() { return false; }, close() { stopListening(); clearTimeout(debounce); clearTimeout(look); } };
}
