// decide.js -- the confirm step: says once more what exactly will be done, takes the comment, votes.

import { el, show, toast, announce } from './dom.js';
import { money, actionName } from './format.js';
import { isContest, contestWords } from './contest.js';
import * as api from './api.js';

// `item` is the approval as shown; its digest travels with the vote.
export function openDecision(item, approve, onDone) {
  const opener = document.activeElement;
  const contest = isContest(item);
  const choice = approve ? 'approve' : 'reject';
  const verb = contest ? contestWords[choice] : approve ? 'Approve' : 'Reject';
  const failure = el('p', { class: 'failure', role: 'alert' });
  const comment = el('textarea', { id: 'comment', rows: '3', maxlength: '2000', 'aria-describedby': 'comment-hint' });
  const confirm = el('button', { class: approve ? 'primary' : 'danger', type: 'submit', id: 'confirm' }, verb);
  const facts = el('dl', { class: 'pairs' },
    el('dt', {}, 'Action'), el('dd', {}, actionName(item.action)),
    item.supplier ? [el('dt', {}, 'Supplier'), el('dd', {}, item.supplier)] : null,
    item.amount !== null ? [el('dt', {}, 'Amount'), el('dd', { class: 'strong' }, money(item.amount, item.currency))] : null,
    item.resource ? [el('dt', {}, 'Concerns'), el('dd', {}, item.resource)] : null,
    el('dt', {}, 'Digest'), el('dd', {}, el('code', {}, item.digest.slice(0, 16) + '…')));
  const form = el('form', { method: 'dialog', novalidate: true, onsubmit: submit },
    el('h2', { id: 'dialog-title' }, contest ? contestWords.title[choice] : approve ? 'Approve this?' : 'Reject this?'),
    el('p', { class: 'quiet' }, contest ? item.effect[choice] + '.' : approve
      ? 'Your approval counts for exactly this and is recorded under your name.'
      : 'One rejection ends the request. The reason goes to the run and into the record.'),
    facts,
    el('label', { for: 'comment' }, approve ? 'Comment (optional)' : 'Reason'),
    comment,
    el('p', { class: 'quiet small', id: 'comment-hint' }, approve ? 'Seen by auditors.' : 'One sentence for those who have to correct it.'),
    failure,
    el('div', { class: 'buttons' },
      el('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'), confirm));
  const dialog = el('dialog', { class: 'decision', 'aria-labelledby': 'dialog-title', onclose: closed }, form);

  async function submit(event) {
    event.preventDefault();
    if (!approve && comment.value.trim() === '') {
      failure.textContent = 'A rejection needs a reason.';
      comment.focus();
      return;
    }
    confirm.disabled = true;
    failure.textContent = '';
    try {
      const status = await api.decide(item.id, {
        decision: approve ? 'approve' : 'reject', comment: comment.value.trim(), digest: item.digest,
      });
      dialog.close();
      const left = (status.missing || []).length;
      const text = approve
        ? (status.status === 'requested' && left ? 'Recorded. Another approval is still needed.' : 'Approved.')
        : 'Rejected.';
      const said = contest && status.status !== 'requested' ? contestWords.done[status.status === 'void' ? 'void' : choice] : text;
      toast(said, 'good');
      announce(said);
      onDone(status);
    } catch (problem) {
      show(failure, problem.message + '. ', problem.hint);
      confirm.disabled = false;
      if (problem.status === 409) onDone(null);
    }
  }

  function closed() {
    dialog.remove();
    if (opener && document.contains(opener)) opener.focus();
  }

  document.body.append(dialog);
  dialog.showModal();
  (approve ? confirm : comment).focus();
}
