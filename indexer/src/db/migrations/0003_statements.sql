-- Statements and what follows from them: withdrawals, chosen versions, linked patients, legal holds.
--
-- Facility statements become rows of the new kind, and holdings get the time of their latest arrival; both stand in
-- the packs alone, so that the derived rows are emptied: the packs are replayed at the start.
DELETE FROM bulk_location;
DELETE FROM conflict;
DELETE FROM facility;
DELETE FROM facility_code;
DELETE FROM frame_table;
DELETE FROM holding;
DELETE FROM instance;
DELETE FROM machine_clock;
DELETE FROM pack;
DELETE FROM patient;
DELETE FROM pending_holding;
DELETE FROM series;
DELETE FROM series_variant;
DELETE FROM study;
DELETE FROM study_variant;
DELETE FROM study_word;
DELETE FROM unindexable;
DELETE FROM word;

-- What statements are about. version, statement_row: the statement that counts, none (0) before the first was decided.
CREATE TABLE subject (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    statement_row INTEGER REFERENCES statement (id),
    UNIQUE (kind, key)
) STRICT;

-- name: the statement's id. time: milliseconds times 65536 plus a count. version: what it made of its subject, 0 if
-- it was superseded, NULL until that is decided. body: the whole statement as JSON.
CREATE TABLE statement (
    id INTEGER PRIMARY KEY,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    time INTEGER NOT NULL,
    writer INTEGER NOT NULL,
    name TEXT NOT NULL,
    based_on INTEGER,
    version INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX statement_order ON statement (subject_row, time, writer, name);
CREATE INDEX statement_name ON statement (name);
CREATE INDEX statement_undecided ON statement (subject_row) WHERE version IS NULL;

-- last_ms: the latest arrival. hidden: a withdrawal covers it.
ALTER TABLE holding ADD COLUMN last_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE holding ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pending_holding ADD COLUMN last_ms INTEGER NOT NULL DEFAULT 0;

-- hidden: no holding of it is visible; it is never served then.
ALTER TABLE instance ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
CREATE INDEX instance_not_served ON instance (series_row) WHERE version <> 0;
CREATE INDEX instance_hidden ON instance (id) WHERE hidden = 1;

-- resolved: 1 found to be a correction, 2 a mix-up, 0 still to be looked at.
ALTER TABLE conflict ADD COLUMN resolved INTEGER NOT NULL DEFAULT 0;

-- All withdrawals, those that were taken back too. facility_id: -1 for everybody.
CREATE TABLE withdrawal (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    time INTEGER NOT NULL,
    study_uid TEXT NOT NULL
) STRICT;
CREATE INDEX withdrawal_time ON withdrawal (time);

-- What the withdrawals that are in force cover. safety: whatever arrives later is hidden too.
CREATE TABLE withdrawn (
    digest BLOB NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    facility_id INTEGER NOT NULL,
    through_ms INTEGER NOT NULL,
    safety INTEGER NOT NULL,
    PRIMARY KEY (digest, subject_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX withdrawn_by ON withdrawn (subject_row);
CREATE INDEX withdrawn_for_safety ON withdrawn (digest) WHERE safety = 1;

-- Versions of a SOP instance that somebody looked at. served: 1 for the one that was chosen.
CREATE TABLE version_choice (
    digest BLOB NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    served INTEGER NOT NULL,
    resolution INTEGER NOT NULL,
    PRIMARY KEY (digest, subject_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_choice_of ON version_choice (subject_row);

-- Patients (patient.key) that are one person.
CREATE TABLE patient_link (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    a BLOB NOT NULL,
    b BLOB NOT NULL
) STRICT;
CREATE INDEX patient_link_a ON patient_link (a);
CREATE INDEX patient_link_b ON patient_link (b);

-- Studies that must be kept.
CREATE TABLE legal_hold (
    study_uid TEXT PRIMARY KEY,
    subject_row INTEGER NOT NULL REFERENCES subject (id)
) STRICT, WITHOUT ROWID;
