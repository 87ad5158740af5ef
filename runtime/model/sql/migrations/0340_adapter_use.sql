-- 0340_adapter_use: the adapter that a company's agents ask with where they name none.

CREATE TABLE model_adapter_use (
    tenant_id int PRIMARY KEY,
    name text NOT NULL,
    FOREIGN KEY (tenant_id, name) REFERENCES model_adapter ON DELETE CASCADE
);
