-- camt.lua -- a bank statement as camt.053.001.08 (ISO 20022), one file per statement.

local company = require("company")
local date = require("date")
local money = require("money")

local camt = {}

local function balance(code, cents, day)
  return { "Bal",
    { "Tp", { "CdOrPrtry", { "Cd", code } } },
    { "Amt", money.cents(math.abs(cents)), Ccy = "EUR" },
    { "CdtDbtInd", cents < 0 and "DBIT" or "CRDT" },
    { "Dt", { "Dt", date.text(day) } } }
end

local function account_of(tag, iban)
  return iban and { tag, { "Id", { "IBAN", iban } } } or false
end

-- Money leaves: we are the debtor; money comes: the creditor.
local function parties(entry)
  local us, them = company.self, { name = entry.name, iban = entry.iban }
  local debtor, creditor = us, them
  if entry.amount > 0 then debtor, creditor = them, us end
  return { "RltdPties",
    { "Dbtr", { "Pty", { "Nm", debtor.name } } },
    account_of("DbtrAcct", debtor.iban),
    { "Cdtr", { "Pty", { "Nm", creditor.name } } },
    account_of("CdtrAcct", creditor.iban) }
end

local function details(entry, sign)
  return { "NtryDtls", { "TxDtls",
    { "Refs",
      { "AcctSvcrRef", entry.reference },
      { "EndToEndId", entry.end_to_end or "NOTPROVIDED" } },
    { "Amt", money.cents(math.abs(entry.amount)), Ccy = "EUR" },
    { "CdtDbtInd", sign },
    entry.name and parties(entry) or false,
    { "RmtInf", { "Ustrd", entry.words } } } }
end

local function entry_node(entry)
  local sign = entry.amount < 0 and "DBIT" or "CRDT"
  return { "Ntry",
    { "Amt", money.cents(math.abs(entry.amount)), Ccy = "EUR" },
    { "CdtDbtInd", sign },
    { "Sts", { "Cd", "BOOK" } },
    { "BookgDt", { "Dt", date.text(entry.day) } },
    { "ValDt", { "Dt", date.text(entry.day) } },
    { "AcctSvcrRef", entry.reference },
    { "BkTxCd", { "Domn",
      { "Cd", entry.code[1] },
      { "Fmly", { "Cd", entry.code[2] }, { "SubFmlyCd", entry.code[3] } } } },
    details(entry, sign) }
end

function camt.statement(statement)
  local made = date.text(statement.to) .. "T20:00:00+0" .. (statement.number < 10 and 2 or 1) .. ":00"
  local node = { "Stmt",
    { "Id", statement.id },
    { "ElctrncSeqNb", tostring(statement.number) },
    { "LglSeqNb", tostring(statement.number) },
    { "CreDtTm", made },
    { "FrToDt",
      { "FrDtTm", date.text(statement.from) .. "T00:00:00" },
      { "ToDtTm", date.text(statement.to) .. "T23:59:59" } },
    { "Acct",
      { "Id", { "IBAN", company.self.iban } },
      { "Ccy", "EUR" },
      { "Ownr", { "Nm", company.self.name } },
      { "Svcr", { "FinInstnId", { "BICFI", company.self.bic } } } },
    balance("OPBD", statement.opening, statement.from),
    balance("CLBD", statement.closing, statement.to) }
  for _, entry in ipairs(statement.entries) do node[#node + 1] = entry_node(entry) end
  return { "Document", xmlns = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08",
    { "BkToCstmrStmt",
      { "GrpHdr", { "MsgId", "CAMT-" .. statement.id }, { "CreDtTm", made } },
      node } }
end

return camt
