-- 0162_approval_time: approvals whose time comes, without reading those that are long over (statement company_look).
CREATE INDEX approval_expiry ON approval (tenant_id, expires_at) WHERE status IN ('requested', 'approved');
CREATE INDEX approval_escalation ON approval (tenant_id, escalate_at)
    WHERE status = 'requested' AND NOT escalated AND escalate_at IS NOT NULL;
