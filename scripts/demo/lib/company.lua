-- company.lua -- who is in the story: the company, its chart of accounts, its suppliers and what
-- they sell.  Everything here is invented; contacts are departments, mail goes to ".example".

local company = {}

company.self = {
  id = "ahrenbeck", name = "Pumpenwerk Ahrenbeck GmbH", country = "DE",
  street = "Schleusenkamp 12", city = "Ahrenbeck", zone = "99440", register = "HRB 99412",
  mail = "ahrenbeck.example",
}

-- `role` says what the posting rules use the account for; kind is its side of the books.
company.accounts = {
  { "1200", "Bank, current account", "asset", "bank" },
  { "1290", "Bank clearing", "asset", "bank_clearing" },
  { "1406", "Input VAT", "asset", "vat_input" },
  { "1490", "Suspense: to be explained", "asset", "suspense" },
  { "1600", "Trade payables (control account)", "liability", "ap_control" },
  { "1650", "Goods received, invoice not received", "liability", "grir" },
  { "4000", "Materials and bought-in parts", "expense", "expense" },
  { "4790", "Price variance on purchases", "expense", "price_variance" },
  { "4970", "Bank fees", "expense", "bank_fee" },
}

-- A difference counts when it is above both bounds; key by key as in tolerance.set.
company.tolerances = {
  { key = "PP", pct_bp = 200, amount = 500, days = 0 },
  { key = "DQ", pct_bp = 0, amount = 0, days = 0 },
  { key = "ST", pct_bp = 0, amount = 0, days = 5 },
  { key = "TAX", pct_bp = 0, amount = 2, days = 0 },
  { key = "LINE", pct_bp = 0, amount = 1, days = 0 },
  { key = "DEBIT", pct_bp = 0, amount = 0, days = 30 },
  { key = "BD", pct_bp = 0, amount = 100, days = 0 },
  { key = "BANK", pct_bp = 0, amount = 0, days = 0 },
  { key = "DUP", pct_bp = 0, amount = 0, days = 30 },
  { key = "PAY2", pct_bp = 0, amount = 0, days = 10 },
}

-- number: how the supplier numbers its invoices; credit: its credit notes.
-- An item: name, unit, price, per how many, VAT in per cent (default 19).
company.suppliers = {
  { id = "70010", key = "weserbogen", name = "Dichtungstechnik Weserbogen GmbH",
    street = "Am Alten Hafen 4", city = "Weserbogen", zone = "99311", days = 30,
    number = "00%05d", credit = "9%05d",
    items = {
      seal38 = { "Mechanical seal 38 mm, SiC/SiC, EPDM", "C62", "118.00" },
      seal55 = { "Mechanical seal 55 mm, SiC/carbon, FKM, packed in tens", "C62", "1180.00", 10 },
      oring = { "O-ring set, FKM 75, for casing DN 80", "C62", "14.60" },
      packing = { "Gland packing 10 mm, PTFE and graphite", "MTR", "9.85" },
    } },
  { id = "70020", key = "hohenlinde", name = "Gusswerk Hohenlinde GmbH",
    street = "Kupolweg 1", city = "Hohenlinde", zone = "99512", days = 30,
    number = "RE-2026/%05d", credit = "GS-2026/%05d",
    items = {
      casing80 = { "Pump casing DN 80, EN-GJL-250, raw casting", "C62", "246.00" },
      casing125 = { "Volute casing DN 125, EN-GJL-250, raw casting", "C62", "418.00" },
      bracket = { "Bearing bracket size 3, EN-GJL-250", "C62", "132.50" },
      crate = { "Transport crate, returnable, deposit", "C62", "85.00" },
    } },
  { id = "70030", key = "nordhafen", name = "Wälzlager-Kontor Nordhafen GmbH",
    street = "Kaistraße 88", city = "Nordhafen", zone = "99127", days = 14,
    number = "WK26-%05d", credit = "WKG26-%05d",
    items = {
      ball6308 = { "Deep groove ball bearing 6308-2RS/C3", "C62", "11.90" },
      angular7310 = { "Angular contact ball bearing 7310 BEP", "C62", "64.80" },
      grease = { "Bearing grease cartridge 400 g, lithium complex", "C62", "8.45" },
    } },
  { id = "70040", key = "silberbach", name = "Elektromotoren Silberbach AG",
    street = "Ankerring 20", city = "Silberbach", zone = "99734", days = 30,
    number = "%06d-26", credit = "%06d-26-G",
    items = {
      motor5 = { "Three-phase motor 5.5 kW, 4-pole, IE3, B3", "C62", "612.00" },
      motor11 = { "Three-phase motor 11 kW, 4-pole, IE3, B3", "C62", "1048.00" },
      inverter = { "Frequency inverter 7.5 kW, IP 55", "C62", "734.50" },
      bonus = { "Turnover bonus third quarter 2026", "C62", "520.00" },
    } },
  { id = "70050", key = "birkengrund", name = "Schraubenhaus Birkengrund GmbH & Co. KG",
    street = "Gewindestraße 7", city = "Birkengrund", zone = "99618", days = 14,
    number = "R%06d", credit = "G%06d",
    items = {
      bolt = { "Hexagon bolt ISO 4017 M12x60, 8.8, zinc plated", "C62", "23.40", 100 },
      nut = { "Hexagon nut ISO 4032 M12, class 8, zinc plated", "C62", "6.15", 100 },
      washer = { "Washer ISO 7089 M12, 200 HV, zinc plated", "C62", "2.95", 100 },
      stud = { "Stud bolt DIN 939 M16x90, 8.8", "C62", "184.00", 100 },
    } },
  { id = "70060", key = "rotenbrueck", name = "Stahlhandel Rotenbrück GmbH",
    street = "Walzgasse 31", city = "Rotenbrück", zone = "99855", days = 30,
    number = "26/%06d", credit = "26/G%05d",
    items = {
      round40 = { "Round bar 42CrMo4+QT, diameter 40 mm", "KGM", "1480.00", 1000 },
      shaft65 = { "Shaft blank 1.4462, diameter 65 mm, ground, 620 mm", "C62", "189.00" },
      shaft30 = { "Shaft blank 1.4057, diameter 30 mm, ground, 410 mm", "C62", "41.60" },
    } },
  { id = "70070", key = "elmstal", name = "Lackwerke Elmstal GmbH",
    street = "Pigmentweg 5", city = "Elmstal", zone = "99291", days = 21,
    number = "LE-%06d", credit = "LE-G-%06d",
    items = {
      primer = { "Epoxy primer, two-component, grey", "LTR", "13.80" },
      topcoat = { "Top coat RAL 5010, polyurethane", "LTR", "16.40" },
      thinner = { "Thinner for epoxy systems", "LTR", "4.90" },
      drum = { "Empty drum 200 l, returned, deposit", "C62", "35.00" },
    } },
  { id = "70080", key = "gruenfeld", name = "Verpackungswerk Grünfeld eG",
    street = "Holzhof 2", city = "Grünfeld", zone = "99463", days = 14,
    number = "2026-%06d", credit = "2026-GS-%05d",
    items = {
      pallet = { "Wooden pallet 1200 x 800 mm, heat treated", "C62", "12.40" },
      carton = { "Corrugated carton 600 x 400 x 300 mm, double wall", "C62", "1.185" },
      film = { "Stretch film 500 mm, 23 micrometres", "C62", "9.75" },
    } },
  { id = "70090", key = "oderblick", name = "Kantinenbedarf Oderblick GmbH",
    street = "Marktspeicher 9", city = "Oderblick", zone = "99376", days = 14,
    number = "KB%07d", credit = "KG%07d",
    items = {
      coffee = { "Roast coffee, whole bean, 1 kg", "C62", "12.90", 1, 7 },
      tea = { "Black tea, 100 bags", "C62", "4.35", 1, 7 },
      milk = { "Whole milk, long life, case of 12 l", "C62", "14.28", 1, 7 },
      tabs = { "Dishwasher tablets, box of 120", "C62", "18.60" },
    } },
  { id = "70110", key = "waterkeer", name = "Waterkeer Afdichtingen B.V.", country = "NL",
    street = "Sluisweg 45", city = "Nieuwewaard", zone = "9940 WK", days = 30, tax = "K",
    number = "VF26%05d", credit = "CF26%05d",
    items = {
      lipseal = { "Rotary shaft lip seal 65 x 90 x 10 mm, FKM", "C62", "36.50" },
      gasket = { "Flat gasket DN 125, aramid fibre", "C62", "6.72" },
      bellows = { "Rubber bellows DN 80, EPDM", "C62", "58.40" },
    } },
  { id = "70120", key = "steinbruck", name = "Alpguss Steinbruck GmbH", country = "AT",
    street = "Hammerwerkstraße 3", city = "Steinbruck", zone = "9940", days = 30, tax = "K",
    number = "A-26-%05d", credit = "AG-26-%05d",
    items = {
      impeller = { "Impeller 210 mm, bronze CuSn10, balanced", "C62", "174.00" },
      wearring = { "Wear ring 130 mm, bronze CuSn7", "C62", "28.90" },
    } },
  { id = "70130", key = "moravska", name = "Kalibrace Moravská s.r.o.", country = "CZ",
    street = "Měřicí 18", city = "Nová Hamry", zone = "994 01", days = 14, tax = "AE",
    number = "2026%06d", credit = "D2026%05d",
    items = {
      gauge = { "Calibration of a pressure gauge, certificate included", "C62", "48.00" },
      flow = { "Calibration of a flow meter DN 100, certificate included", "C62", "265.00" },
    } },
  { id = "70140", key = "faehrmoor", name = "Sensorik Fährmoor GmbH",
    street = "Messfeld 6", city = "Fährmoor", zone = "99188", days = 14,
    number = "SF-%06d", credit = "SFG-%06d",
    items = {
      pressure = { "Pressure transmitter 0-16 bar, 4-20 mA", "C62", "142.00" },
    } },
  { id = "70150", key = "kranichsee", name = "Werkzeugdienst Kranichsee GmbH",
    street = "Fräserweg 14", city = "Kranichsee", zone = "99670", days = 30,
    number = "KS%06d/26", credit = "KG%06d/26",
    items = {
      insert = { "Indexable insert CNMG 120408, coated", "C62", "7.95" },
      endmill = { "Solid carbide end mill 12 mm, 4 flutes", "C62", "46.20" },
      regrind = { "Regrinding of a drill, up to 20 mm", "C62", "9.40" },
      callout = { "Emergency repair of machining centre 4, on site, per hour", "HUR", "96.00" },
    } },
  { id = "70190", key = "merkbach", name = "Handelskontor Merkbach GmbH",
    street = "Ringstraße 77", city = "Merkbach", zone = "99222", days = 30, blocked = true,
    number = "M%06d", credit = "MG%06d", items = {} },
}

return company
