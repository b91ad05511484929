-- Decisions to reuse or repeat, hand-overs, and the ledger of avoided exams. All of it follows from statements.

-- choice: 1 reuse, 2 reuse with second reading, 3 repeat. verdict: as the answer had it, '' where nothing was found.
CREATE TABLE reuse_decision (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    time INTEGER NOT NULL,
    order_key TEXT NOT NULL,
    facility_id INTEGER NOT NULL,
    choice INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    withdrawn INTEGER NOT NULL
) STRICT;
CREATE INDEX reuse_decision_time ON reuse_decision (time);
CREATE INDEX reuse_decision_order ON reuse_decision (order_key, time);

-- Reports that a decision relied on, in the version that was seen.
CREATE TABLE decision_report (
    report_key TEXT NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    version INTEGER NOT NULL,
    PRIMARY KEY (report_key, subject_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_report_of ON decision_report (subject_row);

-- Patients (patient.key) of the studies of a decision.
CREATE TABLE decision_patient (
    patient BLOB NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    PRIMARY KEY (patient, subject_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_patient_of ON decision_patient (subject_row);

-- Studies of a decision.
CREATE TABLE decision_study (
    study_uid TEXT NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    PRIMARY KEY (study_uid, subject_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_study_of ON decision_study (subject_row);

-- mode: 1 film, 2 link or QR, 3 disc, 4 paper, 5 view only. with_film: 1 the price with film was billed, 0 the one
-- without, -1 not told.
CREATE TABLE delivery (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    time INTEGER NOT NULL,
    order_key TEXT NOT NULL,
    study_uid TEXT NOT NULL,
    mode INTEGER NOT NULL,
    with_film INTEGER NOT NULL,
    withdrawn INTEGER NOT NULL
) STRICT;
CREATE INDEX delivery_time ON delivery (time);
CREATE INDEX delivery_order ON delivery (order_key) WHERE order_key <> '';
CREATE INDEX delivery_study ON delivery (study_uid) WHERE study_uid <> '';
CREATE INDEX delivery_film_billed ON delivery (time) WHERE with_film = 1;

-- Entries by their place. event: 1 exam avoided, 2 that taken back, 3 film avoided, 4 that taken back.
CREATE TABLE ledger_entry (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    writer INTEGER NOT NULL,
    count INTEGER NOT NULL,
    hash BLOB NOT NULL,
    event INTEGER NOT NULL,
    round INTEGER NOT NULL,
    order_key TEXT NOT NULL,
    day TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX ledger_entry_place ON ledger_entry (writer, count);
CREATE INDEX ledger_entry_order ON ledger_entry (order_key);
CREATE INDEX ledger_entry_day ON ledger_entry (day, writer, count);

-- The exams of the entries, for sums. sign: 1 counts, -1 taken back. of_order: the sign again on the first line of an
-- entry, else 0. exam_vnd, film_vnd: what counts; offered_vnd: the film part that counts only when a hand-over tells.
CREATE TABLE ledger_line (
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    n INTEGER NOT NULL,
    day TEXT NOT NULL,
    month TEXT NOT NULL,
    facility_id INTEGER NOT NULL,
    modality TEXT NOT NULL,
    code TEXT NOT NULL,
    is_film INTEGER NOT NULL,
    sign INTEGER NOT NULL,
    of_order INTEGER NOT NULL,
    exam_vnd INTEGER NOT NULL,
    film_vnd INTEGER NOT NULL,
    offered_vnd INTEGER NOT NULL,
    lower_bound INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    PRIMARY KEY (subject_row, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_line_day ON ledger_line (day);

-- Orders of which something changed that the ledger looks at. noted: how often, so that no change is missed.
CREATE TABLE ledger_due (
    order_key TEXT PRIMARY KEY,
    noted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
