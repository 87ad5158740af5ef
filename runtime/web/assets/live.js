// live.js -- server-sent events; tells listeners that something changed, never what to show.
// The browser reconnects by itself and resumes with Last-Event-ID.

const names = ['approval.requested', 'approval.decided', 'approval.executed', 'approval.expired',
  'approval.escalated', 'approval.void', 'run.failed', 'run.needs_budget'];

let source = null;
const listeners = new Set();

export function listen(handler) {
  listeners.add(handler);
  return () => listeners.delete(handler);
}

function tell(change) { for (const handler of [...listeners]) handler(change); }

export function start(onState) {
  stop();
  source = new EventSource('/v1/events');
  source.onopen = () => onState(true);
  source.onerror = () => onState(false);
  for (const name of names) {
    source.addEventListener(name, (event) => {
      let body = {};
      try { body = JSON.parse(event.data); } catch { body = {}; }
      tell({ name, body });
    });
  }
}

export function stop() {
  if (source) source.close();
  source = null;
}
