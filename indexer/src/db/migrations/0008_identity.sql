-- Persons as headers and orders describe them, their numbers, and the pairs of them that clash.
--
-- What headers say beside name and number was not kept before; it stands in the packs alone, so that the derived rows
-- are emptied: the packs are replayed at the start.
DELETE FROM bulk_location;
DELETE FROM code_choice;
DELETE FROM code_rule;
DELETE FROM conflict;
DELETE FROM exam_order;
DELETE FROM facility;
DELETE FROM facility_code;
DELETE FROM frame_table;
DELETE FROM holding;
DELETE FROM instance;
DELETE FROM legal_hold;
DELETE FROM machine_clock;
DELETE FROM pack;
DELETE FROM patient;
DELETE FROM patient_link;
DELETE FROM pending_holding;
DELETE FROM report;
DELETE FROM series;
DELETE FROM series_variant;
DELETE FROM statement;
DELETE FROM study;
DELETE FROM study_code;
DELETE FROM study_code_value;
DELETE FROM study_variant;
DELETE FROM study_word;
DELETE FROM subject;
DELETE FROM unindexable;
DELETE FROM version_choice;
DELETE FROM withdrawal;
DELETE FROM withdrawn;
DELETE FROM word;

-- name: as received. identifiers: what is carried beside PatientID, as JSON, empty for nothing.
ALTER TABLE study_variant ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE study_variant ADD COLUMN identifiers TEXT NOT NULL DEFAULT '';

-- What headers and orders say of a person: one row for each different saying under one number. patient_key: of the
-- number (patient.key). key: of the whole saying. apart: the study that stands alone, because its name or number stands
-- for nobody or because somebody doubts whose it is; empty otherwise. birth_year: 0 where it is not known.
CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    patient_key BLOB NOT NULL,
    patient_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    facility_id INTEGER NOT NULL,
    scope TEXT NOT NULL,
    apart TEXT NOT NULL,
    name TEXT NOT NULL,
    name_sorted TEXT NOT NULL,
    birth_date TEXT NOT NULL,
    birth_year INTEGER NOT NULL,
    sex TEXT NOT NULL,
    identifiers TEXT NOT NULL
) STRICT;
CREATE INDEX person_patient ON person (patient_key, key);
CREATE INDEX person_named ON person (name_sorted, birth_year, key) WHERE name_sorted <> '';
CREATE INDEX person_born ON person (birth_date, key) WHERE birth_date <> '';
CREATE INDEX person_scope ON person (scope, facility_id) WHERE scope <> '';

-- Numbers by which persons may meet; what they prove is decided when they are read.
CREATE TABLE person_number (
    value TEXT NOT NULL,
    person_row INTEGER NOT NULL REFERENCES person (id),
    PRIMARY KEY (value, person_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_number_of ON person_number (person_row);

-- The same as people stated them; patient: key of a person or of a number.
CREATE TABLE stated_number (
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    patient BLOB NOT NULL,
    value TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (subject_row, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX stated_number_patient ON stated_number (patient);
CREATE INDEX stated_number_value ON stated_number (value);

ALTER TABLE study ADD COLUMN person_row INTEGER;
CREATE INDEX study_person ON study (person_row, newest DESC, study_uid);
ALTER TABLE exam_order ADD COLUMN person_row INTEGER;
CREATE INDEX exam_order_person ON exam_order (person_row);

-- said: 1 one person, 2 two persons, 3 a collision is open, 4 it was found to be one person, 5 two. time: of the
-- statement. apart: the study that somebody doubts.
ALTER TABLE patient_link ADD COLUMN said INTEGER NOT NULL DEFAULT 1;
ALTER TABLE patient_link ADD COLUMN time INTEGER NOT NULL DEFAULT 0;
ALTER TABLE patient_link ADD COLUMN apart TEXT NOT NULL DEFAULT '';
CREATE INDEX patient_link_apart ON patient_link (apart) WHERE apart <> '';
CREATE INDEX patient_link_said ON patient_link (said, a, b);

-- Pairs of persons (person.key) that clash under one number, whatever was said of them.
CREATE TABLE collision (
    a BLOB NOT NULL,
    b BLOB NOT NULL,
    PRIMARY KEY (a, b)
) STRICT, WITHOUT ROWID;
CREATE INDEX collision_b ON collision (b);

CREATE INDEX facility_code_code ON facility_code (code);
